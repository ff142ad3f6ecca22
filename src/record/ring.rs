//! The last events of a session. What is older than the ring is forgotten, and counted.

use std::collections::VecDeque;

use super::PacketEvent;

/// Most events that a session keeps, unless it is told another number. A build with `NLS_WITHOUT_RECORD` set notes nothing:
/// benches/record.py compares it with this one.
pub const EVENT_LIMIT: usize = if option_env!("NLS_WITHOUT_RECORD").is_some() { 0 } else { 32 << 10 };

/// A bounded ring of events.
#[derive(Clone, Debug)]
pub struct Ring {
    events: VecDeque<PacketEvent>,
    limit: usize,
    forgotten: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new(EVENT_LIMIT)
    }
}

impl Ring {
    /// Keeps this number of events, at least one. Memory is taken as they come.
    pub const fn new(limit: usize) -> Self {
        Self { events: VecDeque::new(), limit: if limit == 0 { 1 } else { limit }, forgotten: 0 }
    }

    /// Adds an event; the oldest goes if the ring is full.
    pub fn push(&mut self, event: PacketEvent) {
        if self.events.len() >= self.limit {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back(event);
    }

    /// Moves all events of another ring to the end of this one.
    pub fn append(&mut self, other: &mut Self) {
        self.forgotten += std::mem::take(&mut other.forgotten);
        other.events.drain(..).for_each(|event| self.push(event));
    }

    /// The events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &PacketEvent> + ExactSizeIterator {
        self.events.iter()
    }

    /// Number of events so far, the forgotten ones included: the place in the whole record of the next one.
    pub fn end(&self) -> u64 {
        self.forgotten + self.events.len() as u64
    }

    /// The events from this place in the whole record on, as far as they are kept.
    pub fn since(&self, place: u64) -> impl Iterator<Item = &PacketEvent> {
        let skip = usize::try_from(place.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        self.events.range(skip.min(self.events.len())..)
    }

    /// Number of events that were dropped.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Changes how many are kept; the oldest go.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
        while self.events.len() > self.limit {
            self.events.pop_front();
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_go_and_are_counted() {
        let mut ring = Ring::new(3);
        (0..5).for_each(|number| ring.push(PacketEvent { number, ..PacketEvent::default() }));
        let numbers = |ring: &Ring| ring.events().map(|event| event.number).collect::<Vec<_>>();
        assert_eq!((numbers(&ring), ring.forgotten(), ring.end()), (vec![2, 3, 4], 2, 5));
        assert_eq!(ring.since(4).count(), 1);
        assert_eq!(ring.since(0).count(), 3);
        ring.set_limit(1);
        assert_eq!((numbers(&ring), ring.forgotten()), (vec![4], 4));
    }
}
