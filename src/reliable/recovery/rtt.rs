//! Round-trip time, after RFC 9002, section 5.

use std::time::Duration;

use crate::base::Time;

/// Assumed before the first sample.
pub const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Timer granularity (kGranularity in RFC 9002).
pub const GRANULARITY: Duration = Duration::from_millis(1);

/// The shortest round trip is forgotten after one to two of these spans: a path may change.
const MIN_SPAN: Duration = Duration::from_secs(10);

/// Smoothed round-trip time and its variation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    latest: Duration,
    /// The shortest round trip of this span, and of the one before.
    min: Duration,
    min_before: Duration,
    span_at: Time,
}

impl Rtt {
    /// Takes a sample; `delay` is how long the peer reports that it delayed the ACK.
    pub fn sample(&mut self, now: Time, rtt: Duration, delay: Duration) {
        self.latest = rtt;
        let Some(smoothed) = self.smoothed else {
            (self.smoothed, self.variation) = (Some(rtt), rtt / 2);
            (self.min, self.min_before, self.span_at) = (rtt, rtt, now);
            return;
        };
        if now.since(self.span_at) >= MIN_SPAN {
            (self.min_before, self.min, self.span_at) = (self.min, rtt, now);
        }
        self.min = self.min.min(rtt);
        let adjusted = rtt.checked_sub(delay).filter(|&adjusted| adjusted >= self.min()).unwrap_or(rtt);
        self.latest = adjusted;
        self.variation = (self.variation * 3 + smoothed.abs_diff(adjusted)) / 4;
        self.smoothed = Some((smoothed * 7 + adjusted) / 8);
    }

    /// True after the first sample.
    pub fn is_known(&self) -> bool {
        self.smoothed.is_some()
    }

    /// Smoothed round-trip time; [`INITIAL_RTT`] before the first sample.
    pub fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL_RTT)
    }

    /// Shortest round trip of the last 10 to 20 s; [`INITIAL_RTT`] before the first sample.
    pub fn min(&self) -> Duration {
        if self.is_known() { self.min.min(self.min_before) } else { INITIAL_RTT }
    }

    /// Queueing delay of the newest sample: how far it is above the shortest round trip.
    pub fn queue(&self) -> Duration {
        self.latest.saturating_sub(self.min())
    }

    /// A packet sent this long ago, and before one that was acknowledged, is declared lost (section 6.1.2).
    pub fn loss_delay(&self) -> Duration {
        let delay = (self.smoothed().max(self.latest) * 9 / 8).max(GRANULARITY);
        // Whole microseconds, as `Time` has: with a fraction, a timer could fire just before its time, again and again.
        Duration::from_micros(delay.as_micros() as u64)
    }

    /// Probe timeout (section 6.2.1); `ack_delay` is how long the peer may delay an ACK.
    pub fn probe_timeout(&self, ack_delay: Duration) -> Duration {
        let variation = if self.is_known() { self.variation * 4 } else { INITIAL_RTT };
        self.smoothed() + variation.max(GRANULARITY) + ack_delay
    }
}
