//! Rate limit of a session: one limit for all its tasks, which may be changed while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shorter pauses are not worth a timer; they are added to the next pause.
const SHORTEST: Duration = Duration::from_millis(2);
/// Under a limit, data is sent in this many steps per second, …
const STEPS_A_SECOND: u64 = 100;
/// … unless such a step would be smaller than this many bytes: …
const SMALL: u64 = 1024;
/// … then in fewer, larger steps, but at least this many per second: a limit is kept within a few percent over two
/// seconds.
const LEAST_STEPS: u64 = 25;

/// A rate limit in bytes/s; 0 means none.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    rate: AtomicU64,
    /// When everything let through so far is within the limit.
    due: Mutex<Option<Instant>>,
}

impl RateLimiter {
    pub(crate) fn set(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
        // Data sent under the old limit does not delay data under the new one.
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|&rate| rate > 0)
    }

    /// Lets `bytes` through; returns until when the caller must wait before it sends them, or `None`.
    pub(crate) fn take(&self, bytes: u64, now: Instant) -> Option<Instant> {
        let rate = self.rate()?;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let start = due.unwrap_or(now).max(now);
        let cost = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        *due = Some(start + Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX / 2)));
        (start > now + SHORTEST).then_some(start)
    }

    /// When everything let through so far will be within the limit; `None` if it already is.
    pub(crate) fn owed(&self, now: Instant) -> Option<Instant> {
        self.rate()?;
        self.due.lock().unwrap_or_else(PoisonError::into_inner).filter(|due| *due > now + SHORTEST)
    }

    /// How many of `most` bytes to send in one step: whole chunks, or part of a chunk where a whole one would take
    /// long.
    pub(crate) fn step(&self, most: u64, chunk: u64) -> u64 {
        let Some(rate) = self.rate() else { return most };
        let step = (rate / STEPS_A_SECOND).max(SMALL.min(rate / LEAST_STEPS)).max(1);
        most.min(if step > chunk { step / chunk * chunk } else { step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept_over_time_and_shared_by_who_takes() {
        let (pacer, began) = (RateLimiter::default(), Instant::now());
        assert_eq!(pacer.take(1 << 40, began), None, "no limit");
        pacer.set(Some(1_000_000));
        let mut now = began;
        for _ in 0..1000 {
            now = pacer.take(10_000, now).unwrap_or(now).max(now);
        }
        let seconds = now.duration_since(began).as_secs_f64();
        assert!((9.9..10.1).contains(&seconds), "{seconds}");
        // Idle time gives no credit for a burst.
        now += Duration::from_mins(1);
        assert_eq!(pacer.take(1_000_000, now), None);
        assert_eq!(pacer.take(1, now), Some(now + Duration::from_secs(1)));
        pacer.set(Some(10));
        assert_eq!(pacer.take(1, now), None);
    }

    #[test]
    fn steps_are_whole_chunks_and_small_under_a_limit() {
        let pacer = RateLimiter::default();
        assert_eq!(pacer.step(1 << 20, 1024), 1 << 20);
        pacer.set(Some(1_000_000));
        assert_eq!(pacer.step(1 << 20, 1024), 9 * 1024);
        assert_eq!(pacer.step(1 << 20, 65_536), 10_000);
        assert_eq!(pacer.step(2000, 65_536), 2000);
        pacer.set(Some(5000));
        assert_eq!(
            pacer.step(1 << 20, 1 << 20),
            200,
            "no burst, and no silence of minutes between two steps"
        );
        pacer.set(Some(1));
        assert_eq!(pacer.step(1 << 20, 1 << 20), 1);
    }
}
