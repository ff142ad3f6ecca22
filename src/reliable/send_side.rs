//! Data that waits to be sent, and how datagrams are built.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{RangeSet, Time};
use crate::reliable::PIECE_COST;
use crate::reliable::arq::{Arq, Textbook};
use crate::reliable::segment::Segment;
use crate::reliable::stream::SendBuffer;
use crate::wire::datagram::{Credit, UNIT};
use crate::wire::{PacketNumber, SegmentNumber};

/// Most bytes of a STREAM frame before its data.
pub(in crate::reliable) const STREAM_OVERHEAD: usize = 1 + 8 + 4;

/// The sending half of a connection, without the packets in flight.
#[derive(Debug)]
pub(in crate::reliable) struct SendSide {
    /// The ordered stream of frames.
    pub(in crate::reliable) stream: SendBuffer,
    /// Offset and bytes of blocks, or of the rest of one, that were never sent.
    pub(in crate::reliable) fresh: VecDeque<(u64, Bytes)>,
    /// Pieces to retransmit.
    pub(in crate::reliable) lost: VecDeque<Segment>,
    /// The sender of a textbook ARQ, which has its own window; `None` for the default, which fills the path.
    pub(in crate::reliable) textbook: Option<Textbook>,
    pub(in crate::reliable) fresh_bytes: usize,
    /// The next unused piece number.
    pub(in crate::reliable) next_piece: SegmentNumber,
    /// Pieces below this number were sent before.
    pub(in crate::reliable) furthest: SegmentNumber,
    /// Numbers of the pieces that the peer has, and the credit that they used up.
    pub(in crate::reliable) arrived: RangeSet,
    pub(in crate::reliable) arrived_cost: u64,
    /// Credit of the pieces in flight, which the peer may have received already.
    pub(in crate::reliable) flying_cost: u64,
    /// The last limits that the peer advertised, counted from the beginning of the connection.
    pub(in crate::reliable) limits: Credit,
    /// The packet number of the next datagram.
    pub(in crate::reliable) next_number: PacketNumber,
    /// The next packet number to skip.
    pub(in crate::reliable) skip_at: PacketNumber,
    /// Probe datagrams that may still be sent regardless of the congestion window.
    pub(in crate::reliable) probes: u8,
    /// True if the next datagram must be acknowledged, by a PING if it has nothing else.
    pub(in crate::reliable) ping: bool,
}

impl SendSide {
    /// Starts empty; `limits` are those of the peer.
    pub(in crate::reliable) fn new(limits: Credit, arq: Arq) -> Self {
        Self {
            stream: SendBuffer::default(),
            fresh: VecDeque::new(),
            lost: VecDeque::new(),
            textbook: Textbook::new(arq),
            fresh_bytes: 0,
            next_piece: SegmentNumber(0),
            furthest: SegmentNumber(0),
            arrived: RangeSet::new(),
            arrived_cost: 0,
            flying_cost: 0,
            limits,
            next_number: PacketNumber(0),
            skip_at: PacketNumber(0),
            probes: 0,
            ping: false,
        }
    }

    /// Takes limits that the peer advertised; one below the known value is out of date and has no effect.
    pub(in crate::reliable) fn set_limits(&mut self, limits: Credit) {
        self.limits.stream = self.limits.stream.max(limits.stream);
        self.limits.block = self.limits.block.max(limits.block);
    }

    /// Bytes of unsent blocks, and of the stream as far as it is not acknowledged.
    pub(in crate::reliable) fn backlog(&self) -> usize {
        self.fresh_bytes + self.stream.backlog()
    }

    /// Queues a block; an empty one is ignored.
    pub(in crate::reliable) fn write_block(&mut self, offset: u64, bytes: Bytes) {
        if !bytes.is_empty() {
            self.fresh_bytes += bytes.len();
            self.fresh.push_back((offset, bytes));
        }
    }

    /// True if there is something to send that the peer has credit for, whatever the congestion window says.
    pub(in crate::reliable) fn wants(&self) -> bool {
        let blocks = match &self.textbook {
            Some(textbook) => textbook.wants(self.piece_fits()),
            None => self.piece_fits(),
        };
        self.ping || self.stream.wants(self.limits.stream) || blocks
    }

    /// True if data waits for credit from the peer, and for nothing else.
    pub(in crate::reliable) fn is_blocked_by_peer(&self) -> bool {
        let blocks = self.has_blocks() && !self.piece_fits();
        !self.wants() && (blocks || self.stream.wants(u64::MAX))
    }

    /// True if the credit of the peer allows the next piece, be it a retransmission or new.
    pub(in crate::reliable) fn piece_fits(&self) -> bool {
        let next = self.lost.front().map(|piece| piece.bytes.len());
        let next = next.or_else(|| self.fresh.front().map(|(_, bytes)| bytes.len()));
        next.is_some_and(|bytes| bytes.min(UNIT) <= self.credit())
    }

    /// Largest piece, in bytes, that the credit of the peer allows.
    pub(in crate::reliable) fn credit(&self) -> usize {
        let taken = self.arrived_cost + self.flying_cost + PIECE_COST;
        self.limits.block.saturating_sub(taken) as usize
    }

    /// The next piece of at most `room` bytes. Lost pieces go first. A lost piece is split only if even an empty
    /// datagram, which holds `most` bytes, has become too small for it.
    pub(in crate::reliable) fn next_piece(&mut self, room: usize, most: usize) -> Option<Segment> {
        while self.lost.front().is_some_and(|piece| self.arrived.contains_range(&piece.numbers())) {
            self.lost.pop_front();
        }
        if !self.piece_fits() {
            return None;
        }
        let credit = self.credit();
        if let Some(piece) = self.lost.pop_front() {
            if piece.bytes.len() <= room.min(credit) {
                return Some(piece);
            }
            if piece.bytes.len() > most.min(credit) {
                piece.cut().into_iter().rev().for_each(|part| self.lost.push_front(part));
                return self.lost.pop_front_if(|part| part.bytes.len() <= room.min(credit));
            }
            self.lost.push_front(piece);
            return None;
        }
        self.cut_fresh(room.min(credit))
    }

    /// Takes a new piece of at most `room` bytes from the first unsent block.
    pub(in crate::reliable) fn cut_fresh(&mut self, room: usize) -> Option<Segment> {
        let (offset, bytes) = self.fresh.front_mut()?;
        let length = bytes.len().min(room);
        // Too little room is left in this datagram to be worth a piece number.
        if length == 0 || length < bytes.len() && length < UNIT.min(bytes.len()) / 2 {
            return None;
        }
        let piece =
            Segment { number: self.next_piece, offset: *offset, bytes: bytes.split_to(length), again: None };
        *offset += length as u64;
        if bytes.is_empty() {
            self.fresh.pop_front();
        }
        self.next_piece = piece.end();
        self.fresh_bytes -= length;
        Some(piece)
    }

    /// The next piece of the textbook's window; such a piece has exactly one number.
    pub(in crate::reliable) fn next_of_textbook(&mut self, now: Time) -> Option<Segment> {
        let mut textbook = self.textbook.take()?;
        let (fits, number) = (self.piece_fits(), self.next_number);
        let piece = textbook.next(now, number, || if fits { self.cut_fresh(UNIT) } else { None });
        self.textbook = Some(textbook);
        piece
    }

    /// A piece, if the packet has one, is in flight until [`Self::landed`] is called for it.
    pub(in crate::reliable) fn departed(&mut self, piece: Option<&Segment>) {
        self.flying_cost += piece.map_or(0, Segment::cost);
    }

    /// A piece is no longer in flight: it was acknowledged or declared lost.
    pub(in crate::reliable) fn landed(&mut self, piece: Option<&Segment>) {
        self.flying_cost -= piece.map_or(0, Segment::cost);
    }

    /// The peer acknowledged a packet with this piece, be it the first packet or a later one that has it.
    pub(in crate::reliable) fn arrived(&mut self, piece: Option<&Segment>) {
        let Some(piece) = piece else { return };
        if let Some(textbook) = &mut self.textbook {
            textbook.on_acked(piece.number);
        }
        let numbers = piece.numbers();
        let count = numbers.end - numbers.start;
        match self.arrived.insert_range(numbers) {
            0 => {}
            new if new == count => self.arrived_cost += piece.cost(),
            // Parts of it arrived before: this estimates what is new.
            new => self.arrived_cost += piece.cost() * new / count,
        }
    }

    /// The state in one line, for a test that hangs.
    #[cfg(test)]
    pub(in crate::reliable) fn describe(&self) -> String {
        format!(
            "{} (lost {}, fresh {}, stream {}, ping {}, cost {}+{} of {})",
            self.wants(),
            self.lost.len(),
            self.fresh.len(),
            self.stream.wants(self.limits.stream),
            self.ping,
            self.arrived_cost,
            self.flying_cost,
            self.limits.block
        )
    }

    pub(in crate::reliable) fn has_blocks(&self) -> bool {
        !self.lost.is_empty() || !self.fresh.is_empty()
    }

    pub(in crate::reliable) fn is_drained(&self) -> bool {
        self.lost.is_empty() && self.fresh.is_empty() && self.textbook.is_none()
    }

    /// True if the peer has everything that was written, even if further copies of it are in flight.
    pub(in crate::reliable) fn is_delivered(&self) -> bool {
        self.blocks_have_arrived() && self.stream.backlog() == 0
    }

    /// True if the peer has all blocks that were written.
    pub(in crate::reliable) fn blocks_have_arrived(&self) -> bool {
        let waiting = self.textbook.as_ref().is_some_and(|textbook| !textbook.is_empty());
        self.fresh.is_empty() && self.arrived.contains_range(&(0..self.next_piece.0)) && !waiting
    }
}
