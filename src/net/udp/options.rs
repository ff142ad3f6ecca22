//! How a service wants its data sent over UDP.

use std::time::Duration;

use crate::reliable::congestion::Control;
use crate::reliable::{self, Arq};
use crate::wire::datagram;

/// How a service wants its data sent over UDP.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Largest UDP payload to send, in bytes.
    pub datagram: usize,
    /// The congestion control.
    pub control: Control,
    /// How lost blocks are retransmitted.
    pub arq: Arq,
    /// How long a peer may be silent while something is unacknowledged, before it counts as gone (faults.md row 46).
    pub give_up: Duration,
    /// Bytes that a service may have queued for one peer, before the connection's own send buffer.
    pub queue: usize,
    /// Bytes that the connection itself may hold without having begun to send them …
    pub backlog: usize,
    /// … limited further to what can be sent within this time. A service that may have to change what it sends next
    /// keeps this short.
    pub backlog_time: Duration,
}

impl Options {
    /// The default.
    pub const STANDARD: Self = Self {
        datagram: datagram::BASE_DATAGRAM,
        control: Control::Auto,
        arq: Arq::Selective,
        give_up: reliable::GIVE_UP,
        queue: 2 << 20,
        backlog: 1 << 20,
        backlog_time: Duration::MAX,
    };

    /// True if datagrams are small enough for any supported path, so that they are never fragmented.
    pub(super) const fn is_whole(&self) -> bool {
        self.datagram <= datagram::BASE_DATAGRAM
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::STANDARD
    }
}
