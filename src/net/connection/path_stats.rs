//! Reads the state of a connection's path without access to the connection.

use std::net::SocketAddr;
use std::sync::Arc;

use super::message::{PathCounts, PathSample};
use crate::net::tcp;
use crate::net::udp::Counters;

/// Reads the path statistics of one connection while it exists.
#[derive(Debug)]
pub enum PathStats {
    /// Read from the kernel, in some microseconds.
    Tcp { local: SocketAddr, peer: SocketAddr },
    /// Read from the counters that the driver updates.
    Udp(Arc<Counters>),
}

impl PathStats {
    /// The current values, and whether the connection still exists; `None` if it is gone or the system does not say.
    pub fn read(&self) -> Option<(PathSample, bool)> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tcp { local, peer } => tcp::path(*local, *peer).map(|path| (path, true)),
            #[cfg(not(target_os = "linux"))]
            Self::Tcp { .. } => None,
            Self::Udp(counters) => {
                let PathCounts { round_trip, retransmitted, .. } = counters.get();
                Some((PathSample { round_trip, retransmitted }, Arc::strong_count(counters) > 1))
            }
        }
    }
}
