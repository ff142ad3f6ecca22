//! Takes the datagrams of an open connection.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::{Connection, Event, State};
use crate::base::Time;
use crate::record::{Acked, Fate, add};
use crate::reliable::receive_side::ACK_DELAY;
use crate::reliable::{CloseReason, PIECE_COST};
use crate::wire::ack::push_ack;
use crate::wire::ack::{Ack, RANGE_LIMIT};
use crate::wire::datagram::{DataFrame, DataFrames, UNIT};
use crate::wire::{PacketNumber, SegmentNumber};

/// Packets that one ACK acknowledges when nothing is missing …
const ACK_EVERY: u32 = 2;
/// … but with at least this time between two ACKs …
const ACK_INTERVAL: Duration = Duration::from_millis(1);
/// … unless this number of packets came.
const ACK_MOST: u32 = 64;
/// Most gaps among pieces or in the stream: many more than a window of datagrams can have, and few enough to bound
/// memory.
const GAP_LIMIT: usize = 16 << 10;

impl Connection {
    /// Handles a DATA datagram, whose frames are at `frames`; `at_once` if the peer asks for an immediate ACK.
    pub(in crate::reliable) fn handle_data(
        &mut self,
        now: Time,
        number: PacketNumber,
        at_once: bool,
        datagram: Bytes,
        frames: &Range<usize>,
    ) {
        // ACCEPT was lost, or is late: data shows that the server accepted.
        if matches!(&self.state, State::Handshake(greeting) if greeting.has_cookie()) {
            self.opened(now);
        }
        if matches!(self.state, State::Ended | State::Handshake(_)) {
            self.stats.ignored += 1;
            return;
        }
        self.heard = now;
        let end = self.receive_side.numbers.iter().next_back().map_or(0, |last| last.end);
        let end = PacketNumber(end);
        let in_order = number == end;
        if !self.receive_side.numbers.insert(number.0) {
            self.stats.ignored += 1;
            self.note_dropped(now, number, (&datagram, frames), Fate::Duplicate);
            // The ACK was lost, or the network duplicates: acknowledge again. ACKs of datagrams with nothing but ACKs
            // would never end.
            if DataFrames::new(datagram, frames).any(|frame| !matches!(frame, Ok(DataFrame::Ack(_)))) {
                self.receive_side.ack_at = Some(now);
            }
            return;
        }
        if number >= end {
            self.receive_side.largest_at = now;
            self.receive_side.note_gap(number - end);
        }
        let (mut eliciting, mut acknowledged) = (false, false);
        let whole = datagram.len();
        let mut event = self.note_of_arrival(now, number, whole);
        for frame in DataFrames::new(datagram, frames) {
            if let (true, Ok(frame)) = (self.recorder.is_on(), &frame) {
                add(&mut event, frame);
            }
            match frame {
                // Each ACK costs a walk over the packets in flight, so a datagram may have only one.
                Ok(DataFrame::Ack(_)) if acknowledged => {
                    self.end(CloseReason::ProtocolViolation("it sent two ACKs in one datagram"));
                }
                Ok(DataFrame::Ack(ack)) => {
                    acknowledged = true;
                    self.handle_ack(now, &ack);
                }
                Ok(frame) => {
                    eliciting = true;
                    self.handle_frame(frame, whole);
                }
                Err(_) => {
                    self.end(CloseReason::ProtocolViolation("it sent a datagram with malformed frames"));
                }
            }
            if self.has_ended() {
                return self.recorder.push(event);
            }
        }
        self.recorder.push(event);
        if eliciting {
            self.schedule_ack(now, at_once, in_order);
        }
        self.bound_gaps();
    }

    /// True if a datagram has no block after a gap in the piece numbers.
    pub(in crate::reliable) fn is_next(&self, datagram: &Bytes, frames: &Range<usize>) -> bool {
        DataFrames::new(datagram.clone(), frames).all(|frame| match frame {
            Ok(DataFrame::Block { number, .. }) => number.0 <= self.receive_side.pieces.first_gap(0),
            _ => true,
        })
    }

    /// True if a datagram has a part of the stream after a gap, and no more of them may wait.
    pub(in crate::reliable) fn is_beyond_gaps(&self, datagram: &Bytes, frames: &Range<usize>) -> bool {
        let stream = &self.receive_side.stream;
        stream.waiting_bytes() >= self.config.gaps
            && DataFrames::new(datagram.clone(), frames).any(
                |frame| matches!(frame, Ok(DataFrame::Stream { offset, .. }) if stream.is_after_gap(offset)),
            )
    }

    /// Plans the ACK of a packet that was just received.
    pub(super) fn schedule_ack(&mut self, now: Time, at_once: bool, in_order: bool) {
        self.receive_side.unacknowledged += 1;
        let soon = now.max(self.receive_side.acknowledged_at + ACK_INTERVAL);
        let at = match self.receive_side.unacknowledged {
            _ if at_once => now,
            ACK_MOST.. => now,
            _ if !in_order => soon,
            ACK_EVERY.. => soon,
            _ => now + ACK_DELAY.min(self.rtt.smoothed() / 4),
        };
        self.receive_side.ack_at = Some(self.receive_side.ack_at.map_or(at, |known| known.min(at)));
    }

    /// Forgets the oldest gaps: the sender declared such old packets lost long ago.
    pub(super) fn bound_gaps(&mut self) {
        if self.receive_side.numbers.pieces() > 4 * RANGE_LIMIT {
            let second = self.receive_side.numbers.iter().nth(1).map_or(0, |range| range.start);
            self.receive_side.numbers.insert_range(0..second);
            self.receive_side.forgotten = second;
        }
    }

    /// Handles a frame other than ACK; `whole` is the size of its datagram in bytes.
    pub(super) fn handle_frame(&mut self, frame: DataFrame, whole: usize) {
        match frame {
            DataFrame::Stream { offset, bytes } => self.handle_stream(offset, bytes),
            DataFrame::Block { number, offset, mut bytes } => {
                // A small piece must not keep a large datagram in memory.
                if bytes.len() < whole / 2 {
                    bytes = Bytes::copy_from_slice(&bytes);
                }
                self.handle_block(number, offset, bytes);
            }
            DataFrame::Close { code, text } => {
                self.end(CloseReason::Closed { code, reason: text, by_peer: true });
            }
            DataFrame::Ping | DataFrame::Pad | DataFrame::Ack(_) => {}
        }
    }

    /// Takes a range of the ordered stream; frames that are complete become events.
    pub(super) fn handle_stream(&mut self, offset: u64, bytes: Bytes) {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.receive_side.told.stream {
            return self.end(CloseReason::ProtocolViolation("it sent more than it was allowed to"));
        }
        self.receive_side.stream.accept(offset, bytes, &mut self.receive_side.frames.buffer);
        if self.receive_side.stream.waiting() > GAP_LIMIT {
            return self.end(CloseReason::ProtocolViolation("it left too many gaps in the ordered stream"));
        }
        loop {
            match self.receive_side.frames.next_frame() {
                Ok(Some(frame)) => self.events.push_back(Event::Frame(frame)),
                Ok(None) => return,
                Err(_) => return self.end(CloseReason::ProtocolViolation("it sent a malformed frame")),
            }
        }
    }

    /// Takes a segment of a block, unless it came before.
    pub(super) fn handle_block(&mut self, number: SegmentNumber, offset: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return self.end(CloseReason::ProtocolViolation("it sent an empty piece"));
        }
        let numbers = number.range(bytes.len().div_ceil(UNIT) as u64);
        let known = self.receive_side.pieces.contains_any(&numbers);
        if !known {
            self.receive_side.pieces.insert_range(numbers);
            return self.take_piece(offset, bytes);
        }
        // Part of it came before in smaller pieces, or all of it came before.
        for (at, number) in (0..bytes.len()).step_by(UNIT).zip(numbers) {
            if self.receive_side.pieces.insert(number) && !self.has_ended() {
                self.take_piece(offset + at as u64, bytes.slice(at..(at + UNIT).min(bytes.len())));
            }
        }
    }

    /// Passes a segment that is new to the application, and counts its credit.
    pub(super) fn take_piece(&mut self, offset: u64, bytes: Bytes) {
        if self.receive_side.pieces.pieces() > GAP_LIMIT {
            return self.end(CloseReason::ProtocolViolation("it left too many gaps in the piece numbers"));
        }
        self.receive_side.block_cost += bytes.len() as u64 + PIECE_COST;
        // A packet that was declared lost but is only late no longer counts at the sender. So the peer may exceed the
        // limit by as much as may be in flight.
        if self.receive_side.block_cost > self.receive_side.told.block + self.receive_side.credit.block {
            return self.end(CloseReason::ProtocolViolation("it sent more than it was allowed to"));
        }
        self.events.push_back(Event::Block { offset, bytes });
    }

    /// Doubles the credit for blocks if the application consumed at least half of it within two round trips: then the
    /// credit may be what limits the peer.
    pub(super) fn grow_credit(&mut self, now: Time) {
        let receiving = &mut self.receive_side;
        let taken = receiving.taken.block - receiving.grown_from;
        let span = self.rtt.smoothed() * 2;
        if taken * 2 >= receiving.credit.block && now.since(receiving.grown_at) <= span {
            receiving.credit.block = (receiving.credit.block * 2).min(receiving.block_limit);
        }
        if now.since(receiving.grown_at) > span || taken * 2 >= receiving.credit.block {
            (receiving.grown_at, receiving.grown_from) = (now, receiving.taken.block);
        }
    }

    /// Appends an ACK frame of at most `room` bytes, if there is anything to acknowledge.
    pub(in crate::reliable) fn push_ack(&mut self, now: Time, out: &mut Vec<u8>, room: usize) {
        if self.receive_side.numbers.pieces() == 0 {
            return;
        }
        self.grow_credit(now);
        let limits = self.receive_side.limits();
        let floor = self.receive_side.forgotten;
        let known = self.receive_side.numbers.iter().rev().take(RANGE_LIMIT);
        let ranges: Vec<_> =
            known.filter(|range| range.end > floor).map(|range| range.start.max(floor)..range.end).collect();
        if ranges.is_empty() {
            return;
        }
        let ack = Ack {
            delay_micros: now.since(self.receive_side.largest_at).as_micros() as u64,
            stream_limit: limits.stream,
            block_limit: limits.block,
            marked: self.receive_side.marked,
            ranges,
        };
        push_ack(out, &ack, room);
        self.receive_side.last_ack = Acked::of(ack.ranges.into_iter());
        self.receive_side.told = limits;
        self.receive_side.unacknowledged = 0;
        self.receive_side.acknowledged_at = now;
        self.receive_side.ack_at = None;
    }
}
