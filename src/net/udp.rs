//! Reliable UDP: one task drives the state machines of all connections of a socket and joins them to the
//! halves that services hold.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};

use super::connection::{Connection, Message};
use super::{CONNECT_LIMIT, Driver, clock, nobody_listens, silent, tcp};
use crate::base::{Endpoint, Transport};
use crate::reliable::{self, Config, Ending, Event, Listening, PIECE_COST};
use crate::report::{Failure, reason};
use crate::wire::datagram::{self, Credit};
use crate::wire::{Code, Frame, ServiceId};

/// Asked of the system for each direction; what is granted may be less, and the window follows it.
const SOCKET_BUFFER: usize = 4 << 20;
/// Memory that the system charges for a datagram of 1200 bytes, about.
const DATAGRAM_CHARGE: usize = 2304;
/// Bytes that a service may have queued beyond what the connection holds.
const QUEUE: usize = 2 << 20;
/// Datagrams read before others get their turn.
const READ_BURST: usize = 256;
/// Consumed bytes that are reported together.
const REPORT_EVERY: u64 = 64 << 10;
/// Received datagrams share memory of this size.
const SLAB: usize = 1 << 20;

/// What a service wants of its datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Largest UDP payload to send.
    pub datagram: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { datagram: datagram::BASE_DATAGRAM }
    }
}

/// What was granted decides how much may be under way: half of what the buffer really holds.
fn config(socket: &UdpSocket, options: Options) -> Config {
    let reference = socket2::SockRef::from(socket);
    drop(reference.set_recv_buffer_size(SOCKET_BUFFER));
    drop(reference.set_send_buffer_size(SOCKET_BUFFER));
    let granted = reference.recv_buffer_size().unwrap_or(200 << 10);
    let block = (granted / DATAGRAM_CHARGE * options.datagram.min(1200) / 2) as u64;
    Config { datagram: options.datagram, credit: Credit { stream: 1 << 20, block }, ..Config::default() }
}

fn random<const N: usize>() -> [u8; N] {
    use rand::TryRng;
    let mut bytes = [0; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the system has a source of random bytes");
    bytes
}

enum Command {
    Frame(u64, Frame),
    Block(u64, u64, Bytes),
    Consumed(u64, Credit),
    Close(u64, Code, String),
}

/// Counts that the halves can read while the driver runs.
#[derive(Debug, Default)]
pub struct Counters {
    retransmitted: AtomicU64,
}

impl Counters {
    pub fn retransmitted(&self) -> u64 {
        self.retransmitted.load(Ordering::Relaxed)
    }
}

/// The sending half.
pub struct Outgoing {
    id: u64,
    commands: mpsc::UnboundedSender<Command>,
    /// Bytes that may still be queued.
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
    closed: bool,
}

impl Outgoing {
    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), Failure> {
        self.reserve(frame.body.len()).await?;
        self.commands.send(Command::Frame(self.id, frame)).map_err(|_| gone())
    }

    pub(super) async fn send_block(&mut self, offset: u64, bytes: Bytes) -> Result<(), Failure> {
        self.reserve(bytes.len()).await?;
        self.commands.send(Command::Block(self.id, offset, bytes)).map_err(|_| gone())
    }

    async fn reserve(&self, bytes: usize) -> Result<(), Failure> {
        self.room.acquire_many(charge(bytes)).await.map_err(|_| gone())?.forget();
        Ok(())
    }

    pub(super) fn close(&mut self, code: Code, reason: &str) {
        self.closed = true;
        drop(self.commands.send(Command::Close(self.id, code, reason.into())));
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.closed {
            drop(self.commands.send(Command::Close(self.id, Code::Broken, "the other side ended".into())));
        }
    }
}

fn charge(bytes: usize) -> u32 {
    (bytes + PIECE_COST as usize) as u32
}

fn gone() -> Failure {
    Failure::new(Code::Broken, "the connection is closed")
}

/// The receiving half. The queue is bounded by the credit that the peer has.
pub struct Incoming {
    id: u64,
    messages: mpsc::UnboundedReceiver<Result<Message, Failure>>,
    commands: mpsc::UnboundedSender<Command>,
    taken: Credit,
}

impl Incoming {
    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        let message = match self.messages.try_recv() {
            Ok(message) => message,
            Err(_) => {
                // Before waiting, the peer must know that there is room.
                self.report();
                match self.messages.recv().await {
                    Some(message) => message,
                    None => return Ok(None),
                }
            }
        };
        match &message {
            Ok(Message::Frame(frame)) => self.taken.stream += reliable::receive::stream_cost(frame),
            Ok(Message::Block { bytes, .. }) => self.taken.block += bytes.len() as u64 + PIECE_COST,
            Err(_) => {}
        }
        if self.taken.stream + self.taken.block >= REPORT_EVERY {
            self.report();
        }
        message.map(Some)
    }

    fn report(&mut self) {
        if self.taken.stream + self.taken.block > 0 {
            drop(self.commands.send(Command::Consumed(self.id, self.taken)));
            self.taken = Credit { stream: 0, block: 0 };
        }
    }
}

/// A connection as the driver sees it.
struct Application {
    messages: mpsc::UnboundedSender<Result<Message, Failure>>,
    /// What the service queued and the connection has no room for.
    queue: VecDeque<Command>,
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
}

/// Waits for the first word of a server.
struct Opening {
    id: u64,
    opened: tokio::sync::oneshot::Sender<Result<(), Failure>>,
}

struct Drive {
    socket: UdpSocket,
    endpoint: reliable::Endpoint,
    commands: mpsc::UnboundedReceiver<Command>,
    sender: mpsc::UnboundedSender<Command>,
    applications: HashMap<u64, Application>,
    accepts: Option<mpsc::UnboundedSender<Connection>>,
    opening: Option<Opening>,
    connected: bool,
    slab: BytesMut,
}

/// Connects to the first address that answers.
pub async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
    options: Options,
) -> Result<(Connection, Driver), Failure> {
    let mut last = None;
    for &address in addresses {
        match connect_to(endpoint, address, service, options).await {
            Ok(done) => return Ok(done),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| silent(endpoint, Transport::Udp)))
}

async fn connect_to(
    endpoint: &Endpoint,
    peer: SocketAddr,
    service: ServiceId,
    options: Options,
) -> Result<(Connection, Driver), Failure> {
    let local: SocketAddr =
        if peer.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let failed = |error: std::io::Error| {
        Failure::new(Code::Broken, format!("cannot reach {endpoint}: {}", reason(&error)))
            .fix("check the address and the network")
    };
    let socket = UdpSocket::bind(local).await.map_err(failed)?;
    // A connected socket hears that nobody listens (ICMP), and hears nobody else.
    socket.connect(peer).await.map_err(failed)?;
    let config = config(&socket, options);
    let mut drive =
        Drive::new(socket, reliable::Endpoint::new(Config { give_up: CONNECT_LIMIT, ..config }, None), true);
    let id = u64::from_be_bytes(random());
    drive.endpoint.connect(clock::now(), id, peer, service);
    let connection = drive.register(id, peer);
    let (opened, result) = tokio::sync::oneshot::channel();
    drive.opening = Some(Opening { id, opened });
    let mut driver: Driver = Box::pin(drive.run());
    let outcome = tokio::select! {
        outcome = result => outcome.unwrap_or_else(|_| Err(gone())),
        () = &mut driver => Err(gone()),
    };
    match outcome {
        Ok(()) => Ok((connection, driver)),
        Err(failure) if failure.code == Code::Refused => Err(nobody_listens(endpoint, Transport::Udp)),
        Err(failure) if failure.code == Code::Timeout => Err(silent(endpoint, Transport::Udp)),
        Err(failure) => Err(failure),
    }
}

/// A socket that lets clients in: the driver to spawn, and where the clients come out.
pub fn listen(
    socket: UdpSocket,
    service: ServiceId,
    max: usize,
    options: Options,
) -> (mpsc::UnboundedReceiver<Connection>, Driver) {
    let config = config(&socket, options);
    let listening = Listening { service, max, secret: random() };
    let mut drive = Drive::new(socket, reliable::Endpoint::new(config, Some(listening)), false);
    let (accepts, clients) = mpsc::unbounded_channel();
    drive.accepts = Some(accepts);
    (clients, Box::pin(drive.run()))
}

impl Drive {
    fn new(socket: UdpSocket, endpoint: reliable::Endpoint, connected: bool) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        Self {
            socket,
            endpoint,
            commands,
            sender,
            applications: HashMap::new(),
            accepts: None,
            opening: None,
            connected,
            slab: BytesMut::new(),
        }
    }

    fn register(&mut self, id: u64, peer: SocketAddr) -> Connection {
        let (messages, receiver) = mpsc::unbounded_channel();
        let (room, counters) = (Arc::new(Semaphore::new(QUEUE)), Arc::new(Counters::default()));
        let application =
            Application { messages, queue: VecDeque::new(), room: room.clone(), counters: counters.clone() };
        self.applications.insert(id, application);
        let taken = Credit { stream: 0, block: 0 };
        Connection {
            outgoing: super::Outgoing::Udp(Outgoing {
                id,
                commands: self.sender.clone(),
                room,
                counters,
                closed: false,
            }),
            incoming: super::Incoming::Udp(Incoming {
                id,
                messages: receiver,
                commands: self.sender.clone(),
                taken,
            }),
            peer,
            transport: Transport::Udp,
            plain: false,
        }
    }

    /// Runs until nothing is left to do: the client's connection ended, or the listener was dropped and its
    /// last client is gone.
    async fn run(mut self) {
        loop {
            let writable = self.advance();
            if self.is_finished() {
                return;
            }
            let deadline = self
                .endpoint
                .deadline()
                .map_or_else(|| tokio::time::Instant::now() + Duration::from_hours(1), clock::instant);
            tokio::select! {
                ready = self.socket.readable() => if ready.is_ok() { self.read() },
                _ = self.socket.writable(), if !writable => {}
                command = self.commands.recv() => if let Some(command) = command { self.take(command) },
                () = tokio::time::sleep_until(deadline) => {}
                () = closed(self.accepts.as_ref()) => self.stop_accepting(),
            }
            self.endpoint.handle_timeout(clock::now());
        }
    }

    fn is_finished(&self) -> bool {
        self.accepts.is_none() && self.endpoint.is_empty()
    }

    fn stop_accepting(&mut self) {
        self.accepts = None;
        self.endpoint.stop_listening();
    }

    /// Datagrams out, events out; false if the socket is full.
    fn advance(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        self.feed();
        let (socket, connected) = (&self.socket, self.connected);
        let mut events = Vec::new();
        let send = |peer: SocketAddr, bytes: &[u8]| {
            let result = if connected { socket.try_send(bytes) } else { socket.try_send_to(bytes, peer) };
            // Any other error is one datagram lost: the state machine repairs it (rows 47 and 48).
            !result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        let writable = self.endpoint.drain(clock::now(), send, |id, event| events.push((id, event)));
        for (id, event) in events {
            self.deliver(id, event);
        }
        while let Some((id, peer)) = self.endpoint.poll_accepted() {
            let connection = self.register(id, peer);
            if self.accepts.as_ref().is_none_or(|accepts| accepts.send(connection).is_err()) {
                self.stop_accepting();
            }
        }
        writable
    }

    fn deliver(&mut self, id: u64, event: Event) {
        let message = match event {
            Event::Open => {
                if let Some(opening) = self.opening.take_if(|opening| opening.id == id) {
                    drop(opening.opened.send(Ok(())));
                }
                return;
            }
            Event::Frame(frame) => Ok(Message::Frame(frame)),
            Event::Block { offset, bytes } => Ok(Message::Block { offset, bytes }),
            Event::Ended(ending) => return self.finish(id, ending),
        };
        if let Some(application) = self.applications.get(&id) {
            // A service that no longer listens closes its sending half too, and that ends the connection.
            drop(application.messages.send(message));
        }
    }

    fn finish(&mut self, id: u64, ending: Ending) {
        let failure = ended(ending);
        if let Some(opening) = self.opening.take_if(|opening| opening.id == id) {
            drop(opening.opened.send(Err(failure.clone().unwrap_or_else(gone))));
        }
        if let Some(application) = self.applications.remove(&id) {
            application.room.close();
            if let Some(failure) = failure {
                drop(application.messages.send(Err(failure)));
            }
        }
    }

    fn take(&mut self, command: Command) {
        let (Command::Frame(id, _)
        | Command::Block(id, ..)
        | Command::Consumed(id, _)
        | Command::Close(id, ..)) = &command;
        let id = *id;
        if let Command::Consumed(_, taken) = command {
            if let Some(connection) = self.endpoint.connection(id) {
                connection.consumed(taken.stream, taken.block);
            }
        } else if let Some(application) = self.applications.get_mut(&id) {
            application.queue.push_back(command);
            if application.queue.len() == 1 {
                self.feed_one(id);
            }
        }
    }

    /// Gives queued commands to connections that have room.
    fn feed(&mut self) {
        let waiting: Vec<u64> =
            self.applications.iter().filter(|(_, a)| !a.queue.is_empty()).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.feed_one(id));
    }

    fn feed_one(&mut self, id: u64) {
        let (Some(application), Some(connection)) =
            (self.applications.get_mut(&id), self.endpoint.connection(id))
        else {
            return;
        };
        application.counters.retransmitted.store(connection.stats().retransmitted, Ordering::Relaxed);
        while connection.is_writable()
            && let Some(command) = application.queue.pop_front()
        {
            match command {
                Command::Frame(_, frame) => {
                    application.room.add_permits(charge(frame.body.len()) as usize);
                    connection.write_frame(&frame);
                }
                Command::Block(_, offset, bytes) => {
                    application.room.add_permits(charge(bytes.len()) as usize);
                    connection.write_block(offset, bytes);
                }
                Command::Close(_, code, reason) => connection.close(clock::now(), code, &reason),
                Command::Consumed(..) => {}
            }
        }
    }

    fn read(&mut self) {
        for _ in 0..READ_BURST {
            if self.slab.capacity() - self.slab.len() < datagram::DATAGRAM_LIMIT + 28 {
                self.slab.reserve(SLAB);
            }
            match self.socket.try_recv_buf_from(&mut self.slab) {
                Ok((_, peer)) => {
                    let bytes = self.slab.split().freeze();
                    if self.opening.is_some() && !bytes.first().is_some_and(|&first| datagram::is_ours(first))
                    {
                        self.refuse_foreign(&bytes);
                    }
                    self.endpoint.handle_datagram(clock::now(), peer, bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.refused(),
                // It belongs to one peer, or to one datagram: the loop goes on (row 47).
                Err(_) => return,
            }
        }
    }

    /// ICMP says that nobody listens. Before the first answer that is final; later it may be a restart.
    fn refused(&mut self) {
        if let Some(opening) = self.opening.take() {
            drop(opening.opened.send(Err(Failure::new(Code::Refused, "nothing is listening"))));
        }
    }

    fn refuse_foreign(&mut self, bytes: &[u8]) {
        if let Some(opening) = self.opening.take() {
            drop(opening.opened.send(Err(tcp::foreign(bytes))));
        }
    }
}

/// Resolves when the listener is no longer wanted.
async fn closed(accepts: Option<&mpsc::UnboundedSender<Connection>>) {
    match accepts {
        Some(accepts) => accepts.closed().await,
        None => std::future::pending().await,
    }
}

/// What the end of a connection means here; `None`: it was closed in order.
fn ended(ending: Ending) -> Option<Failure> {
    Some(match ending {
        Ending::Closed { code: Code::Other, .. } | Ending::Closed { by_peer: false, .. } => return None,
        Ending::Closed { code, reason, .. } => Failure::new(
            code,
            format!("the peer ended the connection: {}", crate::base::escape::escape_line(&reason)),
        ),
        Ending::Refused { code, reason } => {
            Failure::new(code, crate::base::escape::escape_line(&reason).into_owned())
        }
        Ending::Vanished { after, sent, acknowledged } => {
            let why = format!(
                "no answer for {:.0} s; sent {sent} bytes, acknowledged {acknowledged}",
                after.as_secs_f64()
            );
            Failure::new(Code::Timeout, why).fix("the peer or the network is gone; run the command again")
        }
        Ending::Misbehaved(how) => {
            Failure::new(Code::Misbehaved, format!("the peer broke the protocol: {how}"))
        }
    })
}
