//! Connecting to any server.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpStream, UdpSocket, UnixStream};

use super::errors;
use super::pipe::Blocking;
use super::{RawConnection, Reader, Writer};
use crate::base::{Carrier, Endpoint, Fields, Transport};
use crate::net::connect::resolve;
use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors::{cannot_reach, connect_timed_out, no_address_to_try};
use crate::net::limits::CONNECT_LIMIT;
use crate::net::{show, tcp};
use crate::report::Failure;

/// Connects over TCP to the first address that answers.
pub async fn tcp(endpoint: &Endpoint) -> Result<RawConnection, Failure> {
    let (stream, peer) = tcp_stream(endpoint).await?;
    tcp::prepare(&stream);
    Ok(RawConnection::tcp(stream, show(peer)))
}

/// The bare stream, for what is put on top of it.
pub(super) async fn tcp_stream(endpoint: &Endpoint) -> Result<(TcpStream, SocketAddr), Failure> {
    let addresses = resolve::resolve(endpoint).await?;
    let racing = resolve::race(&addresses, |address| tcp::dial(endpoint.clone(), address));
    tokio::time::timeout(CONNECT_LIMIT, racing)
        .await
        .unwrap_or_else(|_| Err(connect_timed_out(endpoint, Transport::Tcp)))
}

/// A socket that talks to the first address of the endpoint alone. Nothing is sent, so nobody needs to be there.
pub async fn udp(endpoint: &Endpoint) -> Result<RawConnection, Failure> {
    let (socket, peer) = udp_socket(endpoint).await?;
    let socket = Arc::new(socket);
    let ends = socket.local_addr().ok().map(|local| (local, peer));
    Ok(RawConnection {
        ends,
        reader: Reader::datagrams(socket.clone()),
        writer: Writer::datagrams(socket),
        peer: show(peer),
        carrier: Carrier::UDP,
        facts: Fields::new(),
        place: ConnectionPermit::elsewhere(),
    })
}

async fn udp_socket(endpoint: &Endpoint) -> Result<(UdpSocket, SocketAddr), Failure> {
    let addresses = resolve::resolve(endpoint).await?;
    let Some(&peer) = addresses.first() else { return Err(no_address_to_try()) };
    let local: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let failed = |error: std::io::Error| cannot_reach(endpoint, &error);
    let socket = UdpSocket::bind(local).await.map_err(failed)?;
    socket.connect(peer).await.map_err(failed)?;
    Ok((socket, peer))
}

/// The same connections for threads that may block.
pub async fn tcp_blocking(endpoint: &Endpoint) -> Result<Blocking, Failure> {
    let (stream, _) = tcp_stream(endpoint).await?;
    tcp::prepare(&stream);
    let failed = |error: std::io::Error| cannot_reach(endpoint, &error);
    let stream = stream.into_std().map_err(failed)?;
    stream.set_nonblocking(false).map_err(failed)?;
    Ok(Blocking::Tcp(Arc::new(stream)))
}

/// … over UDP.
pub async fn udp_blocking(endpoint: &Endpoint) -> Result<Blocking, Failure> {
    let (socket, _) = udp_socket(endpoint).await?;
    let failed = |error: std::io::Error| cannot_reach(endpoint, &error);
    let socket = socket.into_std().map_err(failed)?;
    socket.set_nonblocking(false).map_err(failed)?;
    Ok(Blocking::Udp(Arc::new(socket)))
}

/// … over a Unix socket.
pub async fn unix_blocking(path: &Path) -> Result<Blocking, Failure> {
    let failed = |error: std::io::Error| Failure::io(&error, path.display().to_string());
    let stream = unix_stream(path).await?.into_std().map_err(failed)?;
    stream.set_nonblocking(false).map_err(failed)?;
    Ok(Blocking::Unix(Arc::new(stream)))
}

async fn unix_stream(path: &Path) -> Result<UnixStream, Failure> {
    UnixStream::connect(path).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => errors::no_unix_socket(path),
        ErrorKind::ConnectionRefused => errors::unix_refused(path),
        _ => Failure::io(&error, path.display().to_string()),
    })
}

/// Connects to a Unix socket.
pub async fn unix(path: &Path) -> Result<RawConnection, Failure> {
    let stream = unix_stream(path).await?;
    let (read, write) = stream.into_split();
    Ok(RawConnection::stream(read, write, (path.display().to_string(), Carrier::Unix)))
}
