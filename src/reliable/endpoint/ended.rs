//! The ids of connections that are over.

use std::collections::{HashSet, VecDeque};

use crate::base::Time;
use crate::reliable::handshake;
use crate::wire::ConnectionId;

/// Ids of connections that ended, kept as long as their cookies are valid: otherwise a copy of their datagrams would
/// repeat the session (faults.md row 53).
#[derive(Debug, Default)]
pub(super) struct Ended {
    ids: HashSet<ConnectionId>,
    order: VecDeque<(Time, ConnectionId)>,
}

/// Most ids that are remembered; beyond that, the oldest is forgotten.
const ENDED_LIMIT: usize = 1 << 16;

impl Ended {
    pub(super) fn add(&mut self, id: ConnectionId, now: Time) {
        if self.order.len() >= ENDED_LIMIT
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back((now, id));
        self.ids.insert(id);
    }

    /// True if a connection with this id ended while its cookie may still be valid, which is in its period and the
    /// next.
    pub(super) fn has(&mut self, id: ConnectionId, now: Time) -> bool {
        while let Some(&(at, oldest)) = self.order.front()
            && now.since(at) >= handshake::COOKIE_PERIOD * 2
        {
            self.order.pop_front();
            self.ids.remove(&oldest);
        }
        self.ids.contains(&id)
    }

    /// True if the next one that ends pushes out one whose cookie may still be valid.
    pub(super) fn is_full(&self) -> bool {
        self.order.len() >= ENDED_LIMIT
    }
}
