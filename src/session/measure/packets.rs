//! The records of a session's packets: one ring of its own, and one of each UDP socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::base::{Time, Transport};
use crate::net::Connection;
use crate::net::connection::record::{ConnectionNotes, SharedRing};
use crate::net::connection::tap::{Depth, Look, Tapped};
use crate::record::PacketEvent;

/// Sockets of one session whose packets are looked at: the newest ones, if there are more.
const RING_LIMIT: usize = 16;

/// Events that the client of a server keeps whose clients are sessions: there may be many of them.
pub const CLIENT_EVENT_LIMIT: usize = 1024;

/// All rings of a session.
#[derive(Default)]
pub(in crate::session) struct Packets {
    own: OnceLock<SharedRing>,
    of_sockets: Mutex<VecDeque<SharedRing>>,
    /// The next number of a TCP connection, from 1.
    flows: AtomicU64,
    /// Events that each ring keeps, in those of today and in those that come; 0: as many as usual.
    limit: AtomicUsize,
    /// Who looks at what passes, in the rings of today and in those that come.
    look: Mutex<Option<(SharedLook, Depth)>>,
}

/// How far the record of a session was read.
#[derive(Debug, Default)]
pub struct PacketCursor(Vec<(SharedRing, u64)>);

/// Who looks, at several places at once.
type SharedLook = Arc<dyn Fn(&Tapped<'_>) + Send + Sync>;

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("rings", &self.all()).finish_non_exhaustive()
    }
}

impl Packets {
    /// The ring of the session itself.
    pub(in crate::session) fn own(&self) -> SharedRing {
        let made = || {
            let ring = SharedRing::default();
            self.place(&ring);
            ring
        };
        self.own.get_or_init(made).clone()
    }

    /// Lets who looks look at this ring, too, which keeps as many events as the others.
    fn place(&self, ring: &SharedRing) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit > 0 {
            ring.lock().set_limit(limit);
        }
        let look = self.look.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let depth = look.as_ref().map_or(Depth::Wire, |(_, depth)| *depth);
        ring.tap().set(look.map(|(look, _)| -> Look { Box::new(move |tapped| look(tapped)) }), depth);
    }

    pub(in crate::session) fn is_looked_at(&self) -> bool {
        self.look.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// From now on this one looks at all that passes; false if somebody does already. `None` ends it.
    pub(in crate::session) fn look(&self, look: Option<(SharedLook, Depth)>) -> bool {
        {
            let mut current = self.look.lock().unwrap_or_else(PoisonError::into_inner);
            if current.is_some() && look.is_some() {
                return false;
            }
            *current = look;
        }
        self.all().iter().for_each(|ring| self.place(ring));
        true
    }

    /// From now on, the packets of a connection are among those of the session.
    pub(in crate::session) fn watch(&self, connection: &mut Connection) {
        let flow = self.flows.fetch_add(1, Ordering::Relaxed) + 1;
        let own = self.own();
        let ring = connection.note_into(&own, flow);
        if !ring.is(&own) {
            self.include(ring);
        }
    }

    /// Notes for a connection in another protocol, between these addresses: of this side and of the peer.
    pub(in crate::session) fn notes(
        &self,
        ends: (SocketAddr, SocketAddr),
        transport: Transport,
    ) -> ConnectionNotes {
        ConnectionNotes::new(&self.own(), self.flows.fetch_add(1, Ordering::Relaxed) + 1, ends, transport)
    }

    /// From now on, the packets of a client are among those of the session, which is its server. Its record is short, unless
    /// the session was told another number.
    pub(in crate::session) fn include_client(&self, client: SharedRing) {
        client.lock().set_limit(CLIENT_EVENT_LIMIT);
        self.include(client);
    }

    /// From now on, the packets in this ring are among those of the session.
    fn include(&self, ring: SharedRing) {
        let mut rings = self.of_sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.iter().any(|known| known.is(&ring)) {
            return;
        }
        if rings.len() == RING_LIMIT {
            rings.pop_front();
        }
        self.place(&ring);
        rings.push_back(ring);
    }

    fn all(&self) -> Vec<SharedRing> {
        let rings = self.of_sockets.lock().unwrap_or_else(PoisonError::into_inner);
        self.own.get().into_iter().chain(rings.iter()).cloned().collect()
    }

    /// The newest events by time, this number at most, and how many older ones there were.
    pub(in crate::session) fn events(&self, most: usize) -> (Vec<PacketEvent>, u64) {
        let (mut events, mut older) = (Vec::new(), 0);
        for ring in self.all() {
            let ring = ring.lock();
            let skipped = ring.events().len().saturating_sub(most);
            events.extend(ring.events().skip(skipped).copied());
            older += ring.forgotten() + skipped as u64;
        }
        events.sort_by_key(|event| event.at);
        let skipped = events.len().saturating_sub(most);
        events.drain(..skipped);
        (events, older + skipped as u64)
    }

    /// The events since the cursor, by time, which moves behind them, and how many of them are kept no more.
    pub(in crate::session) fn since(&self, cursor: &mut PacketCursor) -> (Vec<PacketEvent>, u64) {
        let (mut events, mut missed) = (Vec::new(), 0);
        for ring in self.all() {
            let known = cursor.0.iter().position(|(known, _)| known.is(&ring));
            let at = known.unwrap_or(cursor.0.len());
            if known.is_none() {
                cursor.0.push((ring.clone(), 0));
            }
            let place = &mut cursor.0[at].1;
            let ring = ring.lock();
            events.extend(ring.since(*place).copied());
            missed += ring.forgotten().saturating_sub(*place);
            *place = ring.end();
        }
        events.sort_by_key(|event| event.at);
        (events, missed)
    }

    /// When the first event that is kept happened.
    pub(in crate::session) fn began(&self) -> Option<Time> {
        self.all().iter().filter_map(|ring| ring.lock().events().next().map(|event| event.at)).min()
    }

    /// Number of events so far, those that are kept no more included.
    pub(in crate::session) fn count(&self) -> u64 {
        self.all().iter().map(|ring| ring.lock().end()).sum()
    }

    /// Changes how many events each ring keeps.
    pub(in crate::session) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.all().iter().for_each(|ring| ring.lock().set_limit(limit));
    }
}
