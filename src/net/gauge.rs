//! A look at the path of a connection from beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::PathCounts;
use super::udp::Counters;

/// Reads what is known of one connection's path, for as long as there is the connection.
#[derive(Debug)]
pub enum Gauge {
    /// The kernel is asked, in some microseconds.
    Tcp {
        local: SocketAddr,
        peer: SocketAddr,
    },
    Udp(Arc<Counters>),
}

/// What a [`Gauge`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Smoothed; zero while it is not known.
    pub round_trip: Duration,
    pub retransmitted: u64,
}

impl Gauge {
    /// What it shows now, and whether there is more to come; `None`: the connection is gone, or the system does not tell.
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
