//! Reno (RFC 5681, RFC 6582) and CUBIC (RFC 9438): every loss is taken for congestion. They are here to be compared with.

use std::time::Duration;

use super::super::rtt::Rtt;
use super::INITIAL_PACKETS;
use crate::base::Time;

/// CUBIC's constants (RFC 9438, sections 4.1 and 4.6).
const C: f64 = 0.4;
const BETA_CUBIC: f64 = 0.7;
const BETA_RENO: f64 = 0.5;
/// Never fewer packets than this.
const LEAST: f64 = 2.0;
/// Paced a little faster than the window asks for, so that the window is the bound.
const PACE_GAIN: f64 = 1.25;
const PACE_GAIN_START: f64 = 2.0;

#[derive(Debug)]
struct Cubic {
    /// The window before the last loss, in packets.
    most: f64,
    /// When the curve began, and how long it takes back to `most`.
    began: Option<Time>,
    k: f64,
    /// What Reno would have by now.
    friendly: f64,
}

/// A window in packets that grows with acknowledgements and shrinks with losses.
#[derive(Debug)]
pub(super) struct Window {
    datagram: usize,
    packets: f64,
    threshold: f64,
    /// Losses of what was sent before this count as one.
    recovery: Time,
    cubic: Option<Cubic>,
}

impl Window {
    pub(super) const fn reno(datagram: usize) -> Self {
        Self {
            datagram,
            packets: INITIAL_PACKETS as f64,
            threshold: f64::INFINITY,
            recovery: Time::ZERO,
            cubic: None,
        }
    }

    pub(super) const fn cubic(datagram: usize) -> Self {
        let cubic = Cubic { most: 0.0, began: None, k: 0.0, friendly: 0.0 };
        Self { cubic: Some(cubic), ..Self::reno(datagram) }
    }

    pub(super) fn size(&self) -> usize {
        (self.packets * self.datagram as f64) as usize
    }

    pub(super) fn pace(&self, rtt: &Rtt) -> f64 {
        let gain = if self.packets < self.threshold { PACE_GAIN_START } else { PACE_GAIN };
        gain * self.packets * self.datagram as f64
            / rtt.smoothed().max(Duration::from_micros(50)).as_secs_f64()
    }

    pub(super) fn on_acked(&mut self, now: Time, bytes: usize, idle: bool, rtt: &Rtt) {
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

    pub(super) fn on_lost(&mut self, now: Time, sent: Time) {
        if sent < self.recovery {
            return;
        }
        self.recovery = now;
        let beta = if self.cubic.is_some() { BETA_CUBIC } else { BETA_RENO };
        if let Some(cubic) = &mut self.cubic {
            // Fast convergence: who shrinks twice in a row leaves room for a new flow.
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
