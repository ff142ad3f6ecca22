//! Received data: duplicates, order, credit, and when to acknowledge.

use std::time::Duration;

use crate::base::{RangeSet, Time};
use crate::record::Acked;
use crate::reliable::stream::ReceiveBuffer;
use crate::wire::datagram::Credit;
use crate::wire::{Deframer, frame};

/// Longest delay of an acknowledgement.
pub(in crate::reliable) const ACK_DELAY: Duration = Duration::from_millis(5);

/// Packets over which the loss rate of received packets is averaged.
pub(in crate::reliable) const LOSS_PACKETS: f64 = 256.0;

/// The receiving half of a connection.
#[derive(Debug)]
pub(in crate::reliable) struct ReceiveSide {
    /// Packet numbers received.
    pub(in crate::reliable) numbers: RangeSet,
    /// Gaps below this packet number were forgotten: nothing below it is acknowledged any more.
    pub(in crate::reliable) forgotten: u64,
    /// When the largest packet number came.
    pub(in crate::reliable) largest_at: Time,
    /// Packets received since the last ACK that ask for one.
    pub(in crate::reliable) unacknowledged: u32,
    pub(in crate::reliable) acknowledged_at: Time,
    /// When the next ACK is due; `None` if none is.
    pub(in crate::reliable) ack_at: Option<Time>,
    /// The ordered stream, and the frames that it is split into.
    pub(in crate::reliable) stream: ReceiveBuffer,
    pub(in crate::reliable) frames: Deframer,
    /// Piece numbers received.
    pub(in crate::reliable) pieces: RangeSet,
    /// How much the application may leave unread.
    pub(in crate::reliable) credit: Credit,
    /// The credit for blocks grows up to this while the application keeps up.
    pub(in crate::reliable) block_limit: u64,
    /// Start of the present span of measurement for that growth, and what the application had consumed by then.
    pub(in crate::reliable) grown_at: Time,
    pub(in crate::reliable) grown_from: u64,
    /// What the application has consumed, and the limits last advertised to the peer.
    pub(in crate::reliable) taken: Credit,
    pub(in crate::reliable) told: Credit,
    /// Block credit that the peer has used up, by the pieces received.
    pub(in crate::reliable) block_cost: u64,
    /// Packets that came with an ECN mark.
    pub(in crate::reliable) marked: u64,
    /// The share of missing packets among the last few hundred, 0 to 1.
    loss: f64,
    /// The packet numbers of the last acknowledgement.
    pub(in crate::reliable) last_ack: Acked,
}

impl ReceiveSide {
    /// Starts empty; `credit` is what this side grants, `block_limit` how far that of blocks may grow.
    pub(in crate::reliable) fn new(credit: Credit, block_limit: u64) -> Self {
        Self {
            numbers: RangeSet::new(),
            forgotten: 0,
            largest_at: Time::ZERO,
            unacknowledged: 0,
            acknowledged_at: Time::ZERO,
            ack_at: None,
            stream: ReceiveBuffer::default(),
            frames: Deframer::default(),
            pieces: RangeSet::new(),
            credit,
            block_limit: block_limit.max(credit.block),
            grown_at: Time::ZERO,
            grown_from: 0,
            taken: Credit { stream: 0, block: 0 },
            told: credit,
            block_cost: 0,
            marked: 0,
            loss: 0.0,
            last_ack: Acked::NONE,
        }
    }

    /// Loss rate of the path from the peer, 0 to 1: a side that sends little cannot measure loss by its own packets.
    pub(in crate::reliable) const fn loss(&self) -> f64 {
        self.loss
    }

    /// A packet came after `gap` packets that are missing.
    pub(in crate::reliable) fn note_gap(&mut self, gap: u64) {
        let missing = gap.min(LOSS_PACKETS as u64) as f64;
        self.loss += (missing - self.loss) / LOSS_PACKETS;
        self.loss = self.loss.min(1.0);
    }

    /// The application has consumed this much more: bytes of the stream, and block credit.
    pub(in crate::reliable) fn consumed(&mut self, stream: u64, blocks: u64) {
        self.taken.stream += stream;
        self.taken.block += blocks;
        let limits = self.limits();
        // When a quarter of the credit is free again, the peer is told at once: it may be waiting.
        if limits.stream - self.told.stream >= self.credit.stream / 4
            || limits.block - self.told.block >= self.credit.block / 4
        {
            self.ack_at = Some(Time::ZERO);
        }
    }

    /// The limits to advertise, counted from the beginning of the connection.
    pub(in crate::reliable) fn limits(&self) -> Credit {
        Credit { stream: self.taken.stream + self.credit.stream, block: self.taken.block + self.credit.block }
    }

    /// A packet came with an ECN mark: the sender should be told soon.
    pub(in crate::reliable) fn note_mark(&mut self, now: Time) {
        self.marked += 1;
        self.ack_soon(now);
    }

    /// Makes an ACK due now.
    pub(in crate::reliable) fn ack_soon(&mut self, now: Time) {
        self.ack_at = Some(now);
    }

    /// True if a datagram that is built now should carry an ACK.
    pub(in crate::reliable) fn has_unacknowledged(&self) -> bool {
        self.unacknowledged > 0 || self.ack_at.is_some()
    }

    /// True if an ACK must be sent now, even alone.
    pub(in crate::reliable) fn ack_is_due(&self, now: Time) -> bool {
        self.numbers.pieces() > 0 && self.ack_at.is_some_and(|at| now >= at)
    }

    /// When an ACK must be sent; `None` if there is nothing to acknowledge.
    pub(in crate::reliable) fn ack_deadline(&self) -> Option<Time> {
        self.ack_at.filter(|_| self.numbers.pieces() > 0)
    }
}

/// Stream bytes that a frame used up, to be passed to [`Connection::consumed`].
pub const fn stream_cost(frame: &crate::wire::Frame) -> u64 {
    (frame::HEADER + frame.body.len()) as u64
}
