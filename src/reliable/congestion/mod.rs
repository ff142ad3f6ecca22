//! How much may be in flight, and how fast it may leave.
//!
//! | file | what |
//! |---|---|
//! | `auto` | the default: a model of the path, paced at what it delivers, corrected for random loss |
//! | `samples` | … what became of the packets of each of its phases |
//! | `window` | CUBIC and Reno, to compare with |
//! | `pace` | the bucket that spreads datagrams over time |

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
/// … and if the handshake has measured the round trip, over half of which they are spread.
const INITIAL_PACED: usize = 48;
/// Never fewer: small enough for a slow path, large enough for loss detection to see later packets.
const MIN_PACKETS: usize = 8;

/// Which rule bounds a connection; the word is that of `cc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    #[default]
    Auto,
    Cubic,
    Reno,
    /// So many bytes a second, whatever is lost.
    Fixed(u64),
}

/// What a datagram was sent under: the phase of the model, so that its fate tells about that phase.
pub type Epoch = u64;

/// What one acknowledgement says about the path.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Bytes that it acknowledged.
    pub acked: u64,
    /// All that was delivered before the newest acknowledged packet left: tells rounds apart.
    pub delivered_before: u64,
    /// All that is delivered now.
    pub delivered: u64,
    /// The sender had nothing to send: the rate is the application's, not the path's.
    pub idle: bool,
    /// Bytes that are still in flight.
    pub in_flight: usize,
}

#[derive(Debug)]
enum Rule {
    Auto(Box<Auto>),
    Window(Window),
    Fixed,
}

/// The rule, and the pace that follows from it.
#[derive(Debug)]
pub struct Congestion {
    datagram: usize,
    rule: Rule,
    pace: Pace,
    fixed: Option<f64>,
}

impl Congestion {
    /// `seed` spreads the cycles of connections that begin together.
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

    /// The epoch of a datagram that leaves now.
    pub fn epoch(&self) -> Epoch {
        match &self.rule {
            Rule::Auto(auto) => auto.samples().epoch(),
            _ => 0,
        }
    }

    /// Counts a datagram against the pace.
    pub fn on_sent(&mut self, now: Time, bytes: usize, rtt: &Rtt) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_sent();
        }
        let rate = self.rate(rtt);
        self.pace.on_sent(now, bytes, rate);
    }

    /// Packets of an epoch arrived.
    pub fn on_acked(&mut self, epoch: Epoch) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_acked(epoch);
        }
    }

    /// A packet of an epoch was taken for lost, and is here after all.
    pub fn on_late(&mut self, epoch: Epoch) {
        if let Rule::Auto(auto) = &mut self.rule {
            auto.samples_mut().on_late(epoch);
        }
    }

    /// A packet that was sent at `sent` is lost.
    pub fn on_lost(&mut self, now: Time, epoch: Epoch, sent: Time) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.samples_mut().on_lost(epoch),
            Rule::Window(window) => window.on_lost(now, sent),
            Rule::Fixed => {}
        }
    }

    /// A router marked packets instead of dropping them; the newest that is known of left at `sent`.
    pub fn on_marked(&mut self, now: Time, sent: Time) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.on_marked(now),
            Rule::Window(window) => window.on_lost(now, sent),
            Rule::Fixed => {}
        }
    }

    /// An acknowledgement is counted.
    pub fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        match &mut self.rule {
            Rule::Auto(auto) => auto.on_delivery(now, delivery, rtt),
            Rule::Window(window) => window.on_acked(now, delivery.acked as usize, delivery.idle, rtt),
            Rule::Fixed => {}
        }
    }

    /// The share of packets that the path loses whatever its load is.
    pub fn loss(&self) -> f64 {
        match &self.rule {
            Rule::Auto(auto) => auto.loss(),
            _ => 0.0,
        }
    }

    /// Bytes that may be in flight.
    pub fn window(&self, rtt: &Rtt) -> usize {
        let window = match &self.rule {
            Rule::Auto(auto) => auto.window(rtt),
            Rule::Window(window) => window.size(),
            // Twice what the rate needs: the rate bounds it, not the window.
            Rule::Fixed => {
                (self.fixed.unwrap_or(0.0) * 2.0 * (rtt.smoothed() + Duration::from_millis(50)).as_secs_f64())
                    as usize
            }
        };
        window.max(MIN_PACKETS * self.datagram)
    }

    /// Bytes a second at which datagrams leave; 0: unknown, they leave at once.
    pub fn rate(&self, rtt: &Rtt) -> f64 {
        match &self.rule {
            Rule::Auto(auto) => auto.pace(rtt),
            Rule::Window(window) => window.pace(rtt),
            Rule::Fixed => self.fixed.unwrap_or(0.0),
        }
    }

    /// When the next datagram may leave.
    pub fn next_send(&self) -> Time {
        self.pace.next_send()
    }

    /// When to look again whether some may leave.
    pub fn next_look(&self) -> Time {
        self.pace.next_look()
    }

    /// Datagrams that may leave together now, for one call to the system.
    pub fn burst(&self) -> usize {
        self.pace.burst()
    }
}
