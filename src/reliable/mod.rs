//! Reliable delivery over datagrams: a state machine without sockets, tasks or clock.
//!
//! Bytes and time go in; datagrams, the next deadline and events come out:
//!
//! ```text
//! handle_datagram(now, bytes)   handle_timeout(now)   write_frame   write_block   close
//!                 └──────────────────┬─────────────────────┘
//!        poll_transmit(now)     deadline()     poll_event()
//! ```
//! After every input, drain `poll_transmit` and `poll_event`, then ask for `deadline`.
//!
//! Packet numbers are never reused and are apart from block numbers (a repaired block is the block, not the
//! packet). Loss detection is after RFC 9002 (time threshold, probe timeout); a connection begins with a cookie, so
//! that a spoofed source costs nothing (RFC 9000, section 8). Two things travel: an ordered stream of frames, and
//! blocks that are delivered the moment they arrive. Flow control bounds both, so memory is bounded by the credit
//! that a side gives, however bad the network.
//!
//! | file | what |
//! |---|---|
//! | `endpoint` | many connections on one socket: finds them by id, lets new ones in |
//! | `connection` | one connection: its state, inputs and outputs |
//! | `handshake` | the first datagrams, and those of a client that moved |
//! | `send`, `stream` | what waits to be sent, and the building of datagrams |
//! | `loss`, `rtt` | what is in flight: acknowledgement, loss, probes, copies of the end |
//! | `receive` | what came: duplicates, order, credit, when to acknowledge |
//! | `congestion` | how much may be in flight, and how fast it leaves |
//! | `arq` | go-back-N and stop-and-wait |
//! | `mtu` | how large a datagram the path takes |
//! | `tests` | both ends in virtual time: random networks, formulas, promises |

pub mod arq;
pub mod congestion;
pub mod connection;
pub mod endpoint;
mod handshake;
mod loss;
mod mtu;
pub mod receive;
pub mod rtt;
mod send;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use arq::Arq;
pub use connection::{Connection, Event, Stats};
pub use endpoint::{Endpoint, Listening};

use std::time::Duration;

use crate::wire::Code;
use crate::wire::datagram::{BASE_DATAGRAM, Credit};

/// How a connection behaves; both ends may differ.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Largest UDP payload to send without having tried larger ones.
    pub datagram: usize,
    /// Largest to try; not above `datagram`: none is tried.
    pub datagram_most: usize,
    /// How much the application may leave unread: half of what the socket's buffer holds, or less.
    pub credit: Credit,
    /// How far the credit for blocks may grow while the application keeps up.
    pub credit_limit: u64,
    /// How lost blocks are repeated.
    pub arq: Arq,
    /// What bounds the sender.
    pub control: congestion::Control,
    /// Random, and not known to the peer: which packet numbers are left out.
    pub seed: u64,
    /// Bytes of blocks and frames that may wait to be sent.
    pub backlog: usize,
    /// … but no more than leaves in this time, or a few datagrams.
    pub backlog_time: Duration,
    /// How long a server may take to answer at all (FAULTS row 37).
    pub connect: Duration,
    /// A peer that is silent for this long while something is owed is gone (FAULTS row 46).
    pub give_up: Duration,
    /// How often a quiet connection is tested (FAULTS row 39).
    pub keep_alive: Duration,
}

/// How long a server may take to answer the first datagram.
pub const CONNECT: Duration = Duration::from_secs(10);
/// A connection that is quiet for this long is tested with a PING.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a silent peer is waited for unless something else is wanted.
pub const GIVE_UP: Duration = Duration::from_secs(15);

impl Default for Config {
    fn default() -> Self {
        Self {
            datagram: BASE_DATAGRAM,
            datagram_most: 0,
            credit: Credit { stream: 1 << 20, block: 1 << 20 },
            credit_limit: 16 << 20,
            arq: Arq::Selective,
            control: congestion::Control::Auto,
            seed: 0,
            backlog: 1 << 20,
            backlog_time: Duration::MAX,
            connect: CONNECT,
            give_up: GIVE_UP,
            keep_alive: KEEP_ALIVE,
        }
    }
}

/// Charged for each piece of a block beside its bytes, so that tiny pieces cannot fill memory.
pub const PIECE_COST: u64 = 64;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One side closed it in order; the code and reason are the closer's.
    Closed { code: Code, reason: String, by_peer: bool },
    /// The server did not take it.
    Refused { code: Code, reason: String },
    /// Silence.
    Vanished { after: Duration, sent: u64, acknowledged: u64 },
    /// The peer broke the protocol.
    Misbehaved(&'static str),
}
