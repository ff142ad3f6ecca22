//! The driver: one task runs the state machines of all connections of a socket.
//!
//! | file | holds |
//! |---|---|
//! | `queue` | what services want of their connections |
//! | `text` | clients that send plain text |

mod queue;
mod text;

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::drops::DropCount;
use super::halves::{Command, Counters, Halves, Incoming, Outgoing, Refused, SendQuota};
use super::record::SocketRecord;
use super::requests::Requests;
use super::socket::Socket;
use super::text_client::TextClients;
use crate::base::{Count, Counted, Time};
use crate::net::clock;
use crate::net::clock::timer::Timer;
use crate::net::connection::keys;
use crate::net::connection::message::Message;
use crate::net::connection::record::SharedRing;
use crate::net::errors::{self, malformed};
use crate::net::take_turns;
use crate::reliable::{self, Accepted, CloseReason, Event, shared};
use crate::report::Failure;
use crate::wire::datagram::{self, Credit};
use crate::wire::{Code, ConnectionId};

/// Time limit for sending queued data after an orderly close was requested.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);
/// A stopped server waits at most this long for acknowledgements: its clients or the path to them may be gone.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// Receive calls in a row before other work gets its turn.
const READ_BURST: usize = 32;
/// What such a burst costs of a turn, in bytes as others count them.
const BATCH_COST: u64 = 7 << 10;

/// Connections of all sockets of this process: they share what services may have queued.
static OPEN: Count = Count::new();

/// The driver's side of a connection.
struct ConnectionSlot {
    messages: mpsc::UnboundedSender<Result<Message, Failure>>,
    /// Commands of the service that wait because the connection's send buffer is full.
    queue: VecDeque<Command>,
    /// Set when an orderly close was requested: at this time the connection is aborted if data is still queued.
    closing_at: Option<Time>,
    room: Arc<SendQuota>,
    counters: Arc<Counters>,
    _counted: Counted,
}

/// A client's connection attempt, waiting for the server's first answer.
pub(super) struct Opening {
    pub(super) id: ConnectionId,
    pub(super) opened: tokio::sync::oneshot::Sender<Result<(), Failure>>,
    /// What is to be said of the first datagram that is not ours.
    pub(super) foreign: Option<Failure>,
}

impl Opening {
    /// Ends the attempt. A server of another protocol explains it best.
    fn fail(self, why: Failure) {
        drop(self.opened.send(Err(self.foreign.unwrap_or(why))));
    }
}

/// The driver of one socket, of a client or a listener.
pub(super) struct SocketDriver {
    socket: Socket,
    pub(super) endpoint: reliable::Endpoint,
    text_clients: TextClients,
    commands: mpsc::UnboundedReceiver<Command>,
    sender: mpsc::UnboundedSender<Command>,
    applications: HashMap<ConnectionId, ConnectionSlot>,
    /// The listener's queue of accepted connections; `None` for a client, or once the listener was dropped.
    pub(super) accepts: Option<mpsc::UnboundedSender<Halves>>,
    /// Where clients go that were refused for their key.
    pub(super) refusals: Option<mpsc::Sender<Refused>>,
    /// Conversations in other protocols that began here.
    pub(super) requests: Requests,
    /// `Some` until a client's connection attempt has succeeded or failed.
    pub(super) opening: Option<Opening>,
    alarm: Timer,
    /// Bytes that a service may queue for one connection, in addition to the connection's own send buffer.
    queue: usize,
    /// Set when the listener was dropped: the driver ends at this time at the latest.
    ends_at: Option<Time>,
    drops: DropCount,
    /// What happened to its packets.
    record: SocketRecord,
}

impl SocketDriver {
    /// `queue`: bytes that a service may queue for one connection.
    pub(super) fn new(
        socket: Socket,
        endpoint: reliable::Endpoint,
        text_clients: TextClients,
        queue: usize,
    ) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        Self {
            socket,
            endpoint,
            text_clients,
            commands,
            sender,
            applications: HashMap::new(),
            accepts: None,
            refusals: None,
            requests: Requests::default(),
            opening: None,
            alarm: Timer::new(),
            queue,
            ends_at: None,
            drops: DropCount::default(),
            record: SocketRecord::default(),
        }
    }

    /// Notes packets in this ring, not in one of its own.
    pub(super) fn note_into(&mut self, ring: SharedRing) {
        self.record.ring = ring;
    }

    /// Creates the service's side of a connection.
    pub(super) fn register(&mut self, id: ConnectionId, peer: SocketAddr) -> Halves {
        let (messages, receiver) = mpsc::unbounded_channel();
        let (room, counters) =
            (Arc::new(SendQuota::new(shared(self.queue, OPEN.now()))), Arc::new(Counters::default()));
        let application = ConnectionSlot {
            messages,
            queue: VecDeque::new(),
            closing_at: None,
            room: room.clone(),
            counters: counters.clone(),
            _counted: OPEN.add(),
        };
        self.applications.insert(id, application);
        let taken = Credit { stream: 0, block: 0 };
        Halves {
            outgoing: Outgoing {
                id,
                commands: self.sender.clone(),
                room,
                counters,
                ring: self.record.ring.clone(),
                closed: false,
            },
            incoming: Incoming { id, messages: receiver, commands: self.sender.clone(), taken },
            peer,
            is_text: false,
            key: None,
        }
    }

    /// Runs until nothing is left to do: the client's connection ended, or the listener was dropped and its last client
    /// is gone, or [`STOP_LIMIT`] has passed since then.
    pub(super) async fn run(mut self) {
        loop {
            let writable = self.advance();
            if self.is_finished() {
                return;
            }
            let deadline = self.endpoint.deadline().unwrap_or_else(|| clock::now() + Duration::from_hours(1));
            let others = [self.text_clients.deadline(), self.ends_at, self.drops.deadline()];
            let deadline = others.into_iter().flatten().fold(deadline, Time::min);
            tokio::select! {
                ready = self.socket.readable() => if ready.is_ok() {
                    self.read();
                    take_turns(BATCH_COST).await;
                },
                _ = self.socket.writable(), if !writable => {}
                command = self.commands.recv() => if let Some(command) = command { self.take(command) },
                () = self.alarm.at(deadline) => {}
                () = closed(self.accepts.as_ref()) => self.stop_accepting(),
            }
            let now = clock::now();
            self.endpoint.handle_timeout(now);
            if self.drops.deadline().is_some_and(|at| at <= now) {
                self.ask_for_drops();
            }
            for id in self.text_clients.expire(now) {
                self.applications.remove(&id);
                self.count_others();
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.accepts.is_none() && self.endpoint.is_empty() && self.text_clients.is_empty()
            || self.ends_at.is_some_and(|at| clock::now() >= at)
    }

    fn stop_accepting(&mut self) {
        self.accepts = None;
        self.ends_at.get_or_insert_with(|| clock::now() + STOP_LIMIT);
        self.endpoint.stop_listening();
    }

    /// Sends waiting datagrams and delivers events; false if the socket's send buffer is full.
    fn advance(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            self.take(command);
        }
        self.feed();
        let (writable, events) = self.transmit();
        if self.socket.counts.too_large > 0 {
            self.narrow();
        }
        // Accepted connections are registered before their events are delivered: one may have ended already.
        while let Some(Accepted { id, peer, key }) = self.endpoint.poll_accepted() {
            let connection = Halves { key, ..self.register(id, peer) };
            self.let_in(connection);
            self.give_way();
        }
        while let Some((peer, why)) = self.endpoint.poll_refused() {
            if let Some(refusals) = &self.refusals {
                // If nobody keeps up with the log, there is more of the same in it.
                drop(refusals.try_send(Refused { peer, why }));
            }
        }
        for (id, event) in events {
            self.deliver(id, event);
        }
        writable
    }

    /// Sends waiting datagrams; false if the socket's send buffer is full. Also returns what happened on the connections.
    fn transmit(&mut self) -> (bool, Vec<(ConnectionId, Event)>) {
        let mut burst = self.record.begin(&mut self.endpoint);
        let socket = &mut self.socket;
        let (mut events, mut refused) = (Vec::new(), false);
        let mut sent = |peer: SocketAddr, bytes: &[u8]| {
            burst.sent(peer, bytes);
            true
        };
        let send = |peer: SocketAddr, bytes: &[u8], markable| match socket.send(peer, bytes, markable) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // The peer refused an earlier datagram (ICMP): this one counts as sent.
            Err(_) => {
                refused = true;
                sent(peer, bytes)
            }
            Ok(()) => sent(peer, bytes),
        };
        let mut writable = self.endpoint.drain(clock::now(), send, |id, event| events.push((id, event)));
        self.record.take(&mut self.endpoint, self.socket.local());
        match self.socket.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => writable = false,
            result => refused |= result.is_err(),
        }
        if refused {
            self.refused();
        }
        (writable, events)
    }

    fn let_in(&mut self, connection: Halves) {
        if self.accepts.as_ref().is_none_or(|accepts| accepts.send(connection).is_err()) {
            self.stop_accepting();
        }
    }

    /// Updates the kernel's drop count.
    fn ask_for_drops(&mut self) {
        let now = clock::now();
        let new = self.drops.ask(now, self.socket.port());
        self.record.dropped(now, new);
    }

    fn deliver(&mut self, id: ConnectionId, event: Event) {
        if matches!(event, Event::Frame(_)) {
            self.ask_for_drops();
        }
        let message = match event {
            Event::Answered | Event::Open => {
                if let Some(opening) = self.opening.take_if(|opening| opening.id == id) {
                    drop(opening.opened.send(Ok(())));
                }
                return;
            }
            // LINE frames are made here from plain text; on the wire they are invalid.
            Event::Frame(frame) if frame.kind == crate::wire::frame::LINE => {
                Err(malformed(crate::wire::DecodeError::Unknown { what: "frame", value: 0 }))
            }
            Event::Frame(frame) => Ok(Message::Frame(frame)),
            Event::Block { offset, bytes } => Ok(Message::Block { offset, bytes }),
            Event::Ended(ending) => return self.finish(id, ending),
        };
        if let Some(application) = self.applications.get(&id) {
            if let Some(connection) = self.endpoint.connection(id) {
                application.counters.take(connection, self.drops.last());
            }
            // If the service has dropped its receiving half it drops the sending half too, which ends the connection.
            drop(application.messages.send(message));
        }
    }

    fn finish(&mut self, id: ConnectionId, ending: CloseReason) {
        let failure = ended(ending);
        if let Some(opening) = self.opening.take_if(|opening| opening.id == id) {
            opening.fail(failure.clone().unwrap_or_else(errors::connection_closed));
        }
        if let Some(application) = self.applications.remove(&id) {
            application.room.close(failure.as_ref());
            if let Some(failure) = failure {
                drop(application.messages.send(Err(failure)));
            }
        }
    }

    fn read(&mut self) {
        self.count_others();
        for _ in 0..READ_BURST {
            let mut burst = self.record.begin(&mut self.endpoint);
            let (endpoint, now, mut foreign) = (&mut self.endpoint, clock::now(), Vec::new());
            let result = self.socket.receive(|peer, bytes, marked| {
                burst.came(peer, &bytes);
                if !bytes.first().is_some_and(|&first| datagram::is_ours(first)) {
                    foreign.push((peer, bytes.clone()));
                }
                endpoint.handle_datagram(now, peer, bytes, marked);
            });
            for (peer, bytes) in foreign {
                self.refuse_foreign(&bytes);
                let others = self.endpoint.len() + self.text_clients.taken(clock::now());
                if !self.requests.hear(peer, self.socket.local(), &bytes, others) {
                    self.hear(peer, &bytes);
                }
            }
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.refused(),
                // Nothing left to read, or an error that concerns one peer or one datagram: the driver goes on (row
                // 47).
                Err(_) => return,
            }
        }
        // More came than was read: the kernel's buffer may have overflowed meanwhile.
        self.ask_for_drops();
    }

    /// ICMP reports that nothing listens on the port. That is final before the first answer; later it is ignored, as
    /// the server may be restarting.
    fn refused(&mut self) {
        if let Some(opening) = self.opening.take() {
            opening.fail(errors::port_unreachable());
        }
    }

    /// The kernel reports that a datagram exceeds the path MTU. If it was the first one, which is as small as one that
    /// opens a connection can be, the attempt fails.
    fn narrow(&mut self) {
        if let Some(opening) = self.opening.take() {
            opening.fail(errors::packet_too_big());
        }
    }

    /// One datagram that is not ours may be one that was damaged on its way, which counts as lost: its repetition comes
    /// whole. A server of another protocol answers the repetition, too.
    fn refuse_foreign(&mut self, bytes: &[u8]) {
        let Some(opening) = &mut self.opening else { return };
        if opening.foreign.is_none() {
            opening.foreign = Some(errors::foreign_protocol(bytes));
        } else if let Some(opening) = self.opening.take() {
            opening.fail(errors::foreign_protocol(bytes));
        }
    }
}

/// Resolves when the listener was dropped; never for a client.
async fn closed(accepts: Option<&mpsc::UnboundedSender<Halves>>) {
    match accepts {
        Some(accepts) => accepts.closed().await,
        None => std::future::pending().await,
    }
}

/// The end of a connection as a failure; `None` if it was closed in order.
fn ended(ending: CloseReason) -> Option<Failure> {
    Some(match ending {
        CloseReason::Closed { code: Code::Other, reason, .. } if reason.is_empty() => return None,
        CloseReason::Closed { by_peer: false, .. } => return None,
        CloseReason::Closed { code, reason, .. } => {
            errors::told_in_words(code, &format!("the peer ended the connection: {reason}"))
        }
        CloseReason::Refused { code, reason } => errors::told_in_words(code, &reason),
        CloseReason::NotEncrypted => keys::errors::server_has_no_key(),
        CloseReason::TimedOut { after, sent, acknowledged } => errors::peer_silent(after, sent, acknowledged),
        CloseReason::ProtocolViolation(how) => errors::protocol_violation(how),
    })
}
