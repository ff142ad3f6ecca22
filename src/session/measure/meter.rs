//! Traffic and path statistics of a session over its life: samples at equal steps, which get coarser the longer it
//! lives. [`super::Registry`] takes them while sessions are alive.

use std::collections::VecDeque;
use std::time::Duration;

use crate::net::PathStats;

/// Interval between samples; those that are kept for long get sparser.
pub(in crate::session) const STEP: Duration = Duration::from_millis(100);
/// Maximum number of samples kept: when there are more, every second one is removed and the step doubles.
const LIMIT: usize = 256;
/// The current rate is measured over this many steps.
const RECENT: usize = 10;
/// Connections of one session that are observed: the newest ones, if there are more.
const GAUGE_LIMIT: usize = 32;

/// The counts of a session at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Since the session began.
    pub at: Duration,
    /// Bytes received and sent so far.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// The mean over the connections that know theirs.
    pub round_trip: Option<Duration>,
    /// Datagrams or segments retransmitted so far.
    pub retransmitted: u64,
    /// Packets that a link dropped so far.
    pub dropped: u64,
}

#[derive(Debug)]
struct WatchedPath {
    gauge: PathStats,
    retransmitted: u64,
}

/// The samples of one session.
#[derive(Debug)]
pub(in crate::session) struct Meter {
    samples: Vec<Sample>,
    every: Duration,
    recent: VecDeque<Sample>,
    gauges: VecDeque<WatchedPath>,
    retransmitted: u64,
    /// Of a link.
    dropped: Option<u64>,
}

impl Meter {
    pub(in crate::session) const fn new() -> Self {
        Self {
            samples: Vec::new(),
            every: STEP,
            recent: VecDeque::new(),
            gauges: VecDeque::new(),
            retransmitted: 0,
            dropped: None,
        }
    }

    /// Sets the number of packets that a link dropped so far.
    pub(in crate::session) const fn set_dropped(&mut self, count: u64) {
        self.dropped = Some(count);
    }

    /// Adds a connection to those observed, until it is closed.
    pub(in crate::session) fn watch(&mut self, gauge: PathStats) {
        if self.gauges.len() == GAUGE_LIMIT {
            self.gauges.pop_front();
        }
        self.gauges.push_back(WatchedPath { gauge, retransmitted: 0 });
    }

    /// A sample of the current values.
    pub(in crate::session) fn read(&mut self, at: Duration, bytes_in: u64, bytes_out: u64) -> Sample {
        let round_trip = self.look();
        let (retransmitted, dropped) = (self.retransmitted, self.dropped.unwrap_or_default());
        Sample { at, bytes_in, bytes_out, round_trip, retransmitted, dropped }
    }

    /// Records a sample; it is kept for long only if the step has passed, or if it is the session's last.
    pub(in crate::session) fn take(&mut self, at: Duration, bytes_in: u64, bytes_out: u64, last: bool) {
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

    /// Reads all gauges: returns the mean round-trip time, and adds up retransmissions.
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

    pub(in crate::session) const fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// The samples since the start, oldest first.
    pub(in crate::session) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Receiving and sending rate over the last second, in bytes/s.
    pub(in crate::session) fn rates(&self) -> (f64, f64) {
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
