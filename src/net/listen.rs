//! Binding, and letting clients in: what stands between a socket and a service on the server's side.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::udp::Options;
use super::{Driver, FIRST_MESSAGE_LIMIT, show, tcp, udp};
use crate::base::Transport;
use crate::report::{Failure, reason};
use crate::wire::preface::{self, Preface};
use crate::wire::{Code, Frame, ServiceId, VERSION};

/// Clients that wait in the system's queue.
const BACKLOG: i32 = 1024;
/// After an error of accept that is ours (no descriptors left), this long a pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that has its port.
pub enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Where to listen.
#[derive(Clone, Copy, Debug)]
pub enum Bind {
    /// This machine only.
    Loopback,
    /// Every address.
    Any,
    Address(IpAddr),
}

/// Binds; errors say what to do (row 64).
pub fn bind(transport: Transport, bind: Bind, port: u16) -> Result<Bound, Failure> {
    let address = SocketAddr::new(
        match bind {
            Bind::Loopback => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Bind::Any => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Bind::Address(address) => address,
        },
        port,
    );
    let result = match bind_to(transport, address) {
        // A system without IPv6 still has every IPv4 address.
        Err(error)
            if matches!(bind, Bind::Any)
                && error.kind() != ErrorKind::AddrInUse
                && error.kind() != ErrorKind::PermissionDenied =>
        {
            bind_to(transport, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
        }
        other => other,
    };
    result.map_err(|error| {
        let what = format!("listen {transport} {port}");
        match error.kind() {
            ErrorKind::AddrInUse => {
                Failure::new(Code::Exists, format!("port {port} is taken by another program"))
                    .fix(format!("listen {transport} 0 takes any free port"))
            }
            ErrorKind::PermissionDenied => {
                Failure::new(Code::Policy, format!("port {port} needs privileges"))
                    .fix("ports from 1024 on do not")
            }
            ErrorKind::AddrNotAvailable => {
                Failure::new(Code::Missing, format!("{} is not an address of this machine", address.ip()))
                    .fix("use `on any` or leave `on` out")
            }
            _ => Failure::new(Code::Other, reason(&error)).fix("try another address or port"),
        }
        .of(what)
    })
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
            socket.listen(BACKLOG)?;
            TcpListener::from_std(socket.into()).map(Bound::Tcp)
        }
        Transport::Udp => UdpSocket::from_std(socket.into()).map(Bound::Udp),
    }
}

impl Bound {
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }
}

/// What a server lets in.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    pub service: ServiceId,
    /// Most clients at once.
    pub max: usize,
    /// Clients that speak lines of text are welcome.
    pub lines: bool,
    pub options: Options,
}

/// Hands out clients that have shown what they speak.
pub enum Listener {
    Tcp { listener: TcpListener, admission: Admission, clients: Arc<AtomicUsize> },
    Udp { clients: mpsc::UnboundedReceiver<Connection> },
}

/// A client that came in, or a stranger that was sent away.
pub enum Arrival {
    /// It still has to say what it speaks: run this in a task of its own.
    Knocking(Knock),
    Client(Box<Connection>, Place),
}

/// A client's place among the most that may be there; given back when dropped.
#[derive(Debug)]
pub struct Place(Option<Arc<AtomicUsize>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(clients) = &self.0 {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A TCP client before its first bytes.
pub struct Knock {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    place: Place,
    clients: usize,
}

impl Listener {
    /// The driver, if there is one, must be spawned.
    pub fn new(bound: Bound, admission: Admission) -> (Self, Option<Driver>) {
        match bound {
            Bound::Tcp(listener) => (Self::Tcp { listener, admission, clients: Arc::default() }, None),
            Bound::Udp(socket) => {
                let (clients, driver) =
                    udp::listen(socket, admission.service, admission.max, admission.options);
                (Self::Udp { clients }, Some(driver))
            }
        }
    }

    /// The next client. Never fails for good: an error of one client, or of the descriptor limit, passes (row 61).
    pub async fn accept(&mut self) -> Option<Arrival> {
        match self {
            Self::Udp { clients } => {
                clients.recv().await.map(|connection| Arrival::Client(Box::new(connection), Place(None)))
            }
            Self::Tcp { listener, admission, clients } => loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let clients_now = clients.fetch_add(1, Ordering::Relaxed);
                        let place = Place(Some(clients.clone()));
                        return Some(Arrival::Knocking(Knock {
                            stream,
                            peer,
                            admission: *admission,
                            place,
                            clients: clients_now,
                        }));
                    }
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                        ) => {}
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            },
        }
    }
}

impl Knock {
    /// Finds out what the client speaks; the error is for the log, the client was told.
    pub async fn answer(self) -> Result<(Connection, Place), Failure> {
        let peer = show(self.peer);
        tcp::prepare(&self.stream);
        match tokio::time::timeout(FIRST_MESSAGE_LIMIT, self.greet()).await {
            Ok(result) => result.map_err(|failure| failure.of(peer)),
            Err(_) => Err(Failure::new(
                Code::Timeout,
                format!("said nothing for {} s", FIRST_MESSAGE_LIMIT.as_secs()),
            )
            .of(peer)),
        }
    }

    async fn greet(self) -> Result<(Connection, Place), Failure> {
        let Self { stream, peer, admission, place, clients } = self;
        let (mut read, write) = stream.into_split();
        let mut front = BytesMut::with_capacity(4096);
        while Preface::may_begin(&front) && front.len() < preface::SIZE {
            match read.read_buf(&mut front).await {
                Ok(0) if front.is_empty() => return Err(Failure::new(Code::Broken, "left without a word")),
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(Failure::new(Code::Broken, reason(&error))),
            }
        }
        let asked = front.first_chunk().copied().and_then(Preface::decode);
        let text = asked.is_none() && admission.lines && preface::may_be_text(&front);
        let mut outgoing = tcp::Outgoing::new(write, text);
        let refusal = match asked {
            _ if clients >= admission.max => Some(Failure::new(
                Code::Busy,
                format!("busy: {0} of {0} clients, retry in 5 s", admission.max),
            )),
            None if text => None,
            None => Some(tcp::foreign(&front)),
            Some(asked) if asked.version != VERSION => {
                let older = if asked.version < VERSION { "the client" } else { "the server" };
                let why = format!(
                    "the server speaks version {VERSION}, the client {}; upgrade {older}",
                    asked.version
                );
                Some(Failure::new(Code::Version, why))
            }
            Some(asked)
                if !ServiceId::from_number(asked.service)
                    .is_some_and(|asked| admission.service.serves(asked)) =>
            {
                Some(Failure::new(Code::Service, format!("this port serves {}", admission.service.name())))
            }
            Some(_) => None,
        };
        if let Some(failure) = refusal {
            refuse(outgoing, read, asked.is_some(), &failure, &front).await;
            return Err(failure);
        }
        if !text {
            front.advance(preface::SIZE);
            outgoing.put(&Preface::new(admission.service).encode());
            outgoing.flush().await?;
        }
        let incoming = tcp::Incoming::new(read, front, text);
        let connection = Connection {
            outgoing: super::Outgoing::Tcp(outgoing),
            incoming: super::Incoming::Tcp(incoming),
            peer,
            transport: Transport::Tcp,
            plain: text,
        };
        Ok((connection, place))
    }
}

/// Tells a client why not, in its own language as far as we know it, and waits for it to have read that.
async fn refuse(
    mut outgoing: tcp::Outgoing,
    mut read: tokio::net::tcp::OwnedReadHalf,
    ours: bool,
    failure: &Failure,
    front: &[u8],
) {
    if ours {
        outgoing.put(&Preface::new(ServiceId::Any).encode());
        // The frame is small: it fits the buffer, and `close` flushes it.
        drop(outgoing.send(&Frame::error(failure.code, &failure.to_string())).await);
    } else if preface::guess(front) == "HTTP" {
        let text = format!("{failure}\n");
        outgoing.put(format!("HTTP/1.0 400 Not HTTP\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len()).as_bytes());
    } else if preface::guess(front) == "text" {
        outgoing.put(format!("error: {failure}\n").as_bytes());
    }
    outgoing.close().await;
    // Closing with unread bytes would reset the connection and take the answer with it.
    let mut sink = [0; 4096];
    let drain = async { while read.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
    drop(tokio::time::timeout(Duration::from_secs(1), drain).await);
}
