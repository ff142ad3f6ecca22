//! Kernel statistics of one of our TCP connections: `struct tcp_info` of `linux/tcp.h`, in native byte order.

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::kernel::diag::{self, Diag, u32_at, u64_at};

/// Attributes of the kernel's answer (`linux/inet_diag.h`).
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;

/// Statistics of the sending direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// Time with data in flight, and the parts of it limited by the peer's receive window and by the send buffer.
    pub(super) busy: Duration,
    pub(super) by_receiver: Duration,
    pub(super) by_buffer: Duration,
    /// Data segments sent, and segments retransmitted.
    pub(super) segments: u32,
    pub(super) repeated: u32,
    /// Smoothed round-trip time, and the minimum.
    pub(super) round_trip: Duration,
    pub(super) shortest: Duration,
    /// Bytes acknowledged by the peer, and its current receive window.
    pub(super) acknowledged: u64,
    pub(super) window: u32,
    /// The name of the congestion control, such as `cubic` or `bbr`.
    pub(super) control: String,
}

/// Queries the kernel; `None` if there is no such connection or the kernel does not say.
pub(super) fn ask(local: SocketAddr, peer: SocketAddr) -> Option<Info> {
    read(&diag::ask(local, peer, &[INET_DIAG_INFO, INET_DIAG_CONG]).ok()??)
}

fn read(diag: &Diag) -> Option<Info> {
    let (mut info, mut found) = (Info::default(), false);
    for (kind, value) in diag.attributes() {
        match kind {
            INET_DIAG_INFO => {
                found = true;
                info.set(value)?;
            }
            INET_DIAG_CONG => {
                String::from_utf8_lossy(value).trim_end_matches('\0').clone_into(&mut info.control);
            }
            _ => {}
        }
    }
    found.then_some(info)
}

impl Info {
    /// Takes over what `struct tcp_info` says; `None` if it is torn.
    fn set(&mut self, value: &[u8]) -> Option<()> {
        self.round_trip = micros(u32_at(value, 68)?);
        self.repeated = u32_at(value, 100)?;
        self.acknowledged = u64_at(value, 120)?;
        self.shortest = micros(u32_at(value, 148)?);
        self.segments = u32_at(value, 156)?;
        self.busy = Duration::from_micros(u64_at(value, 168)?);
        self.by_receiver = Duration::from_micros(u64_at(value, 176)?);
        self.by_buffer = Duration::from_micros(u64_at(value, 184)?);
        // Since Linux 5.4.
        self.window = u32_at(value, 228).unwrap_or(u32::MAX);
        Some(())
    }
}

fn micros(value: u32) -> Duration {
    Duration::from_micros(u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn the_kernel_tells_of_both_families_and_of_nobody_elses() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(&[1; 10_000]).unwrap();
            server.read_exact(&mut [0; 10_000]).unwrap();
            let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let info = ask(local, peer).unwrap();
            assert!(info.segments > 0 && !info.control.is_empty(), "{info:?}");
            assert_eq!(ask(local, "127.0.0.1:1".parse().unwrap()), None);
        }
    }

    #[test]
    fn torn_statistics_are_none() {
        for end in 0..192 {
            assert_eq!(Info::default().set(&[1; 192][..end]), None, "{end}");
        }
        assert_eq!(Info::default().set(&[1; 192]), Some(()));
    }
}
