//! Many connections on one socket: finds the connection of a datagram by its id, and accepts new ones.
//!
//! | file | holds |
//! |---|---|
//! | `welcome` | what a server does with a HELLO |
//! | `guard` | the keys of a server |
//! | `ended` | the ids of connections that are over |

mod ended;
mod guard;
mod welcome;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use self::ended::Ended;
use self::guard::Guard;
use super::Config;
use super::connection::{Connection, Event, Inside};
use super::handshake::sealing::{Initiator, Keyholder};
use crate::base::{Time, share};
use crate::record::{Fate, PacketEvent, Ring, Way, kind_of};
use crate::wire::datagram::{self, Packet};
use crate::wire::{ConnectionId, ServiceId};

/// What a server accepts.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance {
    /// The service of this port.
    pub service: ServiceId,
    /// Its name, for those who ask for another.
    pub name: &'static str,
    /// Clients that ask for any service are accepted.
    pub lists: bool,
    /// Most clients at once, those of other protocols on the same socket included.
    pub max: usize,
    /// Random key of the cookies.
    pub secret: [u8; 32],
}

impl Acceptance {
    fn serves(&self, asked: u8) -> bool {
        asked == self.service.number() || asked == ServiceId::ANY.number() && self.lists
    }
}

/// A connection that a server has accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its id.
    pub id: ConnectionId,
    /// The address of the client.
    pub peer: SocketAddr,
    /// It is encrypted: what the client's key is called.
    pub key: Option<Arc<str>>,
}

/// A connection, and what the endpoint knows about it.
struct Slot {
    connection: Connection,
    peer: SocketAddr,
    /// Its deadline as entered in `due`.
    deadline: Option<Time>,
}

impl Slot {
    /// Passes every waiting datagram to `send`; returns the one for which the socket had no room, if any.
    fn transmit(
        &mut self,
        now: Time,
        out: &mut Vec<u8>,
        send: &mut impl FnMut(SocketAddr, &[u8], bool) -> bool,
    ) -> Option<Unsent> {
        loop {
            out.clear();
            if !self.connection.poll_transmit(now, out) {
                return None;
            }
            let markable = self.connection.can_be_marked();
            if !send(self.peer, out, markable) {
                return Some((self.peer, out.clone(), markable));
            }
        }
    }
}

/// A datagram that was built, but the socket had no room for it; true if it may be ECN-capable.
type Unsent = (SocketAddr, Vec<u8>, bool);

/// The connections of one socket.
pub struct Endpoint {
    config: Config,
    listening: Option<Acceptance>,
    /// Clients of other protocols on the same socket, which count towards `Acceptance::max`.
    others: usize,
    slots: HashMap<ConnectionId, Slot>,
    /// Deadlines with their connection ids, earliest first.
    due: BTreeSet<(Time, ConnectionId)>,
    /// Connections with an input since the last drain.
    touched: VecDeque<ConnectionId>,
    /// Answers to datagrams that belong to no connection, and ACCEPT.
    stateless: VecDeque<(SocketAddr, Vec<u8>)>,
    /// New connections that the application has not fetched yet.
    accepted: VecDeque<Accepted>,
    /// Clients that were refused for their key, and why, as far as nobody has fetched them.
    refused: VecDeque<(SocketAddr, String)>,
    /// The keys of a server that only serves who has one of them.
    guard: Option<Guard>,
    ended: Ended,
    unsent: Option<Unsent>,
    /// What was noted of the packets of all connections, and not taken yet.
    record: Option<Ring>,
    /// What is inside the encrypted datagrams of all connections, and not taken yet; `None`: it is not kept.
    inside: Option<Vec<Inside>>,
    /// Datagrams that were dropped: damaged, of no connection, or from an unproven address.
    pub ignored: u64,
}

impl Endpoint {
    /// An endpoint without connections; `listening` is `None` for a client-only endpoint.
    pub fn new(config: Config, listening: Option<Acceptance>) -> Self {
        Self {
            config,
            listening,
            others: 0,
            slots: HashMap::new(),
            due: BTreeSet::new(),
            touched: VecDeque::new(),
            stateless: VecDeque::new(),
            accepted: VecDeque::new(),
            refused: VecDeque::new(),
            guard: None,
            unsent: None,
            ended: Ended::default(),
            record: (config.record > 0).then(|| Ring::new(config.record)),
            inside: None,
            ignored: 0,
        }
    }

    /// From now on it is kept what is inside encrypted datagrams, until it is taken, or no more.
    pub fn keep_inside(&mut self, keeps: bool) {
        if keeps != self.inside.is_some() {
            self.inside = keeps.then(Vec::new);
        }
    }

    /// What was inside the encrypted datagrams since the last call.
    pub fn take_inside(&mut self) -> Vec<Inside> {
        self.inside.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on only clients with a key are accepted; `secret` is random.
    pub fn guarded(self, keys: Box<dyn Keyholder>, secret: [u8; 32]) -> Self {
        Self { guard: Some(Guard::new(keys, secret)), ..self }
    }

    /// Begins a connection as a client; `id` is 64 random bits. With `initiator` it is encrypted.
    pub fn connect(
        &mut self,
        now: Time,
        (id, peer): (ConnectionId, SocketAddr),
        service: ServiceId,
        initiator: Option<Box<dyn Initiator>>,
    ) {
        let connection = Connection::connect(id, service.number(), self.config, now).with_key(initiator);
        self.slots.insert(id, Slot { connection, peer, deadline: None });
        self.touched.push_back(id);
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if there is no connection.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Sets the number of clients of other protocols, which count towards [`Acceptance::max`].
    pub fn set_others(&mut self, others: usize) {
        self.others = others;
    }

    /// Accepts no new connection from now on; open ones go on.
    pub fn stop_listening(&mut self) {
        self.listening = None;
    }

    /// A datagram from the network; `marked` is true if a router reports a growing queue (ECN).
    pub fn handle_datagram(&mut self, now: Time, peer: SocketAddr, bytes: Bytes, marked: bool) {
        let Ok((id, packet)) = datagram::decode(&bytes) else {
            self.ignored += 1;
            return;
        };
        if let Packet::Hello { .. } = &packet {
            self.note(now, id, Way::In, &packet, bytes.len());
            return self.handle_hello(now, (peer, id), packet, &bytes);
        }
        let Some(slot) = self.slots.get_mut(&id) else {
            self.ignored += 1;
            return;
        };
        let size = bytes.len();
        slot.connection.keep_inside(self.inside.is_some());
        let Some((packet, bytes)) = slot.connection.admit(packet, bytes) else {
            self.ignored += 1;
            return;
        };
        if slot.peer != peer {
            return self.ask_who(now, peer, id, size);
        }
        slot.connection.handle_packet(now, packet, bytes, marked);
        self.touched.push_back(id);
    }

    /// Queues a datagram that needs no connection.
    fn answer(&mut self, now: Time, peer: SocketAddr, id: ConnectionId, packet: &Packet) {
        let bytes = datagram::encode(id, packet);
        self.note(now, id, Way::Out, packet, bytes.len());
        self.stateless.push_back((peer, bytes));
    }

    /// Notes a packet that no connection notes.
    fn note(&mut self, now: Time, id: ConnectionId, way: Way, packet: &Packet, size: usize) {
        if let Some(record) = &mut self.record {
            let fate = if way == Way::Out { Fate::Sent } else { Fate::Arrived };
            let (kind, size) = (kind_of(packet), size as u32);
            record.push(PacketEvent { at: now, flow: id.0, way, kind, size, fate, ..PacketEvent::default() });
        }
    }

    /// Moves what was noted of the packets of all connections since the last call into a ring; nothing if
    /// [`Config::record`] is 0.
    pub fn take_record(&mut self, into: &mut Ring) {
        if let Some(record) = &mut self.record {
            into.append(record);
        }
    }

    /// True if something was noted and not taken yet.
    pub fn has_record(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.events().len() > 0)
    }

    /// The reason for which another client of this address finds no place among `max`.
    fn is_full_for(&self, address: IpAddr, max: usize) -> Option<String> {
        let (taken, most) = (self.slots.len() + self.others, share(max, address));
        if taken >= max {
            return Some(format!("busy: {taken} of {max} clients, retry in 5 s"));
        }
        let is_full = self.of_address(address) >= most;
        is_full.then(|| format!("busy: {most} of {max} clients are from your address, retry in 5 s"))
    }

    /// Number of connections of an IP address.
    fn of_address(&self, address: IpAddr) -> usize {
        self.slots.values().filter(|slot| slot.peer.ip() == address).count()
    }

    /// The next accepted connection, if there is one.
    pub fn poll_accepted(&mut self) -> Option<Accepted> {
        self.accepted.pop_front()
    }

    /// The next client that was refused for its key, and why, if there is one.
    pub fn poll_refused(&mut self) -> Option<(SocketAddr, String)> {
        self.refused.pop_front()
    }

    /// The connection with this id, to write to or to close; `None` if it has ended. The next [`Self::drain`] serves
    /// it.
    pub fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(&id)?;
        self.touched.push_back(id);
        Some(&mut slot.connection)
    }

    /// Does what is due at `now` on every connection.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(at, id)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.deadline = None;
                slot.connection.handle_timeout(now);
                self.touched.push_back(id);
            }
        }
    }

    /// When [`Self::handle_timeout`] has something to do; `None` if no connection has a deadline.
    pub fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Passes every waiting datagram to `send`, with true if it may be ECN-capable, and every event to `event` with its
    /// connection id; `send` returns false if the socket is full. Returns false if the socket is full: call again when
    /// it has room.
    pub fn drain(
        &mut self,
        now: Time,
        mut send: impl FnMut(SocketAddr, &[u8], bool) -> bool,
        mut event: impl FnMut(ConnectionId, Event),
    ) -> bool {
        if let Some((peer, bytes, markable)) = self.unsent.take()
            && !send(peer, &bytes, markable)
        {
            self.unsent = Some((peer, bytes, markable));
            return false;
        }
        while let Some((peer, bytes)) = self.stateless.pop_front() {
            // Such an answer may be lost like any datagram: the client asks again.
            send(peer, &bytes, false);
        }
        let mut out = Vec::with_capacity(self.config.datagram);
        while let Some(id) = self.touched.pop_front() {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.connection.keep_inside(self.inside.is_some());
            self.unsent = slot.transmit(now, &mut out, &mut send);
            self.inside.iter_mut().for_each(|inside| slot.connection.take_inside(inside));
            self.record.iter_mut().for_each(|record| slot.connection.take_record(record));
            std::iter::from_fn(|| slot.connection.poll_event()).for_each(|happened| event(id, happened));
            let ended = slot.connection.has_ended();
            if ended {
                self.forget(id, now);
            } else {
                self.enter_deadline(id);
            }
            if self.unsent.is_some() {
                if !ended {
                    self.touched.push_front(id);
                }
                return false;
            }
        }
        true
    }

    /// Enters the present deadline of a connection in `due`.
    fn enter_deadline(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let deadline = slot.connection.deadline();
        if slot.deadline != deadline {
            if let Some(at) = slot.deadline.take() {
                self.due.remove(&(at, id));
            }
            slot.deadline = deadline;
            self.due.extend(deadline.map(|at| (at, id)));
        }
    }

    /// Removes a connection that has ended. A server remembers its id for a while.
    fn forget(&mut self, id: ConnectionId, now: Time) {
        if let Some(at) = self.slots.remove(&id).and_then(|slot| slot.deadline) {
            self.due.remove(&(at, id));
        }
        if self.listening.is_some() {
            self.ended.add(id, now);
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("connections", &self.slots.len())
            .field("ignored", &self.ignored)
            .finish_non_exhaustive()
    }
}
