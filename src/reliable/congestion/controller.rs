//! What every congestion control offers to a connection: one file implements it for each of them.

use std::fmt::Debug;

use crate::base::Time;
use crate::reliable::recovery::rtt::Rtt;

/// Packets in flight before anything is known (RFC 6928) …
pub(super) const INITIAL_PACKETS: usize = 10;
/// … and if the handshake has measured the round trip, over half of which these packets are spread.
pub(super) const INITIAL_PACED: usize = 48;
/// The smallest window, in packets: small enough for a slow path, large enough for loss detection to see later packets.
pub(super) const MIN_PACKETS: usize = 8;

/// The number of the probe phase in which a datagram was sent; its loss or acknowledgement is counted there.
pub type ProbePhase = u64;

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

/// A congestion control: told what happened to packets, asked for a window and a rate. Times are arguments.
pub trait Controller: Debug + Send {
    /// The phase of a datagram sent now.
    fn phase(&self) -> ProbePhase {
        0
    }

    /// A datagram was sent.
    fn on_sent(&mut self) {}

    /// A packet of this phase was acknowledged.
    fn on_acked(&mut self, _phase: ProbePhase) {}

    /// A packet of this phase was wrongly declared lost: its acknowledgement came late.
    fn on_late(&mut self, _phase: ProbePhase) {}

    /// A packet of this phase, sent at `sent`, was declared lost.
    fn on_lost(&mut self, _now: Time, _phase: ProbePhase, _sent: Time) {}

    /// A router marked packets instead of dropping them (ECN); the newest acknowledged one was sent at `sent`.
    fn on_marked(&mut self, _now: Time, _sent: Time) {}

    /// An ACK acknowledged something new.
    fn on_delivery(&mut self, _now: Time, _delivery: &Delivery, _rtt: &Rtt) {}

    /// The share of packets, 0 to 1, that the path loses whatever its load; 0 if the control does not measure it.
    fn loss(&self) -> f64 {
        0.0
    }

    /// Bytes that may be in flight.
    fn window(&self, rtt: &Rtt) -> usize;

    /// The pacing rate in bytes/s; 0 if it is not known yet, then datagrams are not paced.
    fn rate(&self, rtt: &Rtt) -> f64;
}
