//! Binding and accepting: what lies between a socket and a service on the server side.
//!
//! | file | holds |
//! |---|---|
//! | `bind` | binding; each error says how to fix it |
//! | `admission` | which clients a server accepts |
//! | `greeting` | who is there: a client's first bytes, or its silence |
//! | `browsers` | where browsers come from, who keep silent connections in reserve |
//! | `visitor` | what becomes of a client once its first bytes are known |
//! | `keyed` | the same at a port with keys |
//! | `foreign` | the connection of a client that speaks another protocol |
//! | `silent` | a client of a conversation that has sent nothing yet |

pub mod admission;
pub mod bind;
mod browsers;
pub mod foreign;
mod greeting;
mod keyed;
pub mod silent;
mod visitor;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use self::admission::Admission;
use self::bind::Bound;
use self::browsers::Browsers;
pub use self::greeting::Greeted;
pub(in crate::net) use self::keyed::pass;
pub use self::visitor::Spoken;
use self::visitor::last_words;
use super::connection::Connection;
use super::connection::permits::ConnectionPermits;
use super::errors;
use super::limits::ACCEPT_PAUSE;
use super::{Driver, tcp, udp};
use crate::wire::dialect::{Dialect, Opening, finally, recognise};

/// Descriptors kept free for files, prompts and other sessions (faults.md row 61).
const RESERVE: i64 = 32;
/// Bytes that are read of a client that there is no descriptor for: most requests are shorter.
const TURNED_AWAY_READ: usize = 4096;
/// Interval between repeated warnings about the same problem.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Accepts clients. Over UDP they come out complete; over TCP each must still be identified with [`PendingConnection::answer`].
pub enum Listener {
    Tcp(Box<TcpServer>),
    Udp(udp::Arrivals),
}

/// Accepts the TCP clients of a service.
pub struct TcpServer {
    acceptor: Acceptor,
    admission: Admission,
    places: Arc<ConnectionPermits>,
    browsers: Arc<Browsers>,
    half_open: Arc<AtomicUsize>,
}

/// What [`Acceptor::knock`] returns.
pub(super) enum Knock {
    /// A client of which nothing has been read yet, with the options of every connection.
    Stream(TcpStream, SocketAddr),
    /// A client could not be accepted for lack of descriptors: a message for the log, rate-limited.
    Trouble(String),
}

/// Accepts TCP connections, and survives a lack of descriptors.
pub struct Acceptor {
    listener: TcpListener,
    /// Descriptors from this number on are the reserve: the kernel assigns the lowest free one, so few are left then.
    reserve_from: i64,
    /// A reserve descriptor, released briefly when none is left so that a client can be accepted and told so.
    spare: Option<std::fs::File>,
    /// When the lack of descriptors was last reported.
    told: Option<Instant>,
}

/// What [`Listener::accept`] returns.
pub enum Arrival {
    /// A TCP client whose protocol is not known yet: run [`PendingConnection::answer`] in a task of its own.
    Knocking(PendingConnection),
    /// A client that is ready.
    Client(Box<Connection>),
    /// A datagram that begins a conversation in another protocol.
    Request(udp::ForeignDatagram),
    /// A client that was refused for its key.
    Refused(udp::Refused),
    /// A client could not be accepted for lack of descriptors: a message for the log, rate-limited.
    Trouble(String),
}

/// An accepted TCP client of which nothing has been read yet.
pub struct PendingConnection {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    places: Arc<ConnectionPermits>,
    browsers: Arc<Browsers>,
    half_open: Arc<AtomicUsize>,
}

impl Listener {
    /// The caller must spawn the driver, if there is one (UDP only).
    pub fn new(bound: Bound, admission: Admission) -> (Self, Option<Driver>) {
        match bound {
            Bound::Tcp(listener) => {
                let server = TcpServer {
                    acceptor: Acceptor::new(listener),
                    admission,
                    places: Arc::default(),
                    browsers: Arc::default(),
                    half_open: Arc::default(),
                };
                (Self::Tcp(Box::new(server)), None)
            }
            Bound::Udp(socket) => {
                let (arrivals, driver) = udp::listen(socket, &admission);
                (Self::Udp(arrivals), Some(driver))
            }
        }
    }

    /// The next client; `None` when the UDP driver has ended. An error of one client, or of the descriptor limit, does
    /// not end the listener (row 61).
    pub async fn accept(&mut self) -> Option<Arrival> {
        match self {
            Self::Udp(udp::Arrivals { clients, requests, refused }) => tokio::select! {
                client = clients.recv() => client.map(|halves| Arrival::Client(Box::new(halves.into()))),
                Some(request) = requests.recv() => Some(Arrival::Request(request)),
                Some(refused) = refused.recv() => Some(Arrival::Refused(refused)),
            },
            Self::Tcp(door) => Some(door.accept().await),
        }
    }
}

impl TcpServer {
    async fn accept(&mut self) -> Arrival {
        let plain = self.admission.plain();
        match self.acceptor.knock(|stream| turn_away(stream, plain)).await {
            Knock::Trouble(why) => Arrival::Trouble(why),
            Knock::Stream(stream, peer) => Arrival::Knocking(PendingConnection {
                stream,
                peer,
                admission: self.admission.clone(),
                places: self.places.clone(),
                browsers: self.browsers.clone(),
                half_open: self.half_open.clone(),
            }),
        }
    }
}

impl Acceptor {
    /// Accepts from a socket that listens.
    pub(super) fn new(listener: TcpListener) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let reserve_from = limit.map_or(i64::MAX, |limit| limit as i64 - RESERVE);
        Self { listener, reserve_from, spare: std::fs::File::open("/dev/null").ok(), told: None }
    }

    /// The next client. `turn_away`: the last words to one that there is no descriptor for.
    pub(super) async fn knock(&mut self, turn_away: impl Fn(&TcpStream)) -> Knock {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if i64::from(stream.as_raw_fd()) >= self.reserve_from => turn_away(&stream),
                Ok((stream, peer)) => {
                    tcp::prepare_accepted(&stream);
                    return Knock::Stream(stream, peer);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) =>
                {
                    continue;
                }
                Err(_) => {
                    // The spare descriptor is enough to accept one client and tell it to retry.
                    if self.spare.take().is_some()
                        && let Ok(Ok((stream, _))) =
                            tokio::time::timeout(ACCEPT_PAUSE, self.listener.accept()).await
                    {
                        turn_away(&stream);
                    }
                    self.spare = std::fs::File::open("/dev/null").ok();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                self.told = Some(Instant::now());
                let why = "out of file descriptors: new clients are turned away; `ulimit -n` shows the limit";
                return Knock::Trouble(why.into());
            }
        }
    }
}

/// Sends a busy error without waiting: it fits into the empty send buffer of a new connection. Of whom nothing came yet is
/// told in our own protocol.
fn turn_away(stream: &TcpStream, plain: Option<Dialect>) {
    // What is not read would reset the connection when it is closed, and could discard the words.
    let mut front = [0; TURNED_AWAY_READ];
    let came = stream.try_read(&mut front).unwrap_or_default();
    let opening = match &front[..came] {
        [] => Opening::Own,
        front => recognise(front).unwrap_or_else(|| finally(front)),
    };
    drop(stream.try_write(&last_words(opening, plain, &errors::out_of_descriptors())));
}
