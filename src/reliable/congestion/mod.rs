//! Congestion control: how much may be in flight, and how fast it may be sent.
//!
//! | file | what |
//! |---|---|
//! | `auto` | the default: a model of the path, paced at what it delivers, corrected for random loss |
//! | `samples` | … counts what was acknowledged and lost in each of its phases |
//! | `window` | CUBIC and Reno, for comparison |
//! | `pace` | the pacer: spreads datagrams over time |

mod auto;
mod pace;
mod samples;
mod window;

use std::time::Duration;

use super::rtt::Rtt;
use crate::base::Time;
use auto::Auto;
use pace::Pace;
use window::Window;

/// Packets in flight before anything is known (RFC 6928) …
const INITIAL_PACKETS: usize = 10;
/// … and if the handshake has measured the round trip, over half of which these packets are spread.
const INITIAL_PACED: usize = 48;
/// The smallest window, in packets: small enough for a slow path, large enough for loss detection to see later packets.
const MIN_PACKETS: usize = 8;

/// The congestion control of a connection, as named by `cc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// A model of the path that tells random loss from congestion.
    #[default]
    Auto,
    /// RFC 9438.
    Cubic,
    /// RFC 5681 and RFC 6582.
    Reno,
    /// This rate in bytes/s, whatever is lost.
    Fixed(u64),
}

/// The number of the phase of the model in which a datagram was sent; its loss or acknowledgement is counted there.
pub type Epoch = u64;

/// What one ACK tells about the path.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Bytes that it newly acknowledged.
    pub acked: u64,
    /// Bytes delivered on the connection when the newest acknowledged packet was sent: tells rounds apart.
    pub delivered_before: u64,
    /// Bytes delivered on the connection by now.
    pub delivered: u64,
    /// True if the sender had nothing more to send: the rate is limited by the application, not by the path.
    pub idle: bool,
    /// Bytes still in flight.
    pub in_flight: usize,
}

#[derive(Debug)]
enum Rule {
    Auto(Box<Auto>),
    Window(Window),
    Fixed,
}

/// A congestion control and its pacer.
#[derive(Debug)]
pub struct Congestion {
    datagram: usize,
    rule: Rule,
    pace: Pace,
    fixed: Option<f64>,
}

impl Congestion {
    /// `datagram` is the size of a packet in bytes; `seed` staggers the probe cycles of connections that begin
    /// together.
    pub fn new(control: Control, datagram: usize, seed: u64) -> Self {
        let rule = match control {
            Control::Auto => Rule::Auto(Box::new(Auto::new(datagram, seed))),
            Control::Cubic => Rule::Window(Window::cubic(datagram)),
            Control::Reno => Rule::Window(Window::reno(datagram)),
            Control::Fixed(_) => Rule::Fixed,
        };
        let fixed = match control {
            Control::Fixed(rate) => Some(rate as f64),
            _ => None,
        };
        Self { datagram, rule, pace: Pace::new(datagram), fixed }
    }

    /// The epoch of a datagram sent now.
    pub fn epoch(&self) -> Epoch {
        match &self.rule {
            Rule::Auto(auto) => auto.samples().epoch(),
            _ => 0,
        }
    }

    /// Counts a datagram that was sent, and plans when the next may be sent.
    pub fn on_sent(&mut self, now: Time, bytes: usize, rtt: &Rtt) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_sent();
        }
        let rate = self.rate(rtt);
        self.pace.on_sent(now, bytes, rate);
    }

    /// A packet of this epoch was acknowledged.
    pub fn on_acked(&mut self, epoch: Epoch) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_acked(epoch);
        }
    }

    /// A packet of this epoch was wrongly declared lost: its acknowledgement came late.
    pub fn on_late(&mut self, epoch: Epoch) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_late(epoch);
        }
    }

    /// A packet of this epoch, sent at `sent`, was declared lost.
    pub fn on_lost(&mut self, now: Time, epoch: Epoch, sent: Time) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.samples_mut().on_lost(epoch),
            Rule::Window(window) => window.on_lost(now, sent),
            Rule::Fixed => {}
        }
    }

    /// A router marked packets instead of dropping them (ECN); the newest acknowledged one was sent at `sent`.
    pub fn on_marked(&mut self, now: Time, sent: Time) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.on_marked(now),
            Rule::Window(window) => window.on_lost(now, sent),
            Rule::Fixed => {}
        }
    }

    /// An ACK acknowledged something new.
    pub fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.on_delivery(now, delivery, rtt),
            Rule::Window(window) => window.on_acked(now, delivery.acked as usize, delivery.idle, rtt),
            Rule::Fixed => {}
        }
    }

    /// The share of packets, 0 to 1, that the path loses whatever its load; 0 unless the control is `Auto`.
    pub fn loss(&self) -> f64 {
        match &self.rule {
            Rule::Auto(auto) => auto.loss(),
            _ => 0.0,
        }
    }

    /// The congestion window: bytes that may be in flight.
    pub fn window(&self, rtt: &Rtt) -> usize {
        let window = match &self.rule {
            Rule::Auto(auto) => auto.window(rtt),
            Rule::Window(window) => window.size(),
            // Twice what the rate needs, so that the rate is the limit and not the window.
            Rule::Fixed => {
                (self.fixed.unwrap_or(0.0) * 2.0 * (rtt.smoothed() + Duration::from_millis(50)).as_secs_f64())
                    as usize
            }
        };
        window.max(MIN_PACKETS * self.datagram)
    }

    /// The pacing rate in bytes/s; 0 if it is not known yet, then datagrams are not paced.
    pub fn rate(&self, rtt: &Rtt) -> f64 {
        match &self.rule {
            Rule::Auto(auto) => auto.pace(rtt),
            Rule::Window(window) => window.pace(rtt),
            Rule::Fixed => self.fixed.unwrap_or(0.0),
        }
    }

    /// The earliest time of the next datagram.
    pub fn next_send(&self) -> Time {
        self.pace.next_send()
    }

    /// When to wake up for the next datagrams, slightly after [`Self::next_send`], so that a few are sent together.
    pub fn next_look(&self) -> Time {
        self.pace.next_look()
    }

    /// Datagrams that may be sent together now, in one system call.
    pub fn burst(&self) -> usize {
        self.pace.burst()
    }
}
