//! A network that loses, doubles and reorders datagrams, from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::base::Time;

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Server,
    Client,
}

/// What happens to datagrams, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) lost: u32,
    pub(super) doubled: u32,
    /// Each takes up to this much longer than the shortest.
    pub(super) jitter: Duration,
}

impl Faults {
    pub(super) const NONE: Self = Self { lost: 0, doubled: 0, jitter: Duration::ZERO };
    pub(super) const MANY: Self = Self { lost: 5, doubled: 5, jitter: Duration::from_millis(30) };
    pub(super) const TWICE: Self = Self { doubled: 100, ..Self::NONE };
}

/// The datagrams that are under way.
pub(super) struct Network {
    faults: Faults,
    random: Xoshiro256PlusPlus,
    /// By the time of arrival; those of one time in the order in which they were sent.
    under_way: BTreeMap<(Time, u64), (To, Vec<u8>)>,
    count: u64,
    /// Datagrams that were sent to each side.
    pub(super) sent: [u64; 2],
}

impl Network {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { faults, random, under_way: BTreeMap::new(), count: 0, sent: [0; 2] }
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    pub(super) fn send(&mut self, now: Time, to: To, datagram: &[u8]) {
        self.sent[to as usize] += 1;
        if self.chance(self.faults.lost) {
            return;
        }
        for _ in 0..=u32::from(self.chance(self.faults.doubled)) {
            let more = self.random.random_range(0..=self.faults.jitter.as_micros() as u64);
            let at = now + Duration::from_millis(5) + Duration::from_micros(more);
            self.count += 1;
            self.under_way.insert((at, self.count), (to, datagram.to_vec()));
        }
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Time> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next one, if it has arrived.
    pub(super) fn arrived(&mut self, now: Time) -> Option<(To, Vec<u8>)> {
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
