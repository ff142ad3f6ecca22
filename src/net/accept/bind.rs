//! Binding a socket; each error says how to fix it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use tokio::net::{TcpListener, UdpSocket};

use crate::base::Transport;
use crate::net::errors;
use crate::net::kernel::ports_in_use;
use crate::report::Failure;

/// Length of the kernel's queue of connections not yet accepted.
const BACKLOG: i32 = 1024;

/// A bound socket; TCP is already listening.
pub enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Where to listen.
#[derive(Clone, Copy, Debug)]
pub enum Bind {
    /// This machine only.
    Loopback,
    /// All addresses, IPv6 and IPv4.
    Any,
    /// This local address only; the number of its interface, which an address of a link needs, or 0.
    Address(IpAddr, u32),
}

/// True if a socket of this process listens on the port: a link in `/proc/self/fd` names an inode from the kernel's
/// list.
fn is_ours(transport: Transport, port: u16) -> bool {
    let inodes = ports_in_use::inodes(transport, port);
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return false };
    descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|target| {
        let inode = target.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|known| known == inode))
    })
}

/// Binds a socket; each error says how to fix it (row 64).
pub fn bind(transport: Transport, bind: Bind, port: u16) -> Result<Bound, Failure> {
    let address = match bind {
        Bind::Loopback => (Ipv4Addr::LOCALHOST, port).into(),
        Bind::Any => (Ipv6Addr::UNSPECIFIED, port).into(),
        Bind::Address(IpAddr::V6(address), zone) => SocketAddrV6::new(address, port, 0, zone).into(),
        Bind::Address(address, _) => SocketAddr::new(address, port),
    };
    let result = match bind_to(transport, address) {
        // Without IPv6 in the system, all IPv4 addresses are used.
        Err(error)
            if matches!(bind, Bind::Any)
                && error.kind() != ErrorKind::AddrInUse
                && error.kind() != ErrorKind::PermissionDenied =>
        {
            bind_to(transport, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
        }
        other => other,
    };
    result.map_err(|error| bind_failure(&error, transport, address).of(format!("listen {transport} {port}")))
}

/// Why the address cannot be bound.
fn bind_failure(error: &std::io::Error, transport: Transport, address: SocketAddr) -> Failure {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => {
            if is_ours(transport, port) {
                errors::port_taken_by_this_program(port)
            } else {
                errors::port_taken(port, transport)
            }
        }
        ErrorKind::PermissionDenied => errors::port_privileged(port),
        ErrorKind::AddrNotAvailable => errors::address_not_local(address.ip()),
        _ => errors::cannot_bind(error),
    }
}

fn bind_to(transport: Transport, address: SocketAddr) -> std::io::Result<Bound> {
    let kind = match transport {
        Transport::Tcp => socket2::Type::STREAM,
        Transport::Udp => socket2::Type::DGRAM,
    };
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        drop(socket.set_only_v6(!address.ip().is_unspecified()));
    }
    if transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    match transport {
        Transport::Tcp => {
            crate::net::tcp::set_options(&socket);
            socket.listen(BACKLOG)?;
            TcpListener::from_std(socket.into()).map(Bound::Tcp)
        }
        Transport::Udp => UdpSocket::from_std(socket.into()).map(Bound::Udp),
    }
}

/// A listener on any free port beside a connection, at its local address.
pub(super) fn beside(local: SocketAddr) -> std::io::Result<TcpListener> {
    let mut address = local;
    address.set_port(0);
    // A client over IPv4 connects over IPv4 again, whatever the listener was bound to.
    if let Some(v4) = to_ipv4(local.ip()) {
        address = SocketAddr::new(v4.into(), 0);
    }
    match bind_to(Transport::Tcp, address)? {
        Bound::Tcp(listener) => Ok(listener),
        Bound::Udp(_) => Err(ErrorKind::Unsupported.into()),
    }
}

fn to_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address.to_canonical() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

impl Bound {
    /// The local address and port.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }
}
