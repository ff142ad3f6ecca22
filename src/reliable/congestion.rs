//! How much may be in flight, and how fast it may leave.
//!
//! A model of the path in the manner of BBR: the highest delivery rate of the last rounds, the lowest round
//! trip, and the share of packets that the path loses at random. It paces at `gain × delivered / (1 − p)`, so
//! that random loss costs what it must and no more, and lets go when the queue grows instead of when a packet
//! is lost. `gain` follows the phases of BBR (Cardwell et al., 2016): start-up until the rate stops growing, a
//! drain, then cycles of a little more and a little less.

use std::collections::VecDeque;
use std::time::Duration;

use super::rtt::Rtt;
use crate::base::Time;

/// Packets in flight before anything is known (RFC 6928).
const INITIAL_PACKETS: usize = 10;
/// Never fewer: small enough for a slow path, large enough for loss detection to see later packets.
const MIN_PACKETS: usize = 8;
/// Rounds over which the highest delivery rate is remembered.
const RATE_ROUNDS: u64 = 10;
/// Start-up ends when the rate grew by less than this in [`STARTUP_ROUNDS`] rounds.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
const STARTUP_GAIN: f64 = 2.77;
const CYCLE: [f64; 8] = [1.25, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// More loss than this is never taken as the path's own.
const RANDOM_LOSS_LIMIT: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Startup,
    Drain,
    Steady,
}

/// What an acknowledgement says about the path.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Bytes delivered between the sending of the packet and now.
    pub bytes: u64,
    pub interval: Duration,
    /// All that was delivered before the packet left: tells rounds apart.
    pub delivered_before: u64,
    /// All that is delivered now.
    pub delivered: u64,
    /// The sender had nothing to send: the rate is the application's, not the path's.
    pub idle: bool,
}

/// The model and what follows from it.
#[derive(Debug)]
pub struct Congestion {
    datagram: usize,
    phase: Phase,
    round: u64,
    round_ends_at: u64,
    /// (round, bytes per second), highest first.
    rates: VecDeque<(u64, f64)>,
    best_rate: f64,
    stale_rounds: u32,
    cycle: usize,
    cycle_at: Time,
    /// Packets acknowledged and lost, with old ones fading.
    kept: f64,
    lost: f64,
    next_send: Time,
}

impl Congestion {
    pub fn new(datagram: usize) -> Self {
        Self {
            datagram,
            phase: Phase::Startup,
            round: 0,
            round_ends_at: 0,
            rates: VecDeque::new(),
            best_rate: 0.0,
            stale_rounds: 0,
            cycle: 2,
            cycle_at: Time::ZERO,
            kept: 0.0,
            lost: 0.0,
            next_send: Time::ZERO,
        }
    }

    /// The newest packet that an acknowledgement covers.
    pub fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        if delivery.delivered_before >= self.round_ends_at {
            self.round += 1;
            self.round_ends_at = delivery.delivered;
            self.end_round(rtt);
        }
        if !delivery.interval.is_zero() {
            let rate = delivery.bytes as f64 / delivery.interval.as_secs_f64();
            if !delivery.idle || rate > self.rate() {
                self.remember(rate);
            }
        }
        if self.phase == Phase::Steady && now.since(self.cycle_at) >= rtt.min() {
            self.cycle = (self.cycle + 1) % CYCLE.len();
            self.cycle_at = now;
        }
    }

    fn remember(&mut self, rate: f64) {
        while self.rates.back().is_some_and(|(_, r)| *r <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
        while self.rates.front().is_some_and(|(round, _)| round + RATE_ROUNDS < self.round) {
            self.rates.pop_front();
        }
    }

    fn end_round(&mut self, rtt: &Rtt) {
        self.kept *= 0.95;
        self.lost *= 0.95;
        match self.phase {
            Phase::Startup => {
                if self.rate() >= self.best_rate * STARTUP_GROWTH {
                    (self.best_rate, self.stale_rounds) = (self.rate(), 0);
                } else {
                    self.stale_rounds += 1;
                }
                let queue_is_long =
                    self.round > 3 && rtt.smoothed() > rtt.min() * 2 + Duration::from_millis(5);
                if self.stale_rounds >= STARTUP_ROUNDS || queue_is_long {
                    self.phase = Phase::Drain;
                }
            }
            Phase::Drain => self.phase = Phase::Steady,
            Phase::Steady => {}
        }
    }

    pub fn on_acked(&mut self, packets: usize) {
        self.kept += packets as f64;
    }

    pub fn on_lost(&mut self, packets: usize) {
        self.lost += packets as f64;
    }

    /// The share of packets that the path loses.
    pub fn loss(&self) -> f64 {
        let all = self.kept + self.lost;
        if all < 50.0 { 0.0 } else { (self.lost / all).min(RANDOM_LOSS_LIMIT) }
    }

    /// Bytes a second that the path delivered at best; 0 before the first sample.
    fn rate(&self) -> f64 {
        self.rates.front().map_or(0.0, |(_, rate)| *rate)
    }

    fn gain(&self, rtt: &Rtt) -> f64 {
        let queue = rtt.smoothed().saturating_sub(rtt.min());
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => 1.0 / STARTUP_GAIN,
            // A queue that stands is ours to empty.
            Phase::Steady if queue > (rtt.min() / 4).max(Duration::from_millis(5)) => {
                CYCLE[self.cycle].min(0.85)
            }
            Phase::Steady => CYCLE[self.cycle],
        }
    }

    /// Bytes that may be in flight.
    pub fn window(&self, rtt: &Rtt) -> usize {
        let rate = self.rate();
        if rate == 0.0 {
            return INITIAL_PACKETS * self.datagram;
        }
        let product = rate * (rtt.min() + Duration::from_millis(2)).as_secs_f64() / (1.0 - self.loss());
        let gain = if self.phase == Phase::Startup { STARTUP_GAIN } else { 2.0 };
        (product * gain) as usize + MIN_PACKETS * self.datagram
    }

    /// When the next datagram may leave.
    pub fn next_send(&self) -> Time {
        self.next_send
    }

    /// Counts a datagram against the pace. A burst of two milliseconds makes up for coarse timers.
    pub fn on_sent(&mut self, now: Time, bytes: usize, rtt: &Rtt) {
        let rate = self.rate() * self.gain(rtt) / (1.0 - self.loss());
        if rate <= 0.0 {
            return;
        }
        let burst = Duration::from_millis(2).max(Duration::from_secs_f64((10 * self.datagram) as f64 / rate));
        let from = self.next_send.max(now - burst);
        self.next_send = from + Duration::from_secs_f64(bytes as f64 / rate);
    }
}
