//! Reno (RFC 5681, RFC 6582) and CUBIC (RFC 9438), which take every loss for congestion; offered for comparison with
//! the default.

use std::time::Duration;

use super::controller::{Controller, Delivery, INITIAL_PACKETS, ProbePhase};
use crate::base::Time;
use crate::reliable::recovery::rtt::Rtt;

/// CUBIC's constants (RFC 9438, sections 4.1 and 4.6).
const C: f64 = 0.4;
const BETA_CUBIC: f64 = 0.7;
const BETA_RENO: f64 = 0.5;
/// The smallest window, in packets.
const LEAST: f64 = 2.0;
/// Pacing rate relative to the window for each round trip, so that the window is the limit; the second is that of slow
/// start.
const PACE_GAIN: f64 = 1.25;
const PACE_GAIN_START: f64 = 2.0;

#[derive(Debug)]
struct Cubic {
    /// The window before the last loss, in packets (W_max).
    most: f64,
    /// When the curve began, and after how many seconds it reaches `most` again (K).
    began: Option<Time>,
    k: f64,
    /// The window that Reno would have by now, in packets (W_est).
    friendly: f64,
}

/// A window in packets that grows with acknowledgements and shrinks with losses.
#[derive(Debug)]
pub(super) struct Window {
    datagram: usize,
    packets: f64,
    /// The slow-start threshold, in packets.
    threshold: f64,
    /// A loss of a packet sent before this time belongs to a congestion event that was already handled.
    recovery: Time,
    cubic: Option<Cubic>,
}

impl Controller for Window {
    fn on_lost(&mut self, now: Time, _: ProbePhase, sent: Time) {
        self.shrink(now, sent);
    }

    fn on_marked(&mut self, now: Time, sent: Time) {
        self.shrink(now, sent);
    }

    fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        self.grow(now, delivery.acked as usize, delivery.idle, rtt);
    }

    fn window(&self, _: &Rtt) -> usize {
        (self.packets * self.datagram as f64) as usize
    }

    fn rate(&self, rtt: &Rtt) -> f64 {
        let gain = if self.packets < self.threshold { PACE_GAIN_START } else { PACE_GAIN };
        gain * self.packets * self.datagram as f64
            / rtt.smoothed().max(Duration::from_micros(50)).as_secs_f64()
    }
}

impl Window {
    /// A Reno window; `datagram` is the size of a packet in bytes.
    pub(super) const fn reno(datagram: usize) -> Self {
        Self {
            datagram,
            packets: INITIAL_PACKETS as f64,
            threshold: f64::INFINITY,
            recovery: Time::ZERO,
            cubic: None,
        }
    }

    /// A CUBIC window; `datagram` is the size of a packet in bytes.
    pub(super) const fn cubic(datagram: usize) -> Self {
        let cubic = Cubic { most: 0.0, began: None, k: 0.0, friendly: 0.0 };
        Self { cubic: Some(cubic), ..Self::reno(datagram) }
    }

    /// Grows the window by `bytes` that were acknowledged; not if the sender was `idle`, limited by the application.
    fn grow(&mut self, now: Time, bytes: usize, idle: bool, rtt: &Rtt) {
        if idle {
            return;
        }
        let acked = bytes as f64 / self.datagram as f64;
        if self.packets < self.threshold {
            self.packets += acked;
            return;
        }
        let Some(cubic) = &mut self.cubic else {
            self.packets += acked / self.packets;
            return;
        };
        let began = *cubic.began.get_or_insert(now);
        let elapsed = now.since(began) + rtt.min();
        let target = C * (elapsed.as_secs_f64() - cubic.k).powi(3) + cubic.most;
        let alpha = 3.0 * (1.0 - BETA_CUBIC) / (1.0 + BETA_CUBIC);
        cubic.friendly += alpha * acked / self.packets;
        let wanted = target.clamp(self.packets, self.packets * 1.5);
        self.packets = (self.packets + (wanted - self.packets) / self.packets * acked).max(cubic.friendly);
    }

    /// Shrinks the window for a loss or an ECN mark, once for each congestion event; `sent` is when the packet was
    /// sent.
    fn shrink(&mut self, now: Time, sent: Time) {
        if sent < self.recovery {
            return;
        }
        self.recovery = now;
        let beta = if self.cubic.is_some() { BETA_CUBIC } else { BETA_RENO };
        if let Some(cubic) = &mut self.cubic {
            // Fast convergence: a flow that shrinks twice in a row leaves room for a new one.
            cubic.most =
                if self.packets < cubic.most { self.packets * (1.0 + beta) / 2.0 } else { self.packets };
            cubic.k = (cubic.most * (1.0 - beta) / C).cbrt();
            cubic.began = None;
            cubic.friendly = self.packets * beta;
        }
        self.packets = (self.packets * beta).max(LEAST);
        self.threshold = self.packets;
    }
}
