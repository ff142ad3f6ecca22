//! Congestion control: how much may be in flight, and how fast it may be sent.
//!
//! | file | what |
//! |---|---|
//! | `auto` | the default: a model of the path, paced at what it delivers, corrected for random loss |
//! | `samples` | … counts what was acknowledged and lost in each of its phases |
//! | `controller` | the trait that each control implements |
//! | `window` | CUBIC and Reno, for comparison |
//! | `fixed` | a constant rate |
//! | `pacing` | the pacer: spreads datagrams over time |

mod auto;
pub mod controller;
mod fixed;
mod pacing;
mod samples;
mod window;

use self::auto::Auto;
use self::controller::{Controller, Delivery, MIN_PACKETS, ProbePhase};
use self::fixed::Fixed;
use self::pacing::Pacer;
use self::window::Window;
use super::recovery::rtt::Rtt;
use crate::base::Time;

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

impl Control {
    /// The words of `cc`; `bbr` is the kernel's only.
    pub const WORDS: [&str; 5] = ["auto", "cubic", "reno", "bbr", "fixed"];

    /// The control that a word means; `rate`, in bytes/s, is for `fixed`. `None`: this library does not have it, or the
    /// rate is missing.
    pub fn named(word: &str, rate: Option<u64>) -> Option<Self> {
        Some(match word {
            "auto" => Self::Auto,
            "cubic" => Self::Cubic,
            "reno" => Self::Reno,
            "fixed" => Self::Fixed(rate?),
            _ => return None,
        })
    }

    /// `datagram` is the size of a packet in bytes; `seed` staggers the probe cycles of connections that begin together.
    fn controller(self, datagram: usize, seed: u64) -> Box<dyn Controller> {
        match self {
            Self::Auto => Box::new(Auto::new(datagram, seed)),
            Self::Cubic => Box::new(Window::cubic(datagram)),
            Self::Reno => Box::new(Window::reno(datagram)),
            Self::Fixed(rate) => Box::new(Fixed(rate as f64)),
        }
    }
}

/// A congestion control and its pacer.
#[derive(Debug)]
pub struct Congestion {
    datagram: usize,
    controller: Box<dyn Controller>,
    pacer: Pacer,
}

impl Congestion {
    /// `datagram` is the size of a packet in bytes; `seed` staggers the probe cycles of connections that begin
    /// together.
    pub fn new(control: Control, datagram: usize, seed: u64) -> Self {
        Self { datagram, controller: control.controller(datagram, seed), pacer: Pacer::new(datagram) }
    }

    /// The phase of a datagram sent now.
    pub fn phase(&self) -> ProbePhase {
        self.controller.phase()
    }

    /// Counts a datagram that was sent, and plans when the next may be sent.
    pub fn on_sent(&mut self, now: Time, bytes: usize, rtt: &Rtt) {
        self.controller.on_sent();
        let rate = self.rate(rtt);
        self.pacer.on_sent(now, bytes, rate);
    }

    /// See [`Controller::on_acked`].
    pub fn on_acked(&mut self, phase: ProbePhase) {
        self.controller.on_acked(phase);
    }

    /// See [`Controller::on_late`].
    pub fn on_late(&mut self, phase: ProbePhase) {
        self.controller.on_late(phase);
    }

    /// See [`Controller::on_lost`].
    pub fn on_lost(&mut self, now: Time, phase: ProbePhase, sent: Time) {
        self.controller.on_lost(now, phase, sent);
    }

    /// See [`Controller::on_marked`].
    pub fn on_marked(&mut self, now: Time, sent: Time) {
        self.controller.on_marked(now, sent);
    }

    /// See [`Controller::on_delivery`].
    pub fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        self.controller.on_delivery(now, delivery, rtt);
    }

    /// See [`Controller::loss`].
    pub fn loss(&self) -> f64 {
        self.controller.loss()
    }

    /// The congestion window: bytes that may be in flight.
    pub fn window(&self, rtt: &Rtt) -> usize {
        self.controller.window(rtt).max(MIN_PACKETS * self.datagram)
    }

    /// The pacing rate in bytes/s; 0 if it is not known yet, then datagrams are not paced.
    pub fn rate(&self, rtt: &Rtt) -> f64 {
        self.controller.rate(rtt)
    }

    /// The earliest time of the next datagram.
    pub fn next_send(&self) -> Time {
        self.pacer.next_send()
    }

    /// When to wake up for the next datagrams, slightly after [`Self::next_send`], so that a few are sent together.
    pub fn next_look(&self) -> Time {
        self.pacer.next_look()
    }

    /// Datagrams that may be sent together now, in one system call.
    pub fn burst(&self) -> usize {
        self.pacer.burst()
    }
}
