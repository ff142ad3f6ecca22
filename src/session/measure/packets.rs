//! The records of a session's packets: one ring of its own, and one of each UDP socket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::net::Connection;
use crate::net::connection::record::SharedRing;
use crate::record::PacketEvent;

/// Sockets of one session whose packets are looked at: the newest ones, if there are more.
const RING_LIMIT: usize = 16;

/// All rings of a session.
#[derive(Debug, Default)]
pub(in crate::session) struct Packets {
    own: OnceLock<SharedRing>,
    of_sockets: Mutex<VecDeque<SharedRing>>,
    /// The next number of a TCP connection, from 1.
    flows: AtomicU64,
}

impl Packets {
    /// The ring of the session itself.
    pub(in crate::session) fn own(&self) -> SharedRing {
        self.own.get_or_init(SharedRing::default).clone()
    }

    /// From now on, the packets of a connection are among those of the session.
    pub(in crate::session) fn watch(&self, connection: &mut Connection) {
        let flow = self.flows.fetch_add(1, Ordering::Relaxed) + 1;
        let own = self.own();
        let ring = connection.note_into(&own, flow);
        if ring.is(&own) {
            return;
        }
        let mut rings = self.of_sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.iter().any(|known| known.is(&ring)) {
            return;
        }
        if rings.len() == RING_LIMIT {
            rings.pop_front();
        }
        rings.push_back(ring);
    }

    fn all(&self) -> Vec<SharedRing> {
        let rings = self.of_sockets.lock().unwrap_or_else(PoisonError::into_inner);
        self.own.get().into_iter().chain(rings.iter()).cloned().collect()
    }

    /// All events that are kept, by time, and how many are kept no more.
    pub(in crate::session) fn events(&self) -> (Vec<PacketEvent>, u64) {
        let (mut events, mut forgotten) = (Vec::new(), 0);
        for ring in self.all() {
            let ring = ring.lock();
            events.extend(ring.events().copied());
            forgotten += ring.forgotten();
        }
        events.sort_by_key(|event| event.at);
        (events, forgotten)
    }

    /// Number of events so far, those that are kept no more included.
    pub(in crate::session) fn count(&self) -> u64 {
        self.all().iter().map(|ring| ring.lock().end()).sum()
    }

    /// Changes how many events each ring keeps.
    pub(in crate::session) fn set_limit(&self, limit: usize) {
        self.all().iter().for_each(|ring| ring.lock().set_limit(limit));
    }
}
