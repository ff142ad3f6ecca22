//! How fast a viewer is served: as the film is played, a little faster, with a burst at the start and after a jump.
//! Pure: the time is passed in.

use std::time::{Duration, Instant};

use crate::wire::stream::Tempo;

/// Sent so much faster than it is played: so the buffer grows, and a slow moment is caught up.
const FASTER: f64 = 1.2;
/// A burst is this much of the film, …
const BURST: Duration = Duration::from_secs(2);
/// … but at least so many bytes: the index of the container is among them.
const BURST_LEAST: f64 = (1 << 20) as f64;
/// Live, nothing is sent ahead but what a player needs to begin.
const LIVE_BURST: Duration = Duration::from_secs(2);
const LIVE_FASTER: f64 = 1.02;
/// Chunks of so much time leave together: with hundreds of viewers, waking for each costs more than the chunks do. On
/// the path the transport spreads them again.
const TOGETHER: Duration = Duration::from_millis(20);

/// A bucket that fills as the film is played.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes a second; `None`: as fast as the path takes it.
    rate: Option<f64>,
    burst: f64,
    /// Bytes that may be sent now; below 0, what was sent too early.
    left: f64,
    at: Instant,
}

impl Budget {
    /// For a file of `size` bytes that lasts `duration`.
    pub(super) fn new(tempo: Tempo, size: u64, duration: Option<Duration>, now: Instant) -> Self {
        let (faster, burst, least) = match tempo {
            Tempo::Live => (LIVE_FASTER, LIVE_BURST, 0.0),
            Tempo::Media | Tempo::Free => (FASTER, BURST, BURST_LEAST),
        };
        let media =
            duration.filter(|_| tempo != Tempo::Free).map(|duration| size as f64 / duration.as_secs_f64());
        let burst = media.map_or(0.0, |media| (media * burst.as_secs_f64()).max(least));
        Self { rate: media.map(|media| media * faster), burst, left: burst, at: now }
    }

    /// Until when to wait before the next chunk.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * rate).min(self.burst);
        self.at = now;
        if self.left >= 0.0 {
            return None;
        }
        let wait = Duration::from_secs_f64((-self.left / rate).clamp(0.0, 1e6));
        Some(now + wait + TOGETHER)
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.left -= bytes as f64;
    }

    /// The viewer looks elsewhere: there, the buffer is empty.
    pub(super) fn jump(&mut self) {
        self.left = self.burst;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that are let through in `seconds`.
    fn sent(budget: &mut Budget, began: Instant, seconds: u64) -> u64 {
        let (mut now, mut bytes) = (began, 0);
        while now < began + Duration::from_secs(seconds) {
            match budget.due(now) {
                Some(at) => now = at,
                None => {
                    budget.spend(1500);
                    bytes += 1500;
                    if bytes > 1 << 32 {
                        break;
                    }
                }
            }
        }
        bytes
    }

    #[test]
    fn a_burst_then_a_little_faster_than_it_is_played_and_a_burst_after_a_jump() {
        let (now, size) = (Instant::now(), 60_000_000);
        let mut budget = Budget::new(Tempo::Media, size, Some(Duration::from_mins(1)), now);
        let first = sent(&mut budget, now, 10);
        assert!((13_900_000..14_100_000).contains(&first), "2 s ahead, and 10 s at 1.2 MB/s: {first}");
        budget.jump();
        let second = sent(&mut budget, now + Duration::from_secs(10), 1);
        assert!((3_100_000..3_300_000).contains(&second), "{second}");
    }

    #[test]
    fn whose_length_nobody_knows_or_who_only_downloads_waits_for_nothing() {
        let now = Instant::now();
        for (tempo, duration) in [(Tempo::Media, None), (Tempo::Free, Some(Duration::from_mins(1)))] {
            assert!(sent(&mut Budget::new(tempo, 1 << 20, duration, now), now, 1) > 1 << 32);
        }
    }

    #[test]
    fn live_sends_nothing_ahead_of_time() {
        let now = Instant::now();
        let mut budget = Budget::new(Tempo::Live, 60_000_000, Some(Duration::from_mins(1)), now);
        let bytes = sent(&mut budget, now, 20);
        assert!((22_000_000..22_600_000).contains(&bytes), "{bytes}");
    }
}
