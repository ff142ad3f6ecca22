//! What a link does to packets, and what it has done.

use std::time::Duration;

/// The impairments of one direction. Probabilities are from 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// Probability that a packet is lost; with bursts, the mean share of lost packets.
    pub loss: f64,
    /// Mean length of a burst of losses, in packets; 0 and 1 mean independent losses.
    pub burst: f64,
    /// Probability that one bit of a packet is flipped.
    pub corrupt: f64,
    /// Probability that a packet is delivered twice.
    pub duplicate: f64,
    /// Probability that a packet is held back by [`Self::reorder_by`].
    pub reorder: f64,
    /// Extra delay of a packet that is held back: later ones may overtake it.
    pub reorder_by: Duration,
    /// One-way delay.
    pub delay: Duration,
    /// Each delay varies uniformly by up to ± this; that alone does not reorder packets.
    pub jitter: Duration,
    /// Rate of the bottleneck in bits/s; 0: no limit.
    pub rate: u64,
    /// Queue at the bottleneck, in bytes; 0: no limit.
    pub queue: usize,
    /// Packets larger than this, with their header, are dropped, in bytes; 0: no limit.
    pub mtu: usize,
    /// Header bytes that each packet has on the wire in addition to its payload; they count for rate, queue and MTU.
    pub header: usize,
}

/// Totals of one direction since the link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that entered.
    pub offered: u64,
    /// Bytes that entered.
    pub bytes_in: u64,
    /// Bytes that were delivered.
    pub bytes_out: u64,
    /// Packets that were lost by chance or were larger than the MTU.
    pub dropped: u64,
    /// Packets dropped because the queue, or the memory bound of the link, was full; each copy of a duplicate counts.
    pub queue_dropped: u64,
    /// Packets in which a bit was flipped.
    pub corrupted: u64,
    /// Packets that were doubled.
    pub duplicated: u64,
    /// Packets that were held back.
    pub reordered: u64,
    /// Packets that were delivered; each copy of a duplicate counts.
    pub forwarded: u64,
}

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What a link decided about a packet. If several things happen to it, the first in this list is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is lost.
    Lost,
    /// The queue had no room for it.
    QueueFull,
    /// It passes with a flipped bit.
    Corrupted,
    /// It passes twice.
    Doubled,
    /// It passes late: later ones overtake it.
    HeldBack,
    /// It passes as it is.
    Passed,
}
