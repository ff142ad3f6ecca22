//! What the kernel knows of the sockets of this machine: `sock_diag(7)` over netlink, which needs no privilege. Of one TCP
//! connection it tells within microseconds, however many sockets there are. To find all sockets of a port it goes through
//! its table of sockets, but writes down no others. Layouts follow `linux/netlink.h` and `linux/inet_diag.h`, in native
//! byte order.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::base::Transport;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const NO_COOKIE: u32 = u32::MAX;
const NETLINK_HEADER: usize = 16;
const DIAG_MESSAGE: usize = 72;
/// Bytes of the longest answer that is asked for.
const ANSWER_SIZE: usize = 4096;
/// Most sockets of one port that are looked at.
const SOCKETS_LIMIT: usize = 4096;

/// `TCP_TIME_WAIT`: the connection is over, and the kernel keeps no more than its addresses.
const TIME_WAIT: u8 = 6;
/// `TCP_LISTEN`: where there is no connection, the kernel tells of who would take it.
const LISTEN: u8 = 10;

/// What the kernel says of one socket.
#[derive(Debug)]
pub(in crate::net) struct Diag(Vec<u8>);

/// Asks for the end of a TCP connection whose own address is `local`, with these attributes (`INET_DIAG_…`). `None`: there
/// is no such connection, or it is over. An error: this system has no such query.
pub(in crate::net) fn ask(local: SocketAddr, peer: SocketAddr, attributes: &[u16]) -> Result<Option<Diag>> {
    // A connection over IPv4 is found as one whatever the family of its socket is.
    let (local, peer) = (canonical(local), canonical(peer));
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = open()?;
    let request = request(NLM_F_REQUEST, (family, PROTOCOL_TCP), attributes, (local, peer));
    rustix::net::send(&socket, &request, SendFlags::empty())?;
    Diag::read(receive(&socket)?)
}

/// All sockets that have this port, whatever their address, but for those that listen or are over.
///
/// # Errors
/// This system has no such query, or there are more than [`SOCKETS_LIMIT`].
pub(super) fn on_port(transport: Transport, port: u16) -> Result<Vec<Diag>> {
    let protocol = match transport {
        Transport::Tcp => PROTOCOL_TCP,
        Transport::Udp => PROTOCOL_UDP,
    };
    let [local, any] = [port, 0].map(|port| SocketAddr::from(([0; 16], port)));
    let (socket, mut found) = (open()?, Vec::new());
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let request = request(NLM_F_REQUEST | NLM_F_DUMP, (family, protocol), &[], (local, any));
        rustix::net::send(&socket, &request, SendFlags::empty())?;
        while !read_dump(&receive(&socket)?, &mut found)? {
            if found.len() > SOCKETS_LIMIT {
                return Err(ErrorKind::QuotaExceeded.into());
            }
        }
    }
    Ok(found)
}

/// Takes the sockets of a part of a dump; true if it was the last one.
fn read_dump(mut answer: &[u8], found: &mut Vec<Diag>) -> Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(answer, 0), u16_at(answer, 4)) {
        if kind == NLMSG_DONE {
            return Ok(true);
        }
        let length = length as usize;
        let message = answer.get(..length.max(NETLINK_HEADER)).ok_or(ErrorKind::UnexpectedEof)?;
        found.extend(Diag::read(message.to_vec())?);
        answer = answer.get(message.len().next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn open() -> Result<OwnedFd> {
    let protocol = Some(netlink::SOCK_DIAG);
    Ok(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?)
}

/// The answer is there as soon as the request was sent.
fn receive(socket: &OwnedFd) -> Result<Vec<u8>> {
    let mut answer = vec![0; ANSWER_SIZE];
    let (length, whole) = rustix::net::recv(socket, &mut answer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
    if whole > length {
        return Err(ErrorKind::InvalidData.into());
    }
    answer.truncate(length);
    Ok(answer)
}

fn request(
    flags: u16,
    (family, protocol): (AddressFamily, u8),
    attributes: &[u16],
    (local, peer): (SocketAddr, SocketAddr),
) -> Vec<u8> {
    // Bit N - 1 asks for attribute N.
    let asked = attributes.iter().fold(0, |asked, attribute| asked | 1 << (attribute - 1));
    let mut body = vec![family.as_raw() as u8, protocol, asked, 0];
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
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Diag {
    fn read(answer: Vec<u8>) -> Result<Option<Self>> {
        let whole = || Error::from(ErrorKind::UnexpectedEof);
        match u16_at(&answer, 4).ok_or_else(whole)? {
            SOCK_DIAG_BY_FAMILY if answer.len() >= NETLINK_HEADER + DIAG_MESSAGE => {
                let diag = Self(answer);
                let is_connection = !matches!(diag.byte(1), TIME_WAIT | LISTEN);
                Ok(is_connection.then_some(diag))
            }
            NLMSG_ERROR => match -(u32_at(&answer, NETLINK_HEADER).ok_or_else(whole)?.cast_signed()) {
                gone if gone == Errno::NOENT.raw_os_error() => Ok(None),
                other => Err(Error::from_raw_os_error(other)),
            },
            _ => Err(whole()),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.0.get(NETLINK_HEADER + at).copied().unwrap_or_default()
    }

    /// True if the socket has this address, or all addresses: an IPv6 socket may have one of IPv4, too.
    pub(super) fn is_at(&self, address: IpAddr) -> bool {
        let at = NETLINK_HEADER + 8;
        let own = match u16::from(self.byte(0)) {
            family if family == AddressFamily::INET.as_raw() => bytes_at::<4>(&self.0, at).map(IpAddr::from),
            _ => bytes_at::<16>(&self.0, at).map(IpAddr::from),
        };
        own.is_some_and(|own| {
            let own = own.to_canonical();
            own == address.to_canonical()
                || own.is_unspecified() && (own.is_ipv6() || address.to_canonical().is_ipv4())
        })
    }

    /// The user id of the socket's owner.
    pub(super) fn user(&self) -> u32 {
        u32_at(&self.0, NETLINK_HEADER + 64).unwrap_or_default()
    }

    /// As in the link target of `/proc/self/fd/N`; 0 if no process has the socket any more.
    pub(super) fn inode(&self) -> u32 {
        u32_at(&self.0, NETLINK_HEADER + 68).unwrap_or_default()
    }

    /// The attributes that were asked for: number and value. Those that are torn are left out.
    pub(in crate::net) fn attributes(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = &self.0[NETLINK_HEADER + DIAG_MESSAGE..];
        std::iter::from_fn(move || {
            let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
            let value = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, value))
        })
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    Some(*bytes.get(at..)?.first_chunk()?)
}

/// The number in native byte order at this place; `None` behind the end.
pub(in crate::net) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

/// The number in native byte order at this place; `None` behind the end.
pub(in crate::net) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

/// The number in native byte order at this place; `None` behind the end.
pub(in crate::net) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn the_kernel_tells_of_both_families_and_of_no_connection_that_is_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let server = listener.local_addr().unwrap();
            let client = TcpStream::connect(server).unwrap();
            let local = client.local_addr().unwrap();
            let told = ask(local, server, &[]).unwrap().unwrap();
            assert_eq!(told.user(), rustix::process::geteuid().as_raw());
            assert!(told.inode() > 0);
            // The server listens, but this is no connection.
            assert!(ask(server, (local.ip(), 1).into(), &[]).unwrap().is_none());
            assert!(ask((local.ip(), 1).into(), server, &[]).unwrap().is_none());
        }
    }

    #[test]
    fn a_connection_over_ipv4_is_found_whatever_its_sockets_are() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        for server in [format!("127.0.0.1:{port}"), format!("[::ffff:127.0.0.1]:{port}")] {
            let client = TcpStream::connect(server).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            assert!(ask(peer, accepted.local_addr().unwrap(), &[]).unwrap().is_some());
            assert!(ask(client.local_addr().unwrap(), client.peer_addr().unwrap(), &[]).unwrap().is_some());
        }
    }

    #[test]
    fn all_sockets_of_a_port_are_found_and_no_others() {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let _second = UdpSocket::bind(("127.0.0.2", port)).unwrap();
        let _other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = on_port(Transport::Udp, port).unwrap();
        let at = |address: &str| found.iter().filter(|socket| socket.is_at(address.parse().unwrap())).count();
        assert_eq!((at("127.0.0.1"), at("127.0.0.2"), at("127.0.0.3")), (1, 1, 0));
    }

    #[test]
    fn more_sockets_of_a_port_than_one_answer_holds_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let connections: Vec<_> = (0..100)
            .map(|_| {
                let client = TcpStream::connect(server).unwrap();
                (client, listener.accept().unwrap().0)
            })
            .collect();
        let found = on_port(Transport::Tcp, server.port()).unwrap();
        // Not the one that listens.
        assert_eq!(found.len(), connections.len());
        assert!(found.iter().all(|socket| socket.is_at(server.ip())));
    }

    #[test]
    fn torn_answers_and_those_of_other_kinds_tell_nothing() {
        let mut whole: Vec<u8> = (0..408u32).map(|n| n as u8).collect();
        for kind in [SOCK_DIAG_BY_FAMILY, NLMSG_ERROR, 3] {
            whole[4..6].copy_from_slice(&kind.to_ne_bytes());
            for end in 0..whole.len() {
                let mut found = Vec::new();
                let _any = (
                    read_dump(&whole[..end], &mut found),
                    found.iter().filter(|socket| socket.is_at([0; 4].into())).count(),
                );
                if let Ok(Some(diag)) = Diag::read(whole[..end].to_vec()) {
                    let _any = (diag.user(), diag.inode(), diag.attributes().count());
                }
            }
        }
    }
}
