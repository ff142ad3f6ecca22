//! Spreads datagrams over time: a bucket that holds a burst. A burst makes up for coarse timers, and lets a group of
//! datagrams leave in one call; a long one would fill queues that a paced flow leaves empty.

use std::time::Duration;

use crate::base::Time;

/// Time whose datagrams may leave together, and datagrams that may in any case.
const BURST_TIME: Duration = Duration::from_millis(1);
const BURST_LEAST: usize = 10;
/// Datagrams that leave within this time leave together.
const GATHER_TIME: Duration = Duration::from_micros(500);
/// Most bytes that leave together.
const BURST_LIMIT: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Pace {
    datagram: usize,
    next_send: Time,
    /// What microseconds do not hold.
    fraction: f64,
    burst: usize,
    /// How long to wait beyond `next_send`, so that a few leave together.
    gather: Duration,
}

impl Pace {
    pub(super) const fn new(datagram: usize) -> Self {
        Self { datagram, next_send: Time::ZERO, fraction: 0.0, burst: BURST_LEAST, gather: Duration::ZERO }
    }

    pub(super) const fn next_send(&self) -> Time {
        self.next_send
    }

    /// When to look again: one call of the system for each datagram of a fast flow would be slow.
    pub(super) fn next_look(&self) -> Time {
        self.next_send + self.gather
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
