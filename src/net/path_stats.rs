//! Reads the state of a connection's path without access to the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::PathCounts;
use super::udp::Counters;

/// Reads the path statistics of one connection while it exists.
#[derive(Debug)]
pub enum Gauge {
    /// Read from the kernel, in some microseconds.
    Tcp { local: SocketAddr, peer: SocketAddr },
    /// Read from the counters that the driver updates.
    Udp(Arc<Counters>),
}

/// What a [`Gauge`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Smoothed round-trip time; zero while unknown.
    pub round_trip: Duration,
    /// Segments (TCP) or pieces of blocks (UDP) retransmitted so far.
    pub retransmitted: u64,
}

impl Gauge {
    /// The current values, and whether the connection still exists; `None` if it is gone or the system does not say.
    pub fn read(&self) -> Option<(Path, bool)> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tcp { local, peer } => super::tcp::path(*local, *peer).map(|path| (path, true)),
            #[cfg(not(target_os = "linux"))]
            Self::Tcp { .. } => None,
            Self::Udp(counters) => {
                let PathCounts { round_trip, retransmitted, .. } = counters.get();
                Some((Path { round_trip, retransmitted }, Arc::strong_count(counters) > 1))
            }
        }
    }
}
