//! What passed through a session over its life, and the path it took: samples at even steps, coarser the longer it lives.
//! [`super::Registry`] takes them while sessions are alive.

use std::collections::VecDeque;
use std::time::Duration;

use crate::net::Gauge;

/// How often samples are taken at first.
pub(super) const STEP: Duration = Duration::from_millis(100);
/// Samples that are kept: when there are more, every second one goes and the step doubles.
const LIMIT: usize = 256;
/// Steps that the rate now is measured over.
const RECENT: usize = 10;
/// Connections of one session that are asked: of a server with more, the newest.
const GAUGE_LIMIT: usize = 32;

/// Counts at one moment of a session's life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Since the session began.
    pub at: Duration,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// The mean of its connections, where they know.
    pub round_trip: Option<Duration>,
    /// Datagrams or segments that were sent again so far.
    pub retransmitted: u64,
    /// Packets that a link dropped so far.
    pub dropped: u64,
}

#[derive(Debug)]
struct Watched {
    gauge: Gauge,
    retransmitted: u64,
}

/// The samples of one session.
#[derive(Debug)]
pub(super) struct Meter {
    samples: Vec<Sample>,
    every: Duration,
    recent: VecDeque<Sample>,
    gauges: VecDeque<Watched>,
    retransmitted: u64,
    dropped: u64,
}

impl Meter {
    pub(super) const fn new() -> Self {
        Self {
            samples: Vec::new(),
            every: STEP,
            recent: VecDeque::new(),
            gauges: VecDeque::new(),
            retransmitted: 0,
            dropped: 0,
        }
    }

    /// What a link dropped so far.
    pub(super) const fn set_dropped(&mut self, count: u64) {
        self.dropped = count;
    }

    /// This connection is one of the session's, until it is gone.
    pub(super) fn watch(&mut self, gauge: Gauge) {
        if self.gauges.len() == GAUGE_LIMIT {
            self.gauges.pop_front();
        }
        self.gauges.push_back(Watched { gauge, retransmitted: 0 });
    }

    /// How it is now.
    pub(super) fn read(&mut self, at: Duration, bytes_in: u64, bytes_out: u64) -> Sample {
        let round_trip = self.look();
        let (retransmitted, dropped) = (self.retransmitted, self.dropped);
        Sample { at, bytes_in, bytes_out, round_trip, retransmitted, dropped }
    }

    /// Keeps how it is if it is time for that; the last of a session always.
    pub(super) fn take(&mut self, at: Duration, bytes_in: u64, bytes_out: u64, last: bool) {
        let sample = self.read(at, bytes_in, bytes_out);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
        if !last && self.samples.last().is_some_and(|before| at < before.at + self.every) {
            return;
        }
        self.samples.push(sample);
        if self.samples.len() > LIMIT {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// The mean round trip; what was sent again is added up.
    fn look(&mut self) -> Option<Duration> {
        let (mut sum, mut count) = (Duration::ZERO, 0u32);
        let retransmitted = &mut self.retransmitted;
        self.gauges.retain_mut(|watched| {
            let Some((path, goes_on)) = watched.gauge.read() else { return false };
            *retransmitted += path.retransmitted.saturating_sub(watched.retransmitted);
            watched.retransmitted = path.retransmitted;
            if !path.round_trip.is_zero() {
                (sum, count) = (sum + path.round_trip, count + 1);
            }
            goes_on
        });
        (count > 0).then(|| sum / count)
    }

    pub(super) const fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// Samples from the start on.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Bytes a second that came and that left within the last second.
    pub(super) fn rates(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else { return (0.0, 0.0) };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        (rate(last.bytes_in, first.bytes_in), rate(last.bytes_out, first.bytes_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(n: u32) -> Duration {
        STEP * n
    }

    #[test]
    fn a_long_life_is_kept_whole_in_few_samples() {
        let mut meter = Meter::new();
        for n in 0..100_000 {
            meter.take(step(n), u64::from(n) * 10, 0, false);
        }
        let samples = meter.samples();
        assert!(samples.len() <= LIMIT && samples.len() >= LIMIT / 2, "{}", samples.len());
        assert_eq!(samples[0].at, Duration::ZERO);
        assert!(samples.windows(2).all(|pair| pair[0].bytes_in < pair[1].bytes_in));
        let steps: Vec<_> = samples.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).collect();
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let mut meter = Meter::new();
        assert_eq!(meter.rates(), (0.0, 0.0));
        (0..50).for_each(|n| meter.take(step(n), u64::from(n) * 1000, 0, false));
        (50..100).for_each(|n| meter.take(step(n), 50_000, u64::from(n) * 100, false));
        let (came, left) = meter.rates();
        assert!(came < 1e-6 && (left - 1000.0).abs() < 1e-6, "{came} {left}");
    }

    #[test]
    fn the_last_sample_of_a_short_life_is_kept() {
        let mut meter = Meter::new();
        meter.take(Duration::ZERO, 0, 0, false);
        meter.take(Duration::from_millis(7), 70, 0, true);
        assert_eq!(meter.samples().len(), 2);
    }
}
