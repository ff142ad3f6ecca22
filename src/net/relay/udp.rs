//! The relay for UDP: each client has its own socket towards the server, so that responses can be attributed to it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::gate::{Judged, Passing, Whom};
use super::{Flow, PacketIn, PacketOut, named, revoked, stranger};
use crate::base::Time;
use crate::link::Direction;
use crate::net::{Client, GIVES_WAY_AFTER, clock, errors, is_known_to_be_of_another_user, show};
use crate::report::{Failure, reason};

/// Idle timeout of a client, for both directions together.
const IDLE_LIMIT: Duration = Duration::from_mins(5);
/// Room for the largest UDP payload.
const PACKET: usize = 65_535;
/// Received datagrams are cut from allocations of this size.
const SLAB: usize = 1 << 20;
/// That somebody may not pass is said no more often than this.
const REFUSE_EVERY: Duration = Duration::from_millis(100);
/// Socket buffer size requested in each direction, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;

/// A client known to the reader of the relay's socket.
struct ServerSide {
    flow: Flow,
    /// Why it may pass, at a link with keys.
    passing: Option<Passing>,
    /// When the last datagram from or to the client was seen, in µs of [`clock::now`].
    last: Arc<AtomicU64>,
    reader: tokio::task::AbortHandle,
}

struct Clients {
    socket: Arc<UdpSocket>,
    target: SocketAddr,
    max: usize,
    whom: Whom,
    arrivals: mpsc::Sender<PacketIn>,
    known: HashMap<SocketAddr, ServerSide>,
    readers: JoinSet<()>,
    next: Flow,
    refused: bool,
    /// When the next client may be told that it does not pass.
    refuses_at: Time,
    /// The stranger that was refused last.
    stranger: Option<SocketAddr>,
}

/// Receives from the clients and the server until the relay is dropped.
pub(super) async fn read(
    socket: UdpSocket,
    addresses: Vec<SocketAddr>,
    (max, whom): (usize, Whom),
    arrivals: mpsc::Sender<PacketIn>,
) -> Result<(), Failure> {
    widen(&socket);
    let target = addresses[0];
    let mut clients = Clients {
        socket: Arc::new(socket),
        target,
        max,
        whom,
        arrivals,
        known: HashMap::new(),
        readers: JoinSet::new(),
        next: 0,
        refused: false,
        refuses_at: Time::ZERO,
        stranger: None,
    };
    let mut slab = BytesMut::new();
    loop {
        let (bytes, peer) = match receive(&clients.socket, &mut slab).await {
            Ok(received) => received,
            // The error concerns one client that is gone.
            Err(error) if is_of_peer(&error) => continue,
            Err(error) => return Err(errors::socket_failed(&error).of("link")),
        };
        let Some(passing) = clients.judge(peer, &bytes).await else { continue };
        if let Some(flow) = clients.flow(peer, passing).await {
            let packet = PacketIn::Packet { direction: Direction::Up, flow, bytes, place: None };
            if clients.arrivals.send(packet).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn is_of_peer(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::ConnectionReset)
}

fn widen(socket: &UdpSocket) {
    let reference = socket2::SockRef::from(socket);
    drop(reference.set_recv_buffer_size(SOCKET_BUFFER));
    drop(reference.set_send_buffer_size(SOCKET_BUFFER));
}

async fn receive(socket: &UdpSocket, slab: &mut BytesMut) -> std::io::Result<(Bytes, SocketAddr)> {
    if slab.capacity() < PACKET {
        slab.reserve(SLAB);
    }
    let (_, peer) = socket.recv_buf_from(slab).await?;
    Ok((slab.split().freeze(), peer))
}

impl Clients {
    /// Whether a datagram may pass; why, if it begins a connection with a key. Who may not is told so.
    async fn judge(&mut self, peer: SocketAddr, bytes: &[u8]) -> Option<Option<Passing>> {
        let Whom::Keys(gate) = &self.whom else { return Some(None) };
        let known = self.known.get(&peer).and_then(|known| known.passing.as_ref());
        match gate.datagram(bytes) {
            Judged::Passes(passing) => Some(Some(passing)),
            Judged::Goes => match known {
                Some(passing) if passing.end.is_cancelled() => {
                    let note = revoked(&named(peer, Some(passing)));
                    self.forget(peer).await;
                    drop(self.arrivals.send(note).await);
                    None
                }
                known => known.map(|_| None),
            },
            Judged::Refused(..) if clock::now() < self.refuses_at => None,
            Judged::Refused(why, answer) => {
                self.refuses_at = clock::now() + REFUSE_EVERY;
                // Best effort, as every datagram.
                drop(self.socket.try_send_to(&answer, peer));
                let note = format!("{}: {}", show(peer), why.text());
                drop(self.arrivals.send(PacketIn::Note("refused", note)).await);
                None
            }
        }
    }

    /// The flow of a client; a new client gets a socket. `None` if there are too many, or no socket can be opened.
    async fn flow(&mut self, peer: SocketAddr, passing: Option<Passing>) -> Option<Flow> {
        let now = clock::now().micros();
        if let Some(known) = self.known.get_mut(&peer) {
            known.last.store(now, Ordering::Relaxed);
            known.passing = passing.or(known.passing.take());
            return Some(known.flow);
        }
        if matches!(self.whom, Whom::User) && self.is_stranger(peer).await {
            return None;
        }
        self.forget_idle(now).await;
        if self.known.len() >= self.max && !self.make_room(now).await {
            if !std::mem::replace(&mut self.refused, true) {
                let why =
                    format!("more than {} clients: further ones are ignored; `max N` allows more", self.max);
                drop(self.arrivals.send(PacketIn::Trouble(why)).await);
            }
            return None;
        }
        match self.open(peer, passing, now).await {
            Ok(flow) => Some(flow),
            Err(error) => {
                let why = format!("{} cannot be forwarded: {}", show(peer), reason(&error));
                drop(self.arrivals.send(PacketIn::Trouble(why)).await);
                None
            }
        }
    }

    /// True if it is another user's; that is said now and then. Who has sent a datagram and left cannot be asked: it gets no
    /// answer either.
    async fn is_stranger(&mut self, peer: SocketAddr) -> bool {
        let is_known = self.stranger == Some(peer) && clock::now() < self.refuses_at;
        if is_known || !is_known_to_be_of_another_user(Client::Udp(peer)) {
            return is_known;
        }
        if clock::now() >= self.refuses_at {
            drop(self.arrivals.send(stranger(peer)).await);
        }
        (self.stranger, self.refuses_at) = (Some(peer), clock::now() + REFUSE_EVERY);
        true
    }

    async fn open(&mut self, peer: SocketAddr, passing: Option<Passing>, now: u64) -> std::io::Result<Flow> {
        let any: SocketAddr = match self.target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let server = UdpSocket::bind(any).await?;
        server.connect(self.target).await?;
        widen(&server);
        let (server, flow, last) = (Arc::new(server), self.next, Arc::new(AtomicU64::new(now)));
        self.next += 1;
        let joined = PacketIn::Joined {
            flow,
            client: named(peer, passing.as_ref()),
            up: PacketOut::Server(server.clone()),
            down: PacketOut::Client(self.socket.clone(), peer),
        };
        drop(self.arrivals.send(joined).await);
        let reader = self.readers.spawn(answers(server, flow, last.clone(), self.arrivals.clone()));
        self.known.insert(peer, ServerSide { flow, passing, last, reader });
        Ok(flow)
    }

    async fn forget_idle(&mut self, now: u64) {
        let limit = IDLE_LIMIT.as_micros() as u64;
        let idle = |known: &ServerSide| now.saturating_sub(known.last.load(Ordering::Relaxed)) > limit;
        let gone: Vec<SocketAddr> =
            self.known.iter().filter(|(_, known)| idle(known)).map(|(peer, _)| *peer).collect();
        for peer in gone {
            self.forget(peer).await;
        }
        while self.readers.try_join_next().is_some() {}
    }

    /// The client that is idle for longest gives its place to another one; false if nobody is idle.
    async fn make_room(&mut self, now: u64) -> bool {
        let last = |known: &ServerSide| known.last.load(Ordering::Relaxed);
        let Some((peer, since)) =
            self.known.iter().map(|(peer, known)| (*peer, last(known))).min_by_key(|(_, since)| *since)
        else {
            return false;
        };
        let is_idle = now.saturating_sub(since) >= GIVES_WAY_AFTER.as_micros() as u64;
        if is_idle {
            self.forget(peer).await;
        }
        is_idle
    }

    async fn forget(&mut self, peer: SocketAddr) {
        if let Some(known) = self.known.remove(&peer) {
            known.reader.abort();
            drop(self.arrivals.send(PacketIn::Left(known.flow)).await);
        }
    }
}

/// Reads the server's responses to one client.
async fn answers(server: Arc<UdpSocket>, flow: Flow, last: Arc<AtomicU64>, arrivals: mpsc::Sender<PacketIn>) {
    let (mut slab, mut refused) = (BytesMut::new(), false);
    loop {
        match receive(&server, &mut slab).await {
            Ok((bytes, _)) => {
                last.store(clock::now().micros(), Ordering::Relaxed);
                let packet = PacketIn::Packet { direction: Direction::Down, flow, bytes, place: None };
                if arrivals.send(packet).await.is_err() {
                    return;
                }
            }
            Err(_) if refused => {}
            // The server is not running, or not yet: the client is not told, as over any network that drops ICMP.
            Err(error) if is_of_peer(&error) => {
                refused = true;
                drop(
                    arrivals
                        .send(PacketIn::Trouble("nothing listens at the target of the link".into()))
                        .await,
                );
            }
            Err(_) => return,
        }
    }
}
