//! Rate limit for the messages of a client, a token bucket (faults.md row 83). Pure: the time is an argument.

use std::time::{Duration, Instant};

/// Sustained rate, in messages per second.
const RATE: f64 = 20.0;
/// Size of the bucket: messages accepted in a burst before the rate applies.
const BURST: f64 = 50.0;
/// Minimum interval between two notices to a client that exceeds the rate.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The token bucket of one client.
#[derive(Debug)]
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

    /// Counts a message; `Some` if the client exceeds the rate.
    pub(crate) fn count(&mut self, now: Instant) -> Option<Slowed> {
        self.earn(now);
        self.left -= 1.0;
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
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        self.earn(now);
        let admits = self.left >= 1.0;
        if admits {
            self.left -= 1.0;
        }
        admits
    }

    fn earn(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * RATE;
        (self.left, self.at) = ((self.left + earned).min(BURST), now);
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
        assert!((0..50).all(|_| flood.count(start).is_none()));
        let (mut now, mut passed, mut told) = (start, 50, 0);
        while now < start + Duration::from_secs(10) {
            let slowed = flood.count(now).unwrap_or(Slowed { wait: Duration::ZERO, tell: false });
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
        assert_eq!((0..1000).filter(|_| flood.admits(start)).count(), 50);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| flood.admits(later)).count(), 20);
    }
}
