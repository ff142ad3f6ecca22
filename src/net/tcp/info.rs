//! Kernel statistics of one of our TCP connections: `sock_diag` over netlink, which needs no privilege and no unsafe
//! code. Layouts follow `linux/inet_diag.h` and `struct tcp_info` in `linux/tcp.h`, in native byte order.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const PROTOCOL_TCP: u8 = 6;
/// Attributes of the response; bit N - 1 of the request asks for attribute N.
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const NO_COOKIE: u32 = u32::MAX;
const NETLINK_HEADER: usize = 16;
const DIAG_MESSAGE: usize = 72;

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
    let protocol = Some(netlink::SOCK_DIAG);
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol);
    let socket = socket.ok()?;
    rustix::net::send(&socket, &request(local, peer), SendFlags::empty()).ok()?;
    let mut answer = [0; 4096];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
    read(answer.get(..length)?)
}

fn request(local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let asked = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1);
    let mut body = vec![family.as_raw() as u8, PROTOCOL_TCP, asked, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(peer.port().to_be_bytes());
    for address in [local.ip(), peer.ip()] {
        let mut bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.resize(16, 0);
        body.extend(bytes);
    }
    body.extend([0; 4]);
    body.extend([NO_COOKIE.to_ne_bytes(); 2].concat());
    let mut message = ((NETLINK_HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn read(answer: &[u8]) -> Option<Info> {
    if u16_at(answer, 4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let (mut info, mut found) = (Info::default(), false);
    let mut rest = answer.get(NETLINK_HEADER + DIAG_MESSAGE..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let value = rest.get(4..usize::from(length))?;
        match kind {
            INET_DIAG_INFO => {
                found = true;
                info.round_trip = micros(u32_at(value, 68)?);
                info.repeated = u32_at(value, 100)?;
                info.acknowledged = u64_at(value, 120)?;
                info.shortest = micros(u32_at(value, 148)?);
                info.segments = u32_at(value, 156)?;
                info.busy = Duration::from_micros(u64_at(value, 168)?);
                info.by_receiver = Duration::from_micros(u64_at(value, 176)?);
                info.by_buffer = Duration::from_micros(u64_at(value, 184)?);
                // Since Linux 5.4.
                info.window = u32_at(value, 228).unwrap_or(u32::MAX);
            }
            INET_DIAG_CONG => {
                String::from_utf8_lossy(value).trim_end_matches('\0').clone_into(&mut info.control);
            }
            _ => {}
        }
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    found.then_some(info)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
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
    fn torn_answers_are_no_answers() {
        let whole: Vec<u8> = (0..408u32).map(|n| n as u8).collect();
        (0..whole.len()).for_each(|end| drop(read(&whole[..end])));
    }
}
