//! Rate limit for the messages of a client, a token bucket (faults.md row 83). Pure: the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sustained rate, in messages per second.
const RATE: f64 = 20.0;
/// Size of the bucket: messages accepted in a burst before the rate applies.
const BURST: f64 = 50.0;
/// With less than this left, a client has said much.
const SPENT: f64 = 0.8 * BURST;
/// A longer message counts as several, one for each so many bytes that were begun: what all others receive of it is long.
const BYTES: u64 = 512;
/// Minimum interval between two notices to a client that exceeds the rate.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The token bucket of one client.
#[derive(Clone, Debug)]
pub(crate) struct Flood {
    left: f64,
    at: Instant,
    told: Option<Instant>,
}

/// How a client that exceeds the rate is slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slowed {
    /// Nothing is read from the client for this long.
    pub(crate) wait: Duration,
    /// True if the client is to be told why.
    pub(crate) tell: bool,
}

impl Flood {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { left: BURST, at: now, told: None }
    }

    /// Counts a message of so many bytes; `Some` if the client exceeds the rate.
    pub(crate) fn count(&mut self, now: Instant, bytes: u64) -> Option<Slowed> {
        self.earn(now);
        self.left -= cost(bytes);
        if self.left >= 0.0 {
            return None;
        }
        let tell = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if tell {
            self.told = Some(now);
        }
        Some(Slowed { wait: Duration::from_secs_f64(-self.left / RATE), tell })
    }

    /// Counts a message if it is within the rate; one that is not is refused. For a client that cannot be made to wait,
    /// because each message comes on a connection of its own.
    pub(crate) fn admits(&mut self, now: Instant, bytes: u64) -> bool {
        self.earn(now);
        let admits = self.left >= cost(bytes);
        if admits {
            self.left -= cost(bytes);
        }
        admits
    }

    /// True if the client has said much of late, or is about to say much at once.
    pub(crate) fn is_much(&mut self, now: Instant, bytes: u64) -> bool {
        self.earn(now);
        self.left < SPENT || cost(bytes) > 1.0
    }

    fn earn(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * RATE;
        (self.left, self.at) = ((self.left + earned).min(BURST), now);
    }
}

fn cost(bytes: u64) -> f64 {
    bytes.div_ceil(BYTES).max(1) as f64
}

/// The buckets of those who have left, by address: whoever comes again from there goes on with one, so that nobody is
/// faster by leaving.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<HashMap<IpAddr, Vec<Flood>>>);

impl Buckets {
    /// A bucket for a client that comes: the emptiest that was left, or a full one.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Flood {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = left.get_mut(&address.to_canonical());
        let emptiest = mine.and_then(|mine| {
            let at = (0..mine.len()).min_by(|a, b| mine[*a].left.total_cmp(&mine[*b].left))?;
            Some(mine.swap_remove(at))
        });
        let mut flood = emptiest.unwrap_or_else(|| Flood::new(now));
        flood.earn(now);
        flood
    }

    /// Keeps the bucket of a client that leaves, until it would be full again.
    pub(crate) fn keep(&self, address: IpAddr, flood: Flood, now: Instant) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|_, floods| {
            floods.iter_mut().for_each(|flood| flood.earn(now));
            floods.retain(|flood| flood.left < BURST);
            !floods.is_empty()
        });
        left.entry(address.to_canonical()).or_default().push(flood);
    }
}

/// Notice to a client that is slowed down.
pub(crate) const TEXT: &str = "slow down: at most 20 messages per second are accepted from you";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_83_a_burst_passes_and_then_twenty_a_second() {
        let start = Instant::now();
        let mut flood = Flood::new(start);
        assert!((0..50).all(|_| flood.count(start, 512).is_none()));
        let (mut now, mut passed, mut told) = (start, 50, 0);
        while now < start + Duration::from_secs(10) {
            let slowed = flood.count(now, 1).unwrap_or(Slowed { wait: Duration::ZERO, tell: false });
            now += slowed.wait;
            told += u32::from(slowed.tell);
            passed += 1;
        }
        assert!((240..=260).contains(&passed) && told == 2, "{passed} {told}");
    }

    #[test]
    fn row_83_who_cannot_be_made_to_wait_is_refused_and_that_costs_nothing() {
        let start = Instant::now();
        let mut flood = Flood::new(start);
        assert_eq!((0..1000).filter(|_| flood.admits(start, 1)).count(), 50);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| flood.admits(later, 1)).count(), 20);
    }

    #[test]
    fn row_83_a_long_message_counts_as_several() {
        let start = Instant::now();
        let mut flood = Flood::new(start);
        assert_eq!((0..1000).filter(|_| flood.admits(start, 4096)).count(), 6);
        assert!(flood.count(start, 1024).is_none() && flood.count(start, 1).is_some());
    }

    #[test]
    fn row_83_nobody_is_faster_by_leaving_and_coming_again() {
        let (start, buckets) = (Instant::now(), Buckets::default());
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut passed = 0;
        for _ in 0..10 {
            let mut flood = buckets.take(here, start);
            while flood.count(start, 1).is_none() {
                passed += 1;
            }
            buckets.keep(here, flood, start);
        }
        assert_eq!(passed, 50);
        assert!(buckets.take(there, start).count(start, 25_600).is_none(), "others have their own");
        // Several of one address, of which one has said much.
        let (mut loud, mut calm) = (buckets.take(here, start), buckets.take(here, start));
        assert!(loud.count(start, 1).is_some() && calm.count(start, 1).is_none());
        buckets.keep(here, calm, start);
        buckets.keep(here, loud, start);
        let later = start + Duration::from_secs(1);
        let (first, second) = (buckets.take(here, later), buckets.take(here, later));
        assert!((8.5..9.5).contains(&first.left), "what it owed is paid, and 20 a second come: {first:?}");
        assert!(second.left > 49.5, "{second:?}");
        buckets.keep(here, Flood::new(later), later);
        buckets.keep(there, Flood::new(later), later);
        assert_eq!(buckets.0.lock().unwrap().len(), 1, "full ones are not kept");
    }
}
