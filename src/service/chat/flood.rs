//! How fast a client may speak (FAULTS row 83). Pure: time is an argument.

use std::time::{Duration, Instant};

/// Messages a second …
const RATE: f64 = 20.0;
/// … and so many at once before that holds.
const BURST: f64 = 50.0;
/// Who speaks faster is told so, but not for each message.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A bucket of messages that one client may still say.
#[derive(Debug)]
pub(super) struct Flood {
    left: f64,
    at: Instant,
    told: Option<Instant>,
}

/// What a client that speaks too fast has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slowed {
    pub(super) wait: Duration,
    /// It should hear why.
    pub(super) tell: bool,
}

impl Flood {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: BURST, at: now, told: None }
    }

    /// Counts a message; `Some`: nothing more is read from the client until then.
    pub(super) fn count(&mut self, now: Instant) -> Option<Slowed> {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * RATE;
        (self.left, self.at) = ((self.left + earned).min(BURST) - 1.0, now);
        if self.left >= 0.0 {
            return None;
        }
        let tell = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if tell {
            self.told = Some(now);
        }
        Some(Slowed { wait: Duration::from_secs_f64(-self.left / RATE), tell })
    }
}

/// What it is told.
pub(super) const TEXT: &str = "slow down: 20 messages a second are read from you";

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
}
