//! Round-trip time, after RFC 9002, section 5.

use std::time::Duration;

/// Assumed before the first sample.
pub const INITIAL_RTT: Duration = Duration::from_millis(100);
/// The finest time that timers are trusted with.
pub const GRANULARITY: Duration = Duration::from_millis(1);

/// Smoothed round-trip time and its variation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    latest: Duration,
    min: Duration,
}

impl Rtt {
    /// A sample; `delay` is how long the peer says that it held the acknowledgement.
    pub fn sample(&mut self, rtt: Duration, delay: Duration) {
        self.latest = rtt;
        let Some(smoothed) = self.smoothed else {
            (self.smoothed, self.variation, self.min) = (Some(rtt), rtt / 2, rtt);
            return;
        };
        self.min = self.min.min(rtt);
        let adjusted = rtt.checked_sub(delay).filter(|&adjusted| adjusted >= self.min).unwrap_or(rtt);
        self.variation = (self.variation * 3 + smoothed.abs_diff(adjusted)) / 4;
        self.smoothed = Some((smoothed * 7 + adjusted) / 8);
    }

    pub fn is_known(&self) -> bool {
        self.smoothed.is_some()
    }

    pub fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL_RTT)
    }

    pub fn min(&self) -> Duration {
        if self.is_known() { self.min } else { INITIAL_RTT }
    }

    /// A packet sent this long before a later one that was acknowledged is lost (section 6.1.2).
    pub fn loss_delay(&self) -> Duration {
        let delay = (self.smoothed().max(self.latest) * 9 / 8).max(GRANULARITY);
        // In whole microseconds, as `Time` counts: else a timer could fire just before its time, for ever.
        Duration::from_micros(delay.as_micros() as u64)
    }

    /// Probe timeout (section 6.2.1); `ack_delay` is how long the peer may hold an acknowledgement.
    pub fn probe_timeout(&self, ack_delay: Duration) -> Duration {
        let variation = if self.is_known() { self.variation * 4 } else { INITIAL_RTT };
        self.smoothed() + variation.max(GRANULARITY) + ack_delay
    }
}
