//! Spreads datagrams over time: a bucket that holds a burst. A burst makes up for coarse timers, and lets a group of
//! datagrams leave in one call; a long one would fill queues that a paced flow leaves empty.

use std::time::Duration;

use crate::base::Time;

/// Time whose datagrams may leave together, and datagrams that may in any case.
const BURST_TIME: Duration = Duration::from_millis(1);
const BURST_LEAST: usize = 10;
/// Most bytes that leave together.
const BURST_LIMIT: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Pace {
    datagram: usize,
    next_send: Time,
    /// What microseconds do not hold.
    fraction: f64,
    burst: usize,
}

impl Pace {
    pub(super) const fn new(datagram: usize) -> Self {
        Self { datagram, next_send: Time::ZERO, fraction: 0.0, burst: BURST_LEAST }
    }

    pub(super) const fn next_send(&self) -> Time {
        self.next_send
    }

    pub(super) const fn burst(&self) -> usize {
        self.burst
    }

    pub(super) fn on_sent(&mut self, now: Time, bytes: usize, rate: f64) {
        if rate <= 0.0 {
            return;
        }
        let least = (BURST_LEAST * self.datagram) as f64;
        let burst = (rate * BURST_TIME.as_secs_f64()).max(least).min((BURST_LIMIT as f64).max(least));
        self.burst = (burst / self.datagram as f64) as usize;
        let from = self.next_send.max(now - Duration::from_secs_f64(burst / rate));
        let micros = bytes as f64 / rate * 1e6 + self.fraction;
        self.fraction = micros.fract();
        self.next_send = from + Duration::from_micros(micros as u64);
    }
}
