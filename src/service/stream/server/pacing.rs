//! Pacing of the data for a viewer: slightly faster than the film is played, with a burst at the start and after a
//! jump. Pure: the time is passed in.

use std::time::{Duration, Instant};

use crate::service::stream::protocol::Tempo;

/// Sending rate as a multiple of the playing rate: above 1, so that the buffer grows and a slow moment is made up for.
const FASTER: f64 = 1.2;
/// Duration of film in a burst, …
const BURST: Duration = Duration::from_secs(2);
/// … but at least this many bytes: the index of the container is among them.
const BURST_LEAST: f64 = (1 << 20) as f64;
/// Live: a burst is only what a player needs to begin.
const LIVE_BURST: Duration = Duration::from_secs(2);
/// Live: sending rate as a multiple of the playing rate.
const LIVE_FASTER: f64 = 1.02;
/// Live: data that is overdue by more than this, beyond the burst, is too late to be sent.
const LIVE_BEHIND: Duration = Duration::from_secs(1);
/// Chunks of this duration are sent together: with hundreds of viewers, a wake-up for each chunk costs more than the
/// chunk does. The transport paces them again on the path.
const TOGETHER: Duration = Duration::from_millis(20);

/// A token bucket that fills at the rate of the film.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes/s; `None`: as fast as the path allows.
    rate: Option<f64>,
    burst: f64,
    /// Bytes that may be sent now; negative: bytes that were sent too early.
    left: f64,
    /// Bytes that should have been sent and were not, beyond the burst: the path is too slow for them.
    behind: f64,
    is_live: bool,
    at: Instant,
}

impl Budget {
    /// For a file of `size` bytes that lasts `duration`.
    pub(crate) fn new(tempo: Tempo, size: u64, duration: Option<Duration>, now: Instant) -> Self {
        let (faster, burst, least) = match tempo {
            Tempo::Live => (LIVE_FASTER, LIVE_BURST, 0.0),
            Tempo::Media | Tempo::Free => (FASTER, BURST, BURST_LEAST),
        };
        let media =
            duration.filter(|_| tempo != Tempo::Free).map(|duration| size as f64 / duration.as_secs_f64());
        let burst = media.map_or(0.0, |media| (media * burst.as_secs_f64()).max(least));
        let rate = media.map(|media| media * faster);
        Self { rate, burst, left: burst, behind: 0.0, is_live: tempo == Tempo::Live, at: now }
    }

    /// When the next chunk may be sent; `None`: now.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        self.fill(rate, now);
        if self.left >= 0.0 {
            return None;
        }
        let wait = Duration::from_secs_f64((-self.left / rate).clamp(0.0, 1e6));
        Some(now + wait + TOGETHER)
    }

    fn fill(&mut self, rate: f64, now: Instant) {
        self.left += now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.behind += (self.left - self.burst).max(0.0);
        self.left = self.left.min(self.burst);
        self.at = now;
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        self.left -= bytes as f64;
    }

    /// After a jump the viewer's buffer is empty: a burst may be sent again.
    pub(crate) fn jump(&mut self) {
        (self.left, self.behind) = (self.burst, 0.0);
    }

    /// Nothing was wanted until `now`, so nothing is overdue.
    pub(crate) fn rest(&mut self, now: Instant) {
        self.fill(self.rate.unwrap_or(0.0), now);
        self.behind = 0.0;
    }

    /// Live: bytes that would come too late, and are better left out; `None` if there are none.
    pub(crate) fn too_late(&self) -> Option<u64> {
        let limit = self.rate? * LIVE_BEHIND.as_secs_f64();
        (self.is_live && self.behind > limit).then_some(self.behind as u64)
    }

    /// Notes bytes that were left out: more than were late, if the next keyframe was farther.
    pub(crate) fn skipped(&mut self, bytes: u64) {
        self.behind -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that may be sent in `seconds`.
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
    fn row_77_live_knows_what_a_slow_path_makes_too_late() {
        let (began, size) = (Instant::now(), 60_000_000);
        let late = |tempo, bytes_each_tenth: u64| {
            let mut budget = Budget::new(tempo, size, Some(Duration::from_mins(1)), began);
            let (mut skipped, mut most) = (0, 0);
            for tenth in 1..300u32 {
                if budget.due(began + Duration::from_millis(100) * tenth).is_none() {
                    budget.spend(bytes_each_tenth);
                }
                if let Some(bytes) = budget.too_late() {
                    most = most.max(bytes);
                    budget.skipped(bytes);
                    skipped += bytes;
                }
            }
            (skipped, most)
        };
        assert_eq!(late(Tempo::Live, 110_000), (0, 0), "the path takes more than the film needs");
        let (skipped, most) = late(Tempo::Live, 50_000);
        assert!((13_500_000..15_600_000).contains(&skipped), "half of 30 s of 1 MB: {skipped}");
        assert!((1_000_000..1_200_000).contains(&most), "one second at a time: {most}");
        assert_eq!(late(Tempo::Media, 50_000), (0, 0), "who is not live waits");
    }

    #[test]
    fn live_sends_nothing_ahead_of_time() {
        let now = Instant::now();
        let mut budget = Budget::new(Tempo::Live, 60_000_000, Some(Duration::from_mins(1)), now);
        let bytes = sent(&mut budget, now, 20);
        assert!((22_000_000..22_600_000).contains(&bytes), "{bytes}");
    }
}
