//! The pacer: a token bucket that spreads datagrams over time and holds a burst. A burst makes up for coarse timers,
//! and lets a group of datagrams be sent in one call; a long one would fill queues that a paced flow leaves empty.

use std::time::Duration;

use crate::base::Time;

/// Length of a burst, and the number of datagrams that it may have in any case.
const BURST_TIME: Duration = Duration::from_millis(1);
const BURST_LEAST: usize = 10;
/// Datagrams due within this time are sent together.
const GATHER_TIME: Duration = Duration::from_micros(500);
/// Most bytes in a burst.
const BURST_LIMIT: usize = 64 << 10;

/// When the next datagram may be sent, by the pacing rate.
#[derive(Debug)]
pub(super) struct Pacer {
    datagram: usize,
    next_send: Time,
    /// The part of a microsecond that `next_send` cannot hold.
    fraction: f64,
    /// Datagrams in a burst at the present rate.
    burst: usize,
    /// How long to wait beyond `next_send`, so that a few datagrams are sent together.
    gather: Duration,
}

impl Pacer {
    /// `datagram` is the size of a packet in bytes.
    pub(super) const fn new(datagram: usize) -> Self {
        Self { datagram, next_send: Time::ZERO, fraction: 0.0, burst: BURST_LEAST, gather: Duration::ZERO }
    }

    /// The earliest time of the next datagram.
    pub(super) const fn next_send(&self) -> Time {
        self.next_send
    }

    /// When to wake up for the next datagrams: on a fast flow, one system call for each would be slow.
    pub(super) fn next_look(&self) -> Time {
        self.next_send + self.gather
    }

    /// Datagrams that may be sent together.
    pub(super) const fn burst(&self) -> usize {
        self.burst
    }

    /// Counts `bytes` that were sent; `rate` is in bytes/s, and 0 means no pacing.
    pub(super) fn on_sent(&mut self, now: Time, bytes: usize, rate: f64) {
        if rate <= 0.0 {
            return;
        }
        let least = (BURST_LEAST * self.datagram) as f64;
        let burst = (rate * BURST_TIME.as_secs_f64()).max(least).min((BURST_LIMIT as f64).max(least));
        let half = Duration::from_secs_f64(burst / rate / 2.0);
        self.gather = if rate * GATHER_TIME.as_secs_f64() >= 2.0 * self.datagram as f64 {
            GATHER_TIME.min(half)
        } else {
            Duration::ZERO
        };
        self.burst = (burst / self.datagram as f64) as usize;
        let from = self.next_send.max(now - Duration::from_secs_f64(burst / rate));
        let micros = bytes as f64 / rate * 1e6 + self.fraction;
        self.fraction = micros.fract();
        self.next_send = from + Duration::from_micros(micros as u64);
    }
}
