//! Builds the datagrams of a connection.

use super::{Connection, State};
use crate::base::Time;
use crate::base::mix;
use crate::record::{Cause, Kind, PacketEvent, Way};
use crate::reliable::recovery::sent_packets::SentPacket;
use crate::reliable::segment::{Again, Segment};
use crate::reliable::send_side::STREAM_OVERHEAD;
use crate::wire::PacketNumber;
use crate::wire::datagram::{self, BASE_DATAGRAM, BLOCK_OVERHEAD, DATA_OVERHEAD};

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

impl Connection {
    /// Builds the next datagram into `out`, which must be empty; false if there is none to send now.
    pub(in crate::reliable) fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        debug_assert!(out.is_empty(), "one datagram for each buffer");
        let built = match self.state {
            State::Handshake(ref greeting) => {
                let early = greeting.has_cookie();
                if self.poll_greeting(now, out) {
                    self.recorder.greeting(now, Way::Out, Kind::Hello, out.len());
                    true
                } else {
                    early && self.poll_data(now, out)
                }
            }
            State::Open | State::Closing { .. } => self.poll_moved(out) || self.poll_data(now, out),
            State::Ended => self.poll_farewell(now, out),
        };
        if built {
            self.stats.datagrams_out += 1;
            self.stats.bytes_out += out.len() as u64;
        }
        built
    }

    /// True if the congestion window has room for another datagram.
    pub(super) fn has_room(&self) -> bool {
        self.sent_packets.bytes == 0
            || self.sent_packets.bytes + self.mtu.current <= self.congestion.window(&self.rtt)
    }

    /// True if the congestion window and the pacing, or a probe, allow data to be sent now.
    pub(super) fn may_send(&self, now: Time) -> bool {
        // A textbook ARQ is bounded by its own window and spacing alone.
        if let Some(textbook) = &self.send_side.textbook {
            return now >= textbook.next_at;
        }
        self.send_side.probes > 0 || self.has_room() && now >= self.congestion.next_send()
    }

    /// When pacing allows the next datagram; `None` if there is none or the congestion window is full.
    pub(in crate::reliable) fn pace_deadline(&self) -> Option<Time> {
        if let Some(textbook) = &self.send_side.textbook {
            return self.send_side.wants().then_some(textbook.next_at);
        }
        if !self.has_room() {
            return None;
        }
        let next = self.congestion.next_look();
        if self.send_side.wants() { Some(next) } else { self.tail_at.map(|at| at.max(next)) }
    }

    /// Decides whether and when a copy of a packet in flight may use the time that nothing else needs.
    pub(super) fn plan_tail(&mut self, now: Time) {
        let lossy = self.congestion.loss() > TAIL_LOSS || self.receive_side.loss() > TAIL_LOSS_SEEN;
        let spare = self.send_side.is_drained() && lossy;
        let budget = TAIL_LEAST + self.stats.block_bytes / TAIL_SHARE;
        let spare =
            spare && self.sent_packets.bytes > 0 && self.send_side.probes == 0 && self.stats.copies < budget;
        self.tail_at = if spare { self.tail_candidate(now).map(|(_, at)| at) } else { None };
    }

    /// Builds a datagram with frames; false if there is nothing to send or it must wait.
    pub(super) fn poll_data(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        self.plan_tail(now);
        let spare = self.tail_at.is_some_and(|at| now >= at);
        let data = (self.send_side.wants() || spare) && self.may_send(now);
        if self.close_is_due() {
            self.abandon();
            return self.poll_farewell(now, out);
        }
        self.held.release(now);
        if !data && self.send_side.has_blocks() {
            self.held.hold(now, self.send_side.is_blocked_by_peer());
        }
        if data && self.poll_mtu(now, out) {
            return true;
        }
        if !data && !self.receive_side.ack_is_due(now) {
            return false;
        }
        self.skip_sometimes(now);
        let number = self.send_side.next_number;
        datagram::begin_data(out, self.id, number);
        let empty = out.len();
        let acks = self.receive_side.has_unacknowledged();
        if acks {
            let room = (BASE_DATAGRAM - DATA_OVERHEAD) / if data { 4 } else { 1 };
            self.push_ack(now, out, room.max(64));
        }
        let mut sent = SentPacket::at(now);
        let of_textbook = data && self.fill(out, &mut sent);
        if out.len() == empty {
            out.clear();
            return false;
        }
        self.mark_kind(out, &sent, of_textbook);
        self.finish(number, out);
        self.depart((now, number), sent, (out.len(), acks));
        true
    }

    /// Notes and registers the packet of this number, which leaves with this size; `acks`: it acknowledges something.
    fn depart(&mut self, (now, number): (Time, PacketNumber), sent: SentPacket, (size, acks): (usize, bool)) {
        self.send_side.next_number += 1;
        let event = self.note_of_sent(now, number, &sent, (size, acks));
        self.register(now, number, size, sent);
        self.note_sent(event);
    }

    /// Tells the peer in the type of the datagram whether to acknowledge it at once, and whether to take it in order
    /// only.
    fn mark_kind(&self, out: &mut [u8], sent: &SentPacket, of_textbook: bool) {
        if of_textbook && self.config.arq.is_in_order() {
            datagram::in_order_only(out);
        } else if of_textbook {
            datagram::acknowledge_now(out);
        } else if sent.eliciting && sent.copies == 0 && !self.send_side.wants() {
            // Nothing follows that would make the peer acknowledge this one soon. Several copies are sent one after the
            // other, and none of them is waited for.
            datagram::acknowledge_now(out);
        }
    }

    /// Sends a probe of a larger datagram size, if enough data waits to make that worthwhile.
    pub(super) fn poll_mtu(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if self.send_side.fresh_bytes < MTU_WORTH || !self.rtt.is_known() || self.send_side.textbook.is_some()
        {
            return false;
        }
        let Some(size) = self.mtu.due(now) else { return false };
        let number = self.send_side.next_number;
        datagram::begin_data(out, self.id, number);
        datagram::push_ping(out);
        datagram::push_pad(out, size);
        datagram::acknowledge_now(out);
        self.finish(number, out);
        self.mtu.tried(number);
        let mut sent = SentPacket::at(now);
        sent.eliciting = true;
        self.depart((now, number), sent, (out.len(), false));
        true
    }

    /// Stream frames first, then one piece of a block: one piece for each datagram, as the exercise demands. True if
    /// the piece is of the textbook's window.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, sent: &mut SentPacket) -> bool {
        let datagram = self.mtu.current;
        let room = |out: &Vec<u8>| datagram.saturating_sub(out.len() + DATA_OVERHEAD - 17);
        let copy = self.tail_copy(sent, room(out), datagram - DATA_OVERHEAD);
        if room(out) > STREAM_OVERHEAD
            && let Some((range, again)) =
                self.send_side.stream.next(room(out) - STREAM_OVERHEAD, self.send_side.limits.stream)
        {
            datagram::push_stream(out, range.start, &self.send_side.stream.copy(&range));
            (sent.stream, sent.stream_again) = (Some(range), again);
            sent.eliciting = true;
        }
        if sent.stream.is_none()
            && let Some(piece) = self.send_side.next_of_textbook(sent.time)
        {
            self.push_piece(out, piece, sent);
            return true;
        }
        let (left, most) =
            (room(out).saturating_sub(BLOCK_OVERHEAD), datagram - DATA_OVERHEAD - BLOCK_OVERHEAD);
        let textbook = self.send_side.textbook.is_some();
        let piece = if textbook { None } else { self.send_side.next_piece(left, most) };
        if let Some(piece) = piece.or(copy) {
            self.push_piece(out, piece, sent);
        }
        self.count_probe(out, sent);
        false
    }

    /// Counts a datagram as the PING or the probe that is wanted, if one is.
    fn count_probe(&mut self, out: &mut Vec<u8>, sent: &mut SentPacket) {
        if std::mem::take(&mut self.send_side.ping) && !sent.eliciting {
            // Makes the datagram at least as long as a RETRY, since a server answers a new address with no more bytes
            // than came.
            (0..PING_REPEATS).for_each(|_| datagram::push_ping(out));
            sent.eliciting = true;
        }
        if sent.eliciting && self.send_side.probes > 0 {
            self.send_side.probes -= 1;
            // The next probe carries the same range again.
            if let Some(range) = sent.stream.clone().filter(|_| self.send_side.probes > 0) {
                let again = Again { cause: Cause::Probe, number: self.send_side.next_number };
                self.send_side.stream.on_lost(range, again);
            }
        }
    }

    /// Writes a segment into the datagram, and records it in the sent packet.
    pub(super) fn push_piece(&mut self, out: &mut Vec<u8>, piece: Segment, sent: &mut SentPacket) {
        self.stats.block_bytes += piece.bytes.len() as u64;
        // Counts every repetition: after a loss, as a copy, or because go-back-N went back.
        self.stats.retransmitted += u64::from(piece.number < self.send_side.furthest);
        self.send_side.furthest = self.send_side.furthest.max(piece.end());
        datagram::push_block(out, piece.number, piece.offset, &piece.bytes);
        sent.piece = Some(piece);
        sent.eliciting = true;
    }

    /// The piece of a packet in flight to send once more, if it is time for a copy and there is room; its stream frames
    /// are queued again. A packet that would not fit into an empty datagram of `most` bytes any more is not copied.
    pub(super) fn tail_copy(&mut self, sent: &mut SentPacket, room: usize, most: usize) -> Option<Segment> {
        if self.send_side.wants() || self.tail_at.is_none_or(|at| sent.time < at) {
            return None;
        }
        let (number, _) = self.tail_candidate(sent.time)?;
        let original = self.take_copy(number, room, most)?;
        let again = Again { cause: Cause::TailCopy, number };
        sent.copies = original.copies + 1;
        if let Some(range) = original.stream {
            self.stats.copies += range.end - range.start;
            self.send_side.stream.on_lost(range, again);
        }
        let piece = original.piece?;
        self.stats.copies += piece.bytes.len() as u64;
        Some(Segment { again: Some(again), ..piece })
    }

    /// Skips a packet number now and then: this exposes a peer that acknowledges packets it never got (CVE-2025-4820).
    pub(super) fn skip_sometimes(&mut self, now: Time) {
        if self.send_side.next_number < self.send_side.skip_at {
            return;
        }
        let number = self.send_side.next_number;
        if self.send_side.skip_at.0 > 0 {
            self.skip_number(now);
            self.send_side.next_number += 1;
        }
        // Rarer on long connections: a cheating peer would have to guess right every time, and each gap costs a little.
        let span = (number.0 / 2).clamp(SKIP_LEAST, SKIP_MOST);
        self.skip_seed = mix(self.skip_seed);
        self.send_side.skip_at = number + span + self.skip_seed % span;
    }

    /// True if CLOSE may be sent: the peer has everything.
    pub(super) fn close_is_due(&self) -> bool {
        matches!(self.state, State::Closing { .. }) && self.send_side.is_delivered()
    }

    /// Builds a CLOSE; false after the last of its repetitions.
    pub(super) fn poll_farewell(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let Some((code, reason, left)) = &mut self.farewell else { return false };
        let number = self.send_side.next_number;
        datagram::begin_data(out, self.id, number);
        datagram::push_close(out, *code, reason);
        self.send_side.next_number += 1;
        *left -= 1;
        if *left == 0 {
            self.farewell = None;
        }
        self.finish(number, out);
        let event = self.note_of_sent(now, number, &SentPacket::at(now), (out.len(), false));
        self.note_sent(event.map(|event| PacketEvent { kind: Kind::Close, ..event }));
        true
    }
}
