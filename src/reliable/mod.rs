//! Reliable delivery over datagrams: a state machine without sockets, tasks or clock.
//!
//! Bytes and time go in; datagrams, events and the next deadline come out:
//!
//! ```text
//!  handle_input(now, Datagram | Timeout)      write_frame   write_block   consumed   close
//!                  └──────────────────────────┬──────────────────────────────┘
//!               poll_output(now, buffer) → Transmit | Event | Wait(until)
//! ```
//! After every input and every write, `poll_output` is asked until it says `Wait`. [`Endpoint`] does that for the many
//! connections of one socket.
//!
//! ```
//! use nls::base::Time;
//! use nls::reliable::{Config, Connection, Output};
//! use nls::wire::ConnectionId;
//!
//! let (now, mut datagram) = (Time::ZERO, Vec::new());
//! let mut client = Connection::connect(ConnectionId(1), 200, Config::default(), now);
//! // The first datagram of a client is as large as the answer may be.
//! assert_eq!(client.poll_output(now, &mut datagram), Output::Transmit);
//! assert_eq!(datagram.len(), 1200);
//! // It is sent again if nobody answers.
//! let Output::Wait(Some(until)) = client.poll_output(now, &mut datagram) else { panic!("it has more to say") };
//! assert_eq!(until.micros(), 200_000);
//! ```
//!
//! Packet numbers are never reused and are separate from piece numbers: a lost piece is sent again under its own
//! number, in a new packet. Loss detection follows RFC 9002 (time threshold, probe timeout). A connection begins with
//! a cookie, so a spoofed source address costs the server no state (RFC 9000, section 8). A connection carries an
//! ordered stream of frames, and blocks that are delivered as soon as they arrive. Flow control bounds both, so memory
//! is bounded by the credit that a side grants, however bad the network.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | many connections on one socket: finds them by id, accepts new ones |
//! | `connection` | one connection orchestrates the rest: `greet`, `transmit`, `receive`, `loss_and_probes` |
//! | `handshake` | the state of the first datagrams, cookies, and what encryption has to offer |
//! | `segment`, `send_side`, `stream` | data that waits to be sent |
//! | `receive_side` | received data: duplicates, order, credit, when to acknowledge |
//! | `recovery` | the round-trip time, and the packets that were sent (RFC 9002) |
//! | `congestion` | how much may be in flight, and how fast it is sent: one file for each control |
//! | `arq` | selective repeat with a window, go-back-N, stop-and-wait |
//! | `mtu` | how large a datagram the path takes |
//! | `tests` | both ends in virtual time: random networks, formulas, promises |

pub mod arq;
pub mod congestion;
pub mod connection;
pub mod endpoint;
mod handshake;
mod mtu;
pub mod receive_side;
pub mod recovery;
mod segment;
mod send_side;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use arq::Arq;
pub use connection::{Connection, Event, Input, Inside, Output, Stats};
pub use endpoint::{Acceptance, Accepted, Endpoint};
pub use handshake::sealing;

use std::time::Duration;

use crate::wire::Code;
use crate::wire::datagram::{BASE_DATAGRAM, Credit};

/// Parameters of a connection; the two ends may differ.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Largest UDP payload, in bytes, before a larger one was probed successfully.
    pub datagram: usize,
    /// Largest UDP payload to probe for, in bytes; if it is not above `datagram`, none is probed.
    pub datagram_most: usize,
    /// Bytes that the application may leave unread: at most half of the receive buffer of the socket.
    pub credit: Credit,
    /// Bytes of the stream that may wait for others before them: more are dropped as if the network had lost them.
    pub gaps: usize,
    /// Largest credit for blocks, in bytes, that receive-window auto-tuning may reach while the application keeps up.
    pub credit_limit: u64,
    /// How lost blocks are retransmitted.
    pub arq: Arq,
    /// The congestion control of the sender.
    pub control: congestion::Control,
    /// Random, and unknown to the peer: decides which packet numbers are skipped.
    pub seed: u64,
    /// Most bytes of blocks and frames that may wait to be sent.
    pub backlog: usize,
    /// … and no more than the current rate sends in this time, though 8 KiB may always wait.
    pub backlog_time: Duration,
    /// How long a client waits for a server that does not answer the handshake (faults.md row 37).
    pub connect: Duration,
    /// A peer that is silent for this long while data is unacknowledged is given up (faults.md row 46).
    pub give_up: Duration,
    /// Interval between the PINGs of an idle connection (faults.md row 39).
    pub keep_alive: Duration,
    /// Events of the record that are kept until they are taken, see [`Connection::take_record`]; 0: nothing is recorded.
    pub record: usize,
}

/// Default of [`Config::connect`].
pub const CONNECT: Duration = Duration::from_secs(10);
/// Default of [`Config::keep_alive`].
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Default of [`Config::give_up`].
pub const GIVE_UP: Duration = Duration::from_secs(15);

impl Default for Config {
    fn default() -> Self {
        Self {
            datagram: BASE_DATAGRAM,
            datagram_most: 0,
            credit: Credit { stream: 1 << 20, block: 1 << 20 },
            gaps: 2 << 20,
            credit_limit: 16 << 20,
            arq: Arq::Selective,
            control: congestion::Control::Auto,
            seed: 0,
            backlog: 1 << 20,
            backlog_time: Duration::MAX,
            connect: CONNECT,
            give_up: GIVE_UP,
            keep_alive: KEEP_ALIVE,
            record: 0,
        }
    }
}

/// Bytes that all connections of a socket together may have waiting to be sent, nearly: the first ones have more. And as
/// many of the stream that wait for others before them.
const SHARED: usize = 8 << 20;
/// What each connection may have in any case.
const SHARE_LEAST: usize = 64 << 10;

/// How many bytes a new connection beside `others` may have waiting; alone, `most`. Its peer may never acknowledge
/// anything, or never send what comes first.
pub fn shared(most: usize, others: usize) -> usize {
    most.min((SHARED / (others + 1)).max(SHARE_LEAST))
}

/// Bytes charged to the block credit for each piece, on top of its data, so that tiny pieces cannot fill memory.
pub const PIECE_COST: u64 = 64;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A side closed it. `code` and `reason` come from that side; `by_peer` is true if it was the peer.
    Closed {
        /// The closer's code.
        code: Code,
        /// The closer's words.
        reason: String,
        /// False: this side closed.
        by_peer: bool,
    },
    /// The server refused the connection, for this reason.
    Refused {
        /// The server's code.
        code: Code,
        /// The server's words.
        reason: String,
    },
    /// The server answered, and does not encrypt, but this side has a key.
    NotEncrypted,
    /// The peer timed out: `after` is the silence; `sent` counts bytes sent, `acknowledged` those that the peer
    /// confirmed.
    TimedOut {
        /// Since the peer was heard.
        after: Duration,
        /// Bytes of blocks that left.
        sent: u64,
        /// Bytes of blocks that the peer acknowledged.
        acknowledged: u64,
    },
    /// The peer violated the protocol; the text says how.
    ProtocolViolation(&'static str),
}
