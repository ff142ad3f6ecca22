//! Connections whose bytes are not ours: what any client and any server speaks, over TCP, UDP or a Unix socket. A stream
//! is read as it comes, a datagram as a whole.
//!
//! | file | holds |
//! |---|---|
//! | `reader`, `writer` | the two halves |
//! | `connect` | connecting |
//! | `listen` | binding and accepting |
//! | `pipe` | the standard streams as one side of a connection |
//! | `tls` | TLS, with the feature of that name |
//! | `datagrams` | the clients of one UDP socket |
//! | `errors` | what can be wrong |

pub mod connect;
mod datagrams;
pub(crate) mod errors;
pub mod listen;
pub mod pipe;
mod reader;
#[cfg(feature = "tls")]
pub mod tls;
mod writer;

pub use reader::Reader;
pub use writer::{Cut, Writer};

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::permits::ConnectionPermit;
use super::connection::record::ConnectionNotes;
use crate::base::{Carrier, Fields};

/// Most bytes that one read takes from a stream.
pub const READ_SIZE: usize = 64 << 10;

/// Both halves of a raw connection.
pub struct RawConnection {
    /// The receiving half.
    pub reader: Reader,
    /// The sending half.
    pub writer: Writer,
    /// Who is there, as text.
    pub peer: String,
    /// What carries the bytes.
    pub carrier: Carrier,
    /// What is known of the connection, such as the version of TLS.
    pub facts: Fields,
    /// The addresses of this side and of the peer, if it has some.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// Its share of the client limit.
    pub place: ConnectionPermit,
}

impl RawConnection {
    /// Over TCP; the stream has its options.
    fn tcp(stream: TcpStream, peer: String) -> Self {
        let (cut, ends) = (Cut::of(&stream), super::tcp::addresses(&stream));
        let (read, write) = stream.into_split();
        Self { ends, ..Self::stream(read, write, (peer, Carrier::TCP)).with_cut(cut) }
    }

    /// Notes what passes from here on; `is_client`: the peer opened the connection. Over TLS what is inside is noted.
    pub fn note(&mut self, notes: ConnectionNotes, is_client: bool) {
        let ConnectionNotes { mut out, mut into } = notes;
        (out.is_sealed, into.is_sealed) = (self.carrier == Carrier::Tls, self.carrier == Carrier::Tls);
        if is_client { &into } else { &out }.open();
        (self.writer.notes, self.reader.notes) = (Some(Box::new(out)), Some(Box::new(into)));
    }

    /// Over anything that is a stream.
    fn stream(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        (peer, carrier): (String, Carrier),
    ) -> Self {
        Self {
            reader: Reader::stream(read),
            writer: Writer::stream(write),
            peer,
            carrier,
            facts: Fields::new(),
            ends: None,
            place: ConnectionPermit::elsewhere(),
        }
    }

    fn with_cut(mut self, cut: Option<Cut>) -> Self {
        self.writer.cut = cut;
        self
    }
}
