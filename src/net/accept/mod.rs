//! Binding and accepting: what lies between a socket and a service on the server side.
//!
//! | file | holds |
//! |---|---|
//! | `bind` | binding; each error says how to fix it |
//! | `admission` | which clients a server accepts |
//! | `permits` | the client limit, in total and per address |

pub mod admission;
pub mod bind;
pub mod permits;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use self::admission::{Admission, Lines};
use self::bind::Bound;
use self::permits::{ConnectionPermit, ConnectionPermits};
use super::connection::Connection;
use super::errors;
use super::limits::{ACCEPT_PAUSE, FIRST_MESSAGE_LIMIT};
use super::{Driver, show, tcp, udp};
use crate::report::Failure;
use crate::wire::preface::{self, Preface};
use crate::wire::{Frame, ServiceId, VERSION};

/// Descriptors kept free for files, prompts and other sessions (faults.md row 61).
const RESERVE: i32 = 32;
/// A client that has not completed its preface after this time counts as half-open.
const HALF_OPEN_AFTER: Duration = Duration::from_secs(1);
/// Above this number of half-open clients new ones are dropped at random, above twice the number all of them (row 62).
const HALF_OPEN_LIMIT: usize = 32;
/// Interval between repeated warnings about the same problem.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// In a service whose text lines are a conversation, a client that sends nothing for this time is admitted as a
/// plain-text client that only listens.
const LISTENS_AFTER: Duration = Duration::from_millis(400);

/// Accepts clients. Over UDP they come out complete; over TCP each must still be identified with [`PendingConnection::answer`].
pub enum Listener {
    Tcp(Box<TcpServer>),
    Udp { clients: mpsc::UnboundedReceiver<udp::Halves> },
}

/// Accepts the TCP clients of a service.
pub struct TcpServer {
    acceptor: Acceptor,
    admission: Admission,
    places: Arc<ConnectionPermits>,
    half_open: Arc<AtomicUsize>,
}

/// What [`Acceptor::knock`] returns.
pub(super) enum Knock {
    /// A client of which nothing has been read yet.
    Stream(TcpStream, SocketAddr),
    /// A client could not be accepted for lack of descriptors: a message for the log, rate-limited.
    Trouble(String),
}

/// Accepts TCP connections, and survives a lack of descriptors.
pub struct Acceptor {
    listener: TcpListener,
    /// A reserve descriptor, released briefly when none is left so that a client can be accepted and told so.
    spare: Option<std::fs::File>,
    /// When the lack of descriptors was last reported.
    told: Option<Instant>,
}

/// What [`Listener::accept`] returns.
pub enum Arrival {
    /// A TCP client whose protocol is not known yet: run [`PendingConnection::answer`] in a task of its own.
    Knocking(PendingConnection),
    /// A client that is ready, and its share of the client limit.
    Client(Box<Connection>, ConnectionPermit),
    /// A client could not be accepted for lack of descriptors: a message for the log, rate-limited.
    Trouble(String),
}

/// Counts one half-open client while this value lives.
struct HalfOpen(Arc<AtomicUsize>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// True if a client is to be dropped when `waiting` are half-open, itself included; `draw` is random.
const fn is_one_too_many(waiting: usize, draw: u64) -> bool {
    waiting > 2 * HALF_OPEN_LIMIT
        || waiting > HALF_OPEN_LIMIT && draw % (HALF_OPEN_LIMIT as u64) < (waiting - HALF_OPEN_LIMIT) as u64
}

/// An accepted TCP client of which nothing has been read yet.
pub struct PendingConnection {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    places: Arc<ConnectionPermits>,
    half_open: Arc<AtomicUsize>,
}

impl Listener {
    /// The caller must spawn the driver, if there is one (UDP only).
    pub fn new(bound: Bound, admission: Admission) -> (Self, Option<Driver>) {
        match bound {
            Bound::Tcp(listener) => {
                let (places, half_open) = (Arc::default(), Arc::default());
                let acceptor = Acceptor::new(listener);
                (Self::Tcp(Box::new(TcpServer { acceptor, admission, places, half_open })), None)
            }
            Bound::Udp(socket) => {
                let (clients, driver) = udp::listen(socket, &admission);
                (Self::Udp { clients }, Some(driver))
            }
        }
    }

    /// The next client; `None` when the UDP driver has ended. An error of one client, or of the descriptor limit, does
    /// not end the listener (row 61).
    pub async fn accept(&mut self) -> Option<Arrival> {
        match self {
            Self::Udp { clients } => clients
                .recv()
                .await
                .map(|halves| Arrival::Client(Box::new(halves.into()), ConnectionPermit::elsewhere())),
            Self::Tcp(door) => Some(door.accept().await),
        }
    }
}

impl TcpServer {
    async fn accept(&mut self) -> Arrival {
        match self.acceptor.knock().await {
            Knock::Trouble(why) => Arrival::Trouble(why),
            Knock::Stream(stream, peer) => {
                let (places, half_open) = (self.places.clone(), self.half_open.clone());
                Arrival::Knocking(PendingConnection {
                    stream,
                    peer,
                    admission: self.admission.clone(),
                    places,
                    half_open,
                })
            }
        }
    }
}

impl Acceptor {
    /// Accepts from a socket that listens.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, spare: std::fs::File::open("/dev/null").ok(), told: None }
    }

    /// The next client.
    pub(super) async fn knock(&mut self) -> Knock {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if is_in_reserve(&stream) => turn_away(&stream),
                Ok((stream, peer)) => return Knock::Stream(stream, peer),
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
                let why =
                    "out of file descriptors: new clients are told to retry; `ulimit -n` shows the limit";
                return Knock::Trouble(why.into());
            }
        }
    }
}

/// The kernel assigns the lowest free descriptor: a high number means that few are left.
fn is_in_reserve(stream: &TcpStream) -> bool {
    use std::os::fd::AsRawFd;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.is_some_and(|limit| i64::from(stream.as_raw_fd()) >= (limit as i64) - i64::from(RESERVE))
}

/// Sends a busy error without waiting: it fits into the empty send buffer of a new connection.
fn turn_away(stream: &TcpStream) {
    let why = errors::out_of_descriptors();
    let mut words = BytesMut::new();
    words.extend_from_slice(&Preface::new(ServiceId::ANY).encode());
    Frame::error(why.code, &why.why).encode(&mut words);
    drop(stream.try_write(&words));
    // Closing with unread input would reset the connection and could discard the message.
    drop(stream.try_read(&mut [0; 64]));
}

impl PendingConnection {
    /// Finds out which protocol the client speaks. The error is for the log; a client that is refused has been told
    /// why,
    /// one that is dropped as half-open or for silence has not.
    pub async fn answer(self) -> Result<(Connection, ConnectionPermit), Failure> {
        let peer = show(self.peer);
        tcp::prepare(&self.stream);
        let half_open = self.half_open.clone();
        let mut greeting = std::pin::pin!(self.greet());
        if let Ok(result) = tokio::time::timeout(HALF_OPEN_AFTER, &mut greeting).await {
            return result.map_err(|failure| failure.of(peer));
        }
        let waiting = half_open.fetch_add(1, Ordering::Relaxed) + 1;
        let _half_open = HalfOpen(half_open);
        let draw = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), waiting);
        if is_one_too_many(waiting, draw) {
            return Err(errors::too_many_half_open(waiting).of(peer));
        }
        match tokio::time::timeout(FIRST_MESSAGE_LIMIT.saturating_sub(HALF_OPEN_AFTER), greeting).await {
            Ok(result) => result.map_err(|failure| failure.of(peer)),
            Err(_) => Err(errors::first_message_timed_out().of(peer)),
        }
    }

    async fn greet(self) -> Result<(Connection, ConnectionPermit), Failure> {
        let Self { stream, peer, admission, places, .. } = self;
        let (read, write) = stream.into_split();
        // A client that only listens sends nothing: `nc` in a chat room. Silent clients get at most half of the places.
        let is_room = || admission.lines == Lines::Conversation && places.taken() < admission.max / 2;
        let (mut front, listens) = first_bytes(&read, is_room).await?;
        // A place is taken only here, after the first bytes: idle connections cannot keep others out.
        let place = places.take(peer.ip(), admission.max);
        let asked = front.first_chunk().copied().and_then(Preface::decode);
        let text =
            asked.is_none() && admission.lines != Lines::No && (listens || preface::may_be_text(&front));
        let mut outgoing = tcp::Outgoing::new(write, text);
        let refusal = match (&place, asked) {
            (Err(full), _) => Some(full.clone()),
            (Ok(_), _) if text => None,
            (Ok(_), asked) => objection(&admission, asked, &front),
        };
        if let Some(failure) = refusal {
            refuse(outgoing, read, asked.is_some(), &failure, &front).await;
            return Err(failure);
        }
        if !text {
            front.advance(preface::SIZE);
            outgoing.greet(Preface::new(admission.service));
            outgoing.flush().await?;
        }
        let incoming = tcp::Incoming::new(read, front, text).met(asked);
        let connection = Connection { is_text: text, ..tcp::Halves { outgoing, incoming, peer }.into() };
        Ok((connection, place?))
    }
}

/// The first bytes of a client: a whole preface, or what cannot be one. True if it sent none and `may_listen`: a client that
/// only listens.
async fn first_bytes(
    read: &OwnedReadHalf,
    may_listen: impl Fn() -> bool,
) -> Result<(BytesMut, bool), Failure> {
    let mut front = BytesMut::with_capacity(preface::SIZE);
    while Preface::may_begin(&front) && front.len() < preface::SIZE {
        let listens = front.is_empty() && may_listen();
        let read = tokio::select! {
            biased;
            ready = read.readable() => ready.and_then(|()| read.try_read_buf(&mut front)),
            () = tokio::time::sleep(LISTENS_AFTER), if listens => return Ok((front, true)),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) if front.is_empty() => return Err(errors::client_closed_at_once()),
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(errors::socket_failed(&error)),
        }
    }
    Ok((front, false))
}

/// Why a client is refused that sent `front`, which is the preface `asked` if it is one; `None` if it is not.
fn objection(admission: &Admission, asked: Option<Preface>, front: &[u8]) -> Option<Failure> {
    let Some(asked) = asked else { return Some(errors::foreign_protocol(front)) };
    if asked.version != VERSION {
        return Some(errors::version_mismatch(VERSION, asked.version));
    }
    (!admission.serves(ServiceId::new(asked.service))).then(|| errors::other_service(admission.name))
}

/// Tells a client why it is refused, in its own protocol if that is known, and waits up to 1 s for it to close.
async fn refuse(
    mut outgoing: tcp::Outgoing,
    mut read: OwnedReadHalf,
    ours: bool,
    failure: &Failure,
    front: &[u8],
) {
    if ours {
        outgoing.put(&Preface::new(ServiceId::ANY).encode());
        // The frame is small: it fits the buffer, and `close` flushes it.
        drop(outgoing.send(&Frame::error(failure.code, &failure.to_string())).await);
    } else if preface::guess(front) == "HTTP" {
        let text = format!("{failure}\n");
        outgoing.put(format!("HTTP/1.0 400 Not HTTP\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len()).as_bytes());
    } else if preface::guess(front) == "text" {
        outgoing.put(format!("error: {failure}\n").as_bytes());
    }
    outgoing.close().await;
    // Closing with unread input would reset the connection and could discard the answer.
    // On the heap: inside the future it would add 4 KiB to the task of every client.
    let mut sink = vec![0; 4096];
    let drain = async { while read.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
    drop(tokio::time::timeout(Duration::from_secs(1), drain).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_62_half_open_clients_are_let_go_at_random_from_33_on_and_all_beyond_64() {
        let share = |waiting| (0..3200).filter(|&draw| is_one_too_many(waiting, draw)).count();
        assert_eq!((share(1), share(32)), (0, 0));
        assert_eq!((share(33), share(48), share(63)), (100, 1600, 3100));
        assert_eq!((share(64), share(65)), (3200, 3200));
    }
}
