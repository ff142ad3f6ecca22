//! Data that waits to be sent, and how datagrams are built.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::PIECE_COST;
use super::arq::{Arq, Textbook};
use super::connection::{Connection, State};
use super::loss::Sent;
use super::stream::Outgoing;
use crate::base::{RangeSet, Time, mix};
use crate::wire::datagram::{self, BASE_DATAGRAM, BLOCK_OVERHEAD, Credit, DATA_OVERHEAD, UNIT};

/// Loss rate of the path up to which no copies are sent.
const TAIL_LOSS: f64 = 0.002;
/// … and of the packets received, where skipped packet numbers look like losses, too.
const TAIL_LOSS_SEEN: f64 = 0.02;
/// Budget of copies: `TAIL_LEAST` bytes, plus one byte for each `TAIL_SHARE` bytes of blocks sent, since copies at the
/// end of a file must not cost more than they gain.
const TAIL_LEAST: u64 = 128 << 10;
const TAIL_SHARE: u64 = 40;
/// Bytes of new blocks that must wait before a larger datagram is probed.
const MTU_WORTH: usize = 64 << 10;
/// PING frames in a datagram that has nothing else to be acknowledged.
const PING_REPEATS: usize = 16;
/// Bounds of the span S after which the next packet number is skipped: between S and 2 S packets later.
const SKIP_LEAST: u64 = 64;
const SKIP_MOST: u64 = 16 << 10;

/// Most bytes of a STREAM frame before its data.
pub(super) const STREAM_OVERHEAD: usize = 1 + 8 + 4;

/// A part of a block that fits into one datagram and is retransmitted as a unit.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The first of its piece numbers: it has one for each [`UNIT`] that it begins.
    pub(super) number: u64,
    /// Position of its first byte in the file.
    pub(super) offset: u64,
    /// Its data, never empty.
    pub(super) bytes: Bytes,
}

impl Piece {
    /// All its piece numbers.
    fn numbers(&self) -> Range<u64> {
        self.number..self.number + self.bytes.len().div_ceil(UNIT) as u64
    }

    /// Splits it into pieces that have one number each.
    fn cut(mut self) -> Vec<Self> {
        let mut parts = Vec::new();
        while !self.bytes.is_empty() {
            let bytes = self.bytes.split_to(self.bytes.len().min(UNIT));
            let length = bytes.len() as u64;
            parts.push(Self { number: self.number, offset: self.offset, bytes });
            (self.number, self.offset) = (self.number + 1, self.offset + length);
        }
        parts
    }

    /// Bytes of the block credit that it uses up.
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + PIECE_COST
    }
}

/// The sending half of a connection, without the packets in flight.
#[derive(Debug)]
pub(super) struct Sending {
    /// The ordered stream of frames.
    pub(super) stream: Outgoing,
    /// Offset and bytes of blocks, or of the rest of one, that were never sent.
    fresh: VecDeque<(u64, Bytes)>,
    /// Pieces to retransmit.
    pub(super) lost: VecDeque<Piece>,
    /// The sender of a textbook ARQ, which has its own window; `None` for the default, which fills the path.
    pub(super) textbook: Option<Textbook>,
    fresh_bytes: usize,
    /// The next unused piece number.
    next_piece: u64,
    /// Pieces below this number were sent before.
    furthest: u64,
    /// Numbers of the pieces that the peer has, and the credit that they used up.
    arrived: RangeSet,
    arrived_cost: u64,
    /// Credit of the pieces in flight, which the peer may have received already.
    flying_cost: u64,
    /// The last limits that the peer advertised, counted from the beginning of the connection.
    limits: Credit,
    /// The packet number of the next datagram.
    pub(super) next_number: u64,
    /// The next packet number to skip.
    skip_at: u64,
    /// Probe datagrams that may still be sent regardless of the congestion window.
    pub(super) probes: u8,
    /// True if the next datagram must be acknowledged, by a PING if it has nothing else.
    pub(super) ping: bool,
}

impl Sending {
    /// Starts empty; `limits` are those of the peer.
    pub(super) fn new(limits: Credit, arq: Arq) -> Self {
        Self {
            stream: Outgoing::default(),
            fresh: VecDeque::new(),
            lost: VecDeque::new(),
            textbook: Textbook::new(arq),
            fresh_bytes: 0,
            next_piece: 0,
            furthest: 0,
            arrived: RangeSet::new(),
            arrived_cost: 0,
            flying_cost: 0,
            limits,
            next_number: 0,
            skip_at: 0,
            probes: 0,
            ping: false,
        }
    }

    /// Takes limits that the peer advertised; one below the known value is out of date and has no effect.
    pub(super) fn set_limits(&mut self, limits: Credit) {
        self.limits.stream = self.limits.stream.max(limits.stream);
        self.limits.block = self.limits.block.max(limits.block);
    }

    /// Bytes of unsent blocks, and of the stream as far as it is not acknowledged.
    pub(super) fn backlog(&self) -> usize {
        self.fresh_bytes + self.stream.backlog()
    }

    /// Queues a block; an empty one is ignored.
    pub(super) fn write_block(&mut self, offset: u64, bytes: Bytes) {
        if !bytes.is_empty() {
            self.fresh_bytes += bytes.len();
            self.fresh.push_back((offset, bytes));
        }
    }

    /// True if there is something to send that the peer has credit for, whatever the congestion window says.
    pub(super) fn wants(&self) -> bool {
        let blocks = match &self.textbook {
            Some(textbook) => textbook.wants(self.piece_fits()),
            None => self.piece_fits(),
        };
        self.ping || self.stream.wants(self.limits.stream) || blocks
    }

    /// True if data waits for credit from the peer, and for nothing else.
    pub(super) fn is_blocked_by_peer(&self) -> bool {
        let blocks = self.has_blocks() && !self.piece_fits();
        !self.wants() && (blocks || self.stream.wants(u64::MAX))
    }

    /// True if the credit of the peer allows the next piece, be it a retransmission or new.
    fn piece_fits(&self) -> bool {
        let next = self.lost.front().map(|piece| piece.bytes.len());
        let next = next.or_else(|| self.fresh.front().map(|(_, bytes)| bytes.len()));
        next.is_some_and(|bytes| bytes.min(UNIT) <= self.credit())
    }

    /// Largest piece, in bytes, that the credit of the peer allows.
    fn credit(&self) -> usize {
        let taken = self.arrived_cost + self.flying_cost + PIECE_COST;
        self.limits.block.saturating_sub(taken) as usize
    }

    /// The next piece of at most `room` bytes. Lost pieces go first. A lost piece is split only if even an empty
    /// datagram, which holds `most` bytes, has become too small for it.
    fn next_piece(&mut self, room: usize, most: usize) -> Option<Piece> {
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
    fn cut_fresh(&mut self, room: usize) -> Option<Piece> {
        let (offset, bytes) = self.fresh.front_mut()?;
        let length = bytes.len().min(room);
        // Too little room is left in this datagram to be worth a piece number.
        if length == 0 || length < bytes.len() && length < UNIT.min(bytes.len()) / 2 {
            return None;
        }
        let piece = Piece { number: self.next_piece, offset: *offset, bytes: bytes.split_to(length) };
        *offset += length as u64;
        if bytes.is_empty() {
            self.fresh.pop_front();
        }
        self.next_piece = piece.numbers().end;
        self.fresh_bytes -= length;
        Some(piece)
    }

    /// The next piece of the textbook's window; such a piece has exactly one number.
    fn next_of_textbook(&mut self, now: Time) -> Option<Piece> {
        let mut textbook = self.textbook.take()?;
        let fits = self.piece_fits();
        let piece = textbook.next(now, || if fits { self.cut_fresh(UNIT) } else { None });
        self.textbook = Some(textbook);
        piece
    }

    /// A piece, if the packet has one, is in flight until [`Self::landed`] is called for it.
    pub(super) fn departed(&mut self, piece: Option<&Piece>) {
        self.flying_cost += piece.map_or(0, Piece::cost);
    }

    /// A piece is no longer in flight: it was acknowledged or declared lost.
    pub(super) fn landed(&mut self, piece: Option<&Piece>) {
        self.flying_cost -= piece.map_or(0, Piece::cost);
    }

    /// The peer acknowledged a packet with this piece, be it the first packet or a later one that has it.
    pub(super) fn arrived(&mut self, now: Time, piece: Option<&Piece>) {
        let Some(piece) = piece else { return };
        if let Some(textbook) = &mut self.textbook {
            textbook.on_acked(now, piece.number);
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
    pub(super) fn describe(&self) -> String {
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

    fn has_blocks(&self) -> bool {
        !self.lost.is_empty() || !self.fresh.is_empty()
    }

    fn is_drained(&self) -> bool {
        self.lost.is_empty() && self.fresh.is_empty() && self.textbook.is_none()
    }

    /// True if the peer has everything that was written, even if further copies of it are in flight.
    fn is_delivered(&self) -> bool {
        let waiting = self.textbook.as_ref().is_some_and(|textbook| !textbook.is_empty());
        let pieces = self.fresh.is_empty() && self.arrived.contains_range(&(0..self.next_piece));
        pieces && !waiting && self.stream.backlog() == 0
    }
}

impl Connection {
    /// Builds the next datagram into `out`, which must be empty; false if there is none to send now.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        debug_assert!(out.is_empty(), "one datagram for each buffer");
        let built = match self.state {
            State::Greeting(ref greeting) => {
                let early = greeting.has_cookie();
                self.poll_greeting(now, out) || early && self.poll_data(now, out)
            }
            State::Open | State::Closing { .. } => self.poll_moved(out) || self.poll_data(now, out),
            State::Ended => self.poll_farewell(out),
        };
        if built {
            self.stats.datagrams_out += 1;
            self.stats.bytes_out += out.len() as u64;
        }
        built
    }

    fn has_room(&self) -> bool {
        self.flight.bytes == 0 || self.flight.bytes + self.mtu.current <= self.congestion.window(&self.rtt)
    }

    /// True if the congestion window and the pacing, or a probe, allow data to be sent now.
    fn may_send(&self, now: Time) -> bool {
        // A textbook ARQ is bounded by its own window and spacing alone.
        if let Some(textbook) = &self.sending.textbook {
            return now >= textbook.next_at;
        }
        self.sending.probes > 0 || self.has_room() && now >= self.congestion.next_send()
    }

    /// When pacing allows the next datagram; `None` if there is none or the congestion window is full.
    pub(super) fn pace_deadline(&self) -> Option<Time> {
        if let Some(textbook) = &self.sending.textbook {
            return self.sending.wants().then_some(textbook.next_at);
        }
        if !self.has_room() {
            return None;
        }
        let next = self.congestion.next_look();
        if self.sending.wants() { Some(next) } else { self.tail_at.map(|at| at.max(next)) }
    }

    /// Decides whether and when a copy of a packet in flight may use the time that nothing else needs.
    fn plan_tail(&mut self, now: Time) {
        let lossy = self.congestion.loss() > TAIL_LOSS || self.receiving.loss() > TAIL_LOSS_SEEN;
        let spare = self.sending.is_drained() && lossy;
        let budget = TAIL_LEAST + self.stats.block_bytes / TAIL_SHARE;
        let spare = spare && self.flight.bytes > 0 && self.sending.probes == 0 && self.stats.copies < budget;
        self.tail_at = if spare { self.tail_candidate(now).map(|(_, at)| at) } else { None };
    }

    fn poll_data(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        self.plan_tail(now);
        let spare = self.tail_at.is_some_and(|at| now >= at);
        let data = (self.sending.wants() || spare) && self.may_send(now);
        if self.close_is_due() {
            self.abandon();
            return self.poll_farewell(out);
        }
        self.held.release(now);
        if !data && self.sending.has_blocks() {
            self.held.hold(now, self.sending.is_blocked_by_peer());
        }
        if data && self.poll_mtu(now, out) {
            return true;
        }
        if !data && !self.receiving.ack_is_due(now) {
            return false;
        }
        self.skip_sometimes(now);
        let number = self.sending.next_number;
        datagram::begin_data(out, self.id, number);
        let empty = out.len();
        if self.receiving.has_unacknowledged() {
            let room = (BASE_DATAGRAM - DATA_OVERHEAD) / if data { 4 } else { 1 };
            self.push_ack(now, out, room.max(64));
        }
        let mut sent = Sent::at(now);
        let of_textbook = data && self.fill(out, &mut sent);
        if out.len() == empty {
            out.clear();
            return false;
        }
        if of_textbook && self.config.arq.is_in_order() {
            datagram::in_order_only(out);
        } else if of_textbook {
            datagram::acknowledge_now(out);
        } else if sent.eliciting && sent.copies == 0 && !self.sending.wants() {
            // Nothing follows that would make the peer acknowledge this one soon. Several copies are sent one after the
            // other, and none of them is waited for.
            datagram::acknowledge_now(out);
        }
        datagram::finish(out);
        self.sending.next_number += 1;
        self.register(now, number, out.len(), sent);
        true
    }

    /// Sends a probe of a larger datagram size, if enough data waits to make that worthwhile.
    fn poll_mtu(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if self.sending.fresh_bytes < MTU_WORTH || !self.rtt.is_known() || self.sending.textbook.is_some() {
            return false;
        }
        let Some(size) = self.mtu.due(now) else { return false };
        let number = self.sending.next_number;
        datagram::begin_data(out, self.id, number);
        datagram::push_ping(out);
        datagram::push_pad(out, size);
        datagram::acknowledge_now(out);
        datagram::finish(out);
        self.sending.next_number += 1;
        self.mtu.tried(number);
        let mut sent = Sent::at(now);
        sent.eliciting = true;
        self.register(now, number, out.len(), sent);
        true
    }

    /// Stream frames first, then one piece of a block: one piece for each datagram, as the exercise demands. True if
    /// the piece is of the textbook's window.
    fn fill(&mut self, out: &mut Vec<u8>, sent: &mut Sent) -> bool {
        let datagram = self.mtu.current;
        let room = |out: &Vec<u8>| datagram.saturating_sub(out.len() + DATA_OVERHEAD - 17);
        let copy = self.tail_copy(sent, room(out), datagram - DATA_OVERHEAD);
        if room(out) > STREAM_OVERHEAD
            && let Some(range) =
                self.sending.stream.next(room(out) - STREAM_OVERHEAD, self.sending.limits.stream)
        {
            datagram::push_stream(out, range.start, &self.sending.stream.copy(&range));
            sent.stream = Some(range);
            sent.eliciting = true;
        }
        if sent.stream.is_none()
            && let Some(piece) = self.sending.next_of_textbook(sent.time)
        {
            self.push_piece(out, piece, sent);
            return true;
        }
        let (left, most) =
            (room(out).saturating_sub(BLOCK_OVERHEAD), datagram - DATA_OVERHEAD - BLOCK_OVERHEAD);
        let textbook = self.sending.textbook.is_some();
        let piece = if textbook { None } else { self.sending.next_piece(left, most) };
        if let Some(piece) = piece.or(copy) {
            self.push_piece(out, piece, sent);
        }
        if self.sending.ping {
            self.sending.ping = false;
            if !sent.eliciting {
                // Makes the datagram at least as long as a RETRY, since a server answers a new address with no more
                // bytes than came.
                (0..PING_REPEATS).for_each(|_| datagram::push_ping(out));
                sent.eliciting = true;
            }
        }
        if sent.eliciting && self.sending.probes > 0 {
            self.sending.probes -= 1;
            // The next probe carries the same range again.
            if let Some(range) = sent.stream.clone().filter(|_| self.sending.probes > 0) {
                self.sending.stream.on_lost(range);
            }
        }
        false
    }

    fn push_piece(&mut self, out: &mut Vec<u8>, piece: Piece, sent: &mut Sent) {
        self.stats.block_bytes += piece.bytes.len() as u64;
        // Counts every repetition: after a loss, as a copy, or because go-back-N went back.
        self.stats.retransmitted += u64::from(piece.number < self.sending.furthest);
        self.sending.furthest = self.sending.furthest.max(piece.numbers().end);
        datagram::push_block(out, piece.number, piece.offset, &piece.bytes);
        sent.piece = Some(piece);
        sent.eliciting = true;
    }

    /// The piece of a packet in flight to send once more, if it is time for a copy and there is room; its stream frames
    /// are queued again. A packet that would not fit into an empty datagram of `most` bytes any more is not copied.
    fn tail_copy(&mut self, sent: &mut Sent, room: usize, most: usize) -> Option<Piece> {
        if self.sending.wants() || self.tail_at.is_none_or(|at| sent.time < at) {
            return None;
        }
        let (number, _) = self.tail_candidate(sent.time)?;
        let original = self.take_copy(number, room, most)?;
        sent.copies = original.copies + 1;
        if let Some(range) = original.stream {
            self.stats.copies += range.end - range.start;
            self.sending.stream.on_lost(range);
        }
        let piece = original.piece?;
        self.stats.copies += piece.bytes.len() as u64;
        Some(piece)
    }

    /// Skips a packet number now and then: this exposes a peer that acknowledges packets it never got (CVE-2025-4820).
    fn skip_sometimes(&mut self, now: Time) {
        if self.sending.next_number < self.sending.skip_at {
            return;
        }
        let number = self.sending.next_number;
        if self.sending.skip_at > 0 {
            self.skip_number(now);
            self.sending.next_number += 1;
        }
        // Rarer on long connections: a cheating peer would have to guess right every time, and each gap costs a little.
        let span = (number / 2).clamp(SKIP_LEAST, SKIP_MOST);
        self.skip_seed = mix(self.skip_seed);
        self.sending.skip_at = number + span + self.skip_seed % span;
    }

    /// True if CLOSE may be sent: the peer has everything.
    fn close_is_due(&self) -> bool {
        matches!(self.state, State::Closing { .. }) && self.sending.is_delivered()
    }

    /// Builds a CLOSE; false after the last of its repetitions.
    fn poll_farewell(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((code, reason, left)) = &mut self.farewell else { return false };
        let number = self.sending.next_number;
        datagram::begin_data(out, self.id, number);
        datagram::push_close(out, *code, reason);
        datagram::finish(out);
        self.sending.next_number += 1;
        *left -= 1;
        if *left == 0 {
            self.farewell = None;
        }
        true
    }
}
