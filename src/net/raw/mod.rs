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

pub mod connect;
mod datagrams;
pub mod listen;
pub mod pipe;
mod reader;
#[cfg(feature = "tls")]
pub mod tls;
mod writer;

pub use reader::Reader;
pub use writer::{Cut, Writer};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

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
}

impl RawConnection {
    /// Over TCP.
    fn tcp(stream: TcpStream, peer: String) -> Self {
        super::tcp::prepare(&stream);
        let cut = Cut::of(&stream);
        let (read, write) = stream.into_split();
        Self::stream(read, write, (peer, Carrier::TCP)).with_cut(cut)
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
        }
    }

    fn with_cut(mut self, cut: Option<Cut>) -> Self {
        self.writer.cut = cut;
        self
    }
}
