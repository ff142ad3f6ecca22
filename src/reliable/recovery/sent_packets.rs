//! Packets in flight: acknowledgement, loss by time threshold, probes (RFC 9002, section 6). There is no packet
//! threshold: a gap holds up nothing, so waiting an eighth of a round trip longer costs nothing, and on a fast path
//! thousands of packets may overtake one that is only late.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::base::{RangeSet, Time};
use crate::reliable::congestion::controller::ProbePhase;
use crate::reliable::segment::{Again, Segment};
use crate::wire::PacketNumber;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::reliable) enum PacketState {
    #[default]
    InFlight,
    Acked,
    Lost,
    /// A packet number that was skipped: a peer that acknowledges it lies (CVE-2025-4820).
    Skipped,
}

/// A datagram that was sent, until it is forgotten.
#[derive(Clone, Debug, Default)]
pub(in crate::reliable) struct SentPacket {
    /// When it was sent.
    pub(in crate::reliable) time: Time,
    /// True if the peer must acknowledge it (ack-eliciting in RFC 9002).
    pub(in crate::reliable) eliciting: bool,
    /// The range of the stream that it carries.
    pub(in crate::reliable) stream: Option<Range<u64>>,
    /// The piece of a block that it carries.
    pub(in crate::reliable) piece: Option<Segment>,
    /// Why the range of the stream was sent again.
    pub(in crate::reliable) stream_again: Option<Again>,
    /// Number of earlier datagrams of which it is a copy, sent before any of them was declared lost.
    pub(in crate::reliable) copies: u8,
    /// A later datagram has the same piece: if this one is lost, the later one decides about retransmission.
    pub(in crate::reliable) copied: bool,
    pub(in crate::reliable) size: usize,
    pub(in crate::reliable) state: PacketState,
    pub(in crate::reliable) phase: ProbePhase,
    /// Bytes delivered on the connection when it was sent.
    pub(in crate::reliable) delivered_before: u64,
    /// The application had nothing more to send after it.
    pub(in crate::reliable) idle: bool,
}

impl SentPacket {
    /// A datagram without content, sent at `time`.
    pub(in crate::reliable) fn at(time: Time) -> Self {
        Self { time, ..Self::default() }
    }

    /// Why it repeats what an earlier one carried; `None` if it does not.
    pub(in crate::reliable) fn again(&self) -> Option<Again> {
        self.piece.as_ref().and_then(|piece| piece.again).or(self.stream_again)
    }
}

/// Datagrams that were sent and may still be acknowledged, by packet number.
#[derive(Debug)]
pub(in crate::reliable) struct SentPackets {
    pub(in crate::reliable) sent: VecDeque<SentPacket>,
    /// The packet number of the first one in `sent`.
    pub(in crate::reliable) first: PacketNumber,
    /// Every packet below this number is acknowledged or declared lost.
    pub(in crate::reliable) settled: PacketNumber,
    /// Every packet below this number was copied, or needs no copy.
    pub(in crate::reliable) tail: PacketNumber,
    /// Acknowledged packet numbers, from `first` on.
    pub(in crate::reliable) acked: RangeSet,
    /// Bytes of ack-eliciting datagrams that are neither acknowledged nor declared lost.
    pub(in crate::reliable) bytes: usize,
    pub(in crate::reliable) eliciting: usize,
    pub(in crate::reliable) largest_acked: Option<PacketNumber>,
    /// Bytes of all acknowledged ack-eliciting datagrams.
    pub(in crate::reliable) delivered: u64,
    /// When an ack-eliciting datagram was sent last, or the probe timer fired.
    pub(in crate::reliable) last_eliciting: Time,
    /// Probe timeouts in a row without an acknowledgement.
    pub(in crate::reliable) probe_count: u32,
    /// When the peer last acknowledged something new.
    pub(in crate::reliable) acked_at: Time,
    /// Lower bound of the loss delay: how late packets that were wrongly declared lost came, plus an eighth.
    pub(in crate::reliable) lateness: Duration,
    /// When the oldest packet in flight will be declared lost; `None` while no later one is acknowledged.
    pub(in crate::reliable) loss_at: Option<Time>,
    /// Packets that reached the peer with an ECN mark.
    pub(in crate::reliable) marked: u64,
}

impl Default for SentPackets {
    fn default() -> Self {
        Self {
            sent: VecDeque::new(),
            first: PacketNumber(0),
            settled: PacketNumber(0),
            tail: PacketNumber(0),
            acked: RangeSet::new(),
            bytes: 0,
            eliciting: 0,
            largest_acked: None,
            delivered: 0,
            last_eliciting: Time::ZERO,
            probe_count: 0,
            acked_at: Time::ZERO,
            lateness: Duration::ZERO,
            loss_at: None,
            marked: 0,
        }
    }
}

/// What one ACK newly acknowledged.
#[derive(Default)]
pub(in crate::reliable) struct News {
    pub(in crate::reliable) packets: usize,
    pub(in crate::reliable) bytes: u64,
    /// The packet sent last: its send time, `delivered_before` and `idle`.
    pub(in crate::reliable) newest: Option<(Time, u64, bool)>,
}

impl SentPackets {
    /// The place in `sent` of a packet number from `first` on.
    pub(in crate::reliable) const fn index(&self, number: PacketNumber) -> usize {
        (number.0 - self.first.0) as usize
    }

    /// The packet number after the last one in `sent`.
    pub(in crate::reliable) fn end(&self) -> PacketNumber {
        self.first + self.sent.len() as u64
    }

    /// When the oldest packet that is not yet acknowledged or lost was sent.
    pub(in crate::reliable) fn first_owed(&self) -> Time {
        let from = self.index(self.settled);
        self.sent
            .range(from..)
            .find(|sent| sent.state == PacketState::InFlight)
            .map_or(Time::ZERO, |sent| sent.time)
    }
}
