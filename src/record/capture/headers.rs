//! Headers that a capture puts before what an application sent, with valid check sums: IPv4 (RFC 791), IPv6 (RFC 8200),
//! UDP (RFC 768), TCP (RFC 9293).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::segment::{SYN, Segment};

const UDP: u8 = 17;
const TCP: u8 = 6;
const V4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;
/// Hops that a packet may still take, as most systems begin.
const HOPS: u8 = 64;
/// Shift of the window, the largest of RFC 7323: a window never seems to be full.
const WINDOW_SHIFT: u8 = 14;

/// Sender and receiver, both of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Ends {
    /// IPv4 addresses that are written as IPv6 count as IPv4; if only one is IPv4, it is mapped to IPv6.
    pub(super) fn new(from: SocketAddr, to: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (from, to) = (plain(from), plain(to));
        if from.is_ipv4() == to.is_ipv4() {
            return Self { from, to };
        }
        let mapped = |end: SocketAddr| SocketAddr::new(as_v6(end.ip()).into(), end.port());
        Self { from: mapped(from), to: mapped(to) }
    }

    /// The other direction.
    pub(super) const fn turned(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    /// True if the packets are of IPv4.
    pub(super) const fn is_v4(self) -> bool {
        self.from.is_ipv4() && self.to.is_ipv4()
    }

    /// Most bytes of a datagram that its headers can tell: their lengths have 16 bits. That of IPv6 does not count its
    /// own header.
    const fn datagram_limit(self) -> usize {
        let most = u16::MAX as usize - UDP_HEADER;
        if self.is_v4() { most - V4_HEADER } else { most }
    }
}

/// A packet with a datagram; one that is longer than IP can carry is cut.
pub(super) fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(ends.datagram_limit())];
    let mut body = Vec::with_capacity(UDP_HEADER + payload.len());
    body.extend(ends.from.port().to_be_bytes());
    body.extend(ends.to.port().to_be_bytes());
    body.extend(((UDP_HEADER + payload.len()) as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend_from_slice(payload);
    // Zero would mean that there is no check sum.
    let sum = match transport_sum(ends, UDP, &body) {
        0 => u16::MAX,
        sum => sum,
    };
    body[6..8].copy_from_slice(&sum.to_be_bytes());
    packet(ends, UDP, &body)
}

/// A packet with a segment of TCP; `payload` is at most `segment::size_limit`.
pub(super) fn tcp(ends: Ends, segment: &Segment, payload: &[u8]) -> Vec<u8> {
    let options = if segment.flags & SYN == 0 { Vec::new() } else { syn_options(ends) };
    let words = ((TCP_HEADER + options.len()) / 4) as u8;
    let mut body = Vec::with_capacity(TCP_HEADER + options.len() + payload.len());
    body.extend(ends.from.port().to_be_bytes());
    body.extend(ends.to.port().to_be_bytes());
    body.extend(segment.sequence.to_be_bytes());
    body.extend(segment.acknowledgment.to_be_bytes());
    body.extend([words << 4, segment.flags]);
    body.extend(u16::MAX.to_be_bytes());
    // Check sum, urgent pointer.
    body.extend([0; 4]);
    body.extend(options);
    body.extend_from_slice(payload);
    let sum = transport_sum(ends, TCP, &body);
    body[16..18].copy_from_slice(&sum.to_be_bytes());
    packet(ends, TCP, &body)
}

/// Maximum segment size; no operation; window scale.
fn syn_options(ends: Ends) -> Vec<u8> {
    let size = (Segment::size_limit(ends.is_v4()) as u16).to_be_bytes();
    vec![2, 4, size[0], size[1], 1, 3, 3, WINDOW_SHIFT]
}

/// The IP header and what follows it; the length of `body` fits into 16 bits with it.
fn packet(ends: Ends, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + body.len());
    match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend([0x45, 0]);
            out.extend(((V4_HEADER + body.len()) as u16).to_be_bytes());
            // No identification; do not fragment (RFC 6864); the check sum comes last.
            out.extend([0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
            let mut sum = Sum::default();
            sum.add(&out);
            out[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        }
        (from, to) => {
            out.extend([0x60, 0, 0, 0]);
            out.extend((body.len() as u16).to_be_bytes());
            out.extend([protocol, HOPS]);
            out.extend(as_v6(from).octets());
            out.extend(as_v6(to).octets());
        }
    }
    out.extend_from_slice(body);
    out
}

/// The check sum of a UDP or TCP header whose own check sum is still zero, with what follows it.
fn transport_sum(ends: Ends, protocol: u8, body: &[u8]) -> u16 {
    let mut sum = Sum::default();
    match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            sum.add(&from.octets());
            sum.add(&to.octets());
        }
        (from, to) => {
            sum.add(&as_v6(from).octets());
            sum.add(&as_v6(to).octets());
        }
    }
    sum.add(&(body.len() as u32).to_be_bytes());
    sum.add(&[0, protocol]);
    sum.add(body);
    sum.finish()
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The Internet check sum (RFC 1071). All parts but the last have an even number of bytes.
#[derive(Debug, Default)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks();
        self.0 += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        self.0 += rest.iter().map(|&byte| u64::from(byte) << 8).sum::<u64>();
    }

    fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > u64::from(u16::MAX) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}
