//! What a connection does about acknowledgements and losses: loss by time threshold, probes (RFC 9002, section 6).

use std::ops::Range;
use std::time::Duration;

use super::{Connection, State};
use crate::base::Time;
use crate::record::{Cause, Fate};
use crate::reliable::CloseReason;
use crate::reliable::congestion::controller::Delivery;
use crate::reliable::receive_side::ACK_DELAY;
use crate::reliable::recovery::sent_packets::{News, PacketState, SentPacket};
use crate::reliable::segment::{Again, Segment};
use crate::reliable::send_side::STREAM_OVERHEAD;
use crate::wire::PacketNumber;
use crate::wire::ack::Ack;
use crate::wire::datagram::{BLOCK_OVERHEAD, Credit};

/// The probe timeout doubles up to this, unless its base is longer: with longer pauses, a lossy path would look like a
/// dead peer.
const PROBE_MOST: Duration = Duration::from_millis(400);
/// Most doublings of the probe timeout.
const BACKOFF_LIMIT: u32 = 8;
/// Datagrams sent when the probe timer fires.
const PROBES: u8 = 2;
/// Most copies of a piece, beyond its first datagram; between two of them is a round trip divided by `TAIL_SPACING`.
const TAIL_COPIES: u8 = 2;
const TAIL_SPACING: u32 = 2;

impl Connection {
    /// Records a datagram of `size` bytes that was just sent under this packet number.
    pub(in crate::reliable) fn register(
        &mut self,
        now: Time,
        number: PacketNumber,
        size: usize,
        mut sent: SentPacket,
    ) {
        debug_assert_eq!(number, self.sent_packets.end(), "numbers are given in order");
        if sent.eliciting {
            sent.size = size;
            sent.delivered_before = self.sent_packets.delivered;
            sent.idle = !self.send_side.wants();
            sent.phase = self.congestion.phase();
            self.sent_packets.bytes += size;
            self.sent_packets.eliciting += 1;
            self.sent_packets.last_eliciting = now;
            self.send_side.departed(sent.piece.as_ref());
            self.congestion.on_sent(now, size, &self.rtt);
        } else {
            sent.state = PacketState::Acked;
        }
        self.sent_packets.sent.push_back(sent);
        self.forget_settled(now);
    }

    /// Records a packet number that is skipped.
    pub(in crate::reliable) fn skip_number(&mut self, now: Time) {
        self.sent_packets.sent.push_back(SentPacket { state: PacketState::Skipped, ..SentPacket::at(now) });
    }

    /// Handles an ACK frame: round trip, losses, limits of the peer, congestion control.
    pub(in crate::reliable) fn handle_ack(&mut self, now: Time, ack: &Ack) {
        self.send_side.set_limits(Credit { stream: ack.stream_limit, block: ack.block_limit });
        let largest = PacketNumber(ack.ranges[0].end - 1);
        if largest >= self.send_side.next_number {
            return self.end(CloseReason::ProtocolViolation("it acknowledged what was never sent"));
        }
        let mut news = News::default();
        for range in ack.ranges.iter().rev() {
            let mut at = range.start.max(self.sent_packets.first.0);
            while at < range.end {
                if let Some(known) = self.sent_packets.acked.end_of(at) {
                    at = known;
                    continue;
                }
                if !self.acknowledge(now, PacketNumber(at), &mut news) {
                    return self.end(CloseReason::ProtocolViolation("it acknowledged what was never sent"));
                }
                at += 1;
            }
            let start = range.start.max(self.sent_packets.first.0);
            if start < range.end {
                self.sent_packets.acked.insert_range(start..range.end);
            }
        }
        if let Some(textbook) = &mut self.send_side.textbook {
            textbook.measure(now);
        }
        if news.packets > 0 {
            self.sent_packets.acked_at = now;
            self.sent_packets.probe_count = 0;
        }
        if self.sent_packets.largest_acked.is_none_or(|known| largest > known) {
            if let Some((sent, ..)) = news.newest {
                let delay = Duration::from_micros(ack.delay_micros.min(1_000_000));
                self.rtt.sample(now, now.since(sent), delay);
            }
            self.sent_packets.largest_acked = Some(largest);
        }
        self.detect_losses(now);
        if ack.marked > self.sent_packets.marked {
            self.sent_packets.marked = ack.marked;
            self.congestion.on_marked(now, news.newest.map_or(now, |(sent, ..)| sent));
        }
        if let Some((_, delivered_before, idle)) = news.newest {
            let delivery = Delivery {
                acked: news.bytes,
                delivered_before,
                delivered: self.sent_packets.delivered,
                idle,
                in_flight: self.sent_packets.bytes,
            };
            self.congestion.on_delivery(now, &delivery, &self.rtt);
        }
        self.forget_settled(now);
    }

    /// Marks one packet as acknowledged; false if it was never sent.
    pub(super) fn acknowledge(&mut self, now: Time, number: PacketNumber, news: &mut News) -> bool {
        let index = self.sent_packets.index(number);
        let Some(sent) = self.sent_packets.sent.get_mut(index) else { return true };
        let before = std::mem::replace(&mut sent.state, PacketState::Acked);
        if before == PacketState::Lost {
            self.recorder.verdict(now, number, sent, Fate::Late);
        }
        if !sent.eliciting {
            return before != PacketState::Skipped;
        }
        let (piece, stream, size, phase) = (sent.piece.take(), sent.stream.take(), sent.size, sent.phase);
        let seen = (sent.time, sent.delivered_before, sent.idle);
        match before {
            PacketState::Acked => return true,
            PacketState::Skipped => return false,
            PacketState::Lost => {
                self.wait_longer(now.since(seen.0));
                self.congestion.on_late(phase);
            }
            PacketState::InFlight => {
                self.sent_packets.bytes -= size;
                self.sent_packets.eliciting -= 1;
                self.send_side.landed(piece.as_ref());
                self.mtu.settle(now, number, true, self.rtt.smoothed());
                self.congestion.on_acked(phase);
            }
        }
        self.send_side.arrived(piece.as_ref());
        self.sent_packets.delivered += size as u64;
        if let Some(range) = stream {
            self.send_side.stream.on_acked(range);
        }
        news.packets += 1;
        news.bytes += size as u64;
        if news.newest.is_none_or(|(time, ..)| seen.0 >= time) {
            news.newest = Some(seen);
        }
        true
    }

    /// A packet that was declared lost was acknowledged `late` after it was sent: the next are given more time.
    fn wait_longer(&mut self, late: Duration) {
        let late = (late * 9 / 8).min(self.rtt.smoothed() * 2);
        // In whole microseconds, as `Time` counts.
        let late = Duration::from_micros(late.as_micros() as u64);
        self.sent_packets.lateness = self.sent_packets.lateness.max(late);
    }

    /// Declares packets lost by time, and sets the timer for the first that is not late enough yet: those after it were
    /// sent later.
    pub(super) fn detect_losses(&mut self, now: Time) {
        self.sent_packets.loss_at = None;
        let Some(largest) = self.sent_packets.largest_acked else { return };
        let delay = self.rtt.loss_delay().max(self.sent_packets.lateness);
        while self.sent_packets.settled < largest {
            let number = self.sent_packets.settled;
            let index = self.sent_packets.index(number);
            let sent = &mut self.sent_packets.sent[index];
            if sent.state == PacketState::InFlight {
                if now.since(sent.time) < delay {
                    self.sent_packets.loss_at = Some(sent.time + delay);
                    return;
                }
                sent.state = PacketState::Lost;
                self.recorder.verdict(now, number, sent, Fate::Missing);
                let (size, time, phase, copied) = (sent.size, sent.time, sent.phase, sent.copied);
                let (stream, piece) = (sent.stream.clone(), sent.piece.clone());
                self.sent_packets.bytes -= size;
                self.sent_packets.eliciting -= 1;
                self.stats.lost += 1;
                self.send_side.landed(piece.as_ref());
                if let (Some(textbook), Some(piece)) = (&mut self.send_side.textbook, &piece) {
                    textbook.on_lost(piece.number, time);
                }
                self.retransmit(stream, piece.filter(|_| !copied), Again { cause: Cause::Gap, number });

                if self.mtu.settle(now, number, false, self.rtt.smoothed()) {
                    self.congestion.on_acked(phase);
                } else {
                    self.congestion.on_lost(now, phase, time);
                }
            }
            self.sent_packets.settled += 1;
        }
    }

    /// Queues content for retransmission; pieces of a textbook ARQ are repeated by their own window.
    pub(super) fn retransmit(&mut self, stream: Option<Range<u64>>, piece: Option<Segment>, again: Again) {
        if let Some(range) = stream {
            self.send_side.stream.on_lost(range, again);
        }
        if let Some(piece) = piece.filter(|_| self.send_side.textbook.is_none()) {
            self.send_side.lost.push_back(Segment { again: Some(again), ..piece });
        }
    }

    /// Drops acknowledged packets from the front; a lost or skipped one is kept for two round trips after its time, in
    /// case an acknowledgement comes late.
    pub(super) fn forget_settled(&mut self, now: Time) {
        let patience = self.rtt.smoothed() * 2;
        let before = self.sent_packets.first;
        while let Some(sent) = self.sent_packets.sent.front() {
            let forgotten = match sent.state {
                PacketState::Acked => true,
                PacketState::Lost | PacketState::Skipped => now.since(sent.time) > patience,
                PacketState::InFlight => false,
            };
            if !forgotten {
                break;
            }
            self.sent_packets.sent.pop_front();
            self.sent_packets.first += 1;
        }
        if self.sent_packets.first != before {
            self.sent_packets.acked.forget_below(self.sent_packets.first.0);
            self.sent_packets.settled = self.sent_packets.settled.max(self.sent_packets.first);
            self.sent_packets.tail = self.sent_packets.tail.max(self.sent_packets.first);
        }
    }

    /// The next datagram in flight to copy when nothing else is left to send: its number, and the earliest time of the
    /// copy. On a lossy path the last few pieces would otherwise wait a round trip for each retransmission.
    ///
    /// Packets sent more than about half a round trip ago get no copy: their acknowledgement or loss will be known soon
    /// enough. Newer pieces get their first copy at once; stream frames and second copies wait half a round trip.
    pub(in crate::reliable) fn tail_candidate(&mut self, now: Time) -> Option<(PacketNumber, Time)> {
        let spacing = self.rtt.smoothed() / TAIL_SPACING;
        if self.tail_at.is_none() {
            let recent = now - self.rtt.smoothed() * 9 / 16;
            let end = self.sent_packets.end();
            let old =
                self.sent_packets.sent.iter().rev().take_while(|sent| sent.time >= recent).count() as u64;
            self.sent_packets.tail = self.sent_packets.tail.max(PacketNumber(end.0 - old));
        }
        while let Some(sent) = self.sent_packets.sent.get(self.sent_packets.index(self.sent_packets.tail)) {
            let open = sent.state == PacketState::InFlight && (sent.piece.is_some() || sent.stream.is_some());
            if open && !sent.copied && sent.copies < TAIL_COPIES {
                let at_once = sent.copies == 0 && sent.piece.is_some();
                let wait = if at_once { Duration::ZERO } else { spacing };
                return Some((self.sent_packets.tail, sent.time + wait));
            }
            self.sent_packets.tail += 1;
        }
        None
    }

    /// The candidate to copy, which is marked as copied; `None` if it does not fit into `room` bytes. If it would not
    /// fit into `most` bytes either, it is no candidate any more.
    pub(in crate::reliable) fn take_copy(
        &mut self,
        number: PacketNumber,
        room: usize,
        most: usize,
    ) -> Option<SentPacket> {
        let sent = self.sent_packets.sent.get_mut(self.sent_packets.index(number))?;
        let piece = sent.piece.as_ref().map_or(0, |piece| piece.bytes.len() + BLOCK_OVERHEAD);
        let frames =
            sent.stream.as_ref().map_or(0, |range| (range.end - range.start) as usize + STREAM_OVERHEAD);
        if piece + frames > room {
            if piece + frames > most {
                sent.copies = TAIL_COPIES;
            }
            return None;
        }
        sent.copied = true;
        Some(sent.clone())
    }

    /// When the probe timer fires; `None` if nothing is outstanding.
    pub(super) fn probe_deadline(&self) -> Option<Time> {
        let closing = matches!(self.state, State::Closing { .. });
        if self.sent_packets.eliciting == 0 && !self.send_side.is_blocked_by_peer() && !closing {
            return None;
        }
        let timeout = self.rtt.probe_timeout(ACK_DELAY);
        let doubled = timeout * 2u32.pow(self.sent_packets.probe_count.min(BACKOFF_LIMIT));
        let timeout = doubled.min(PROBE_MOST.max(timeout));
        Some(self.sent_packets.last_eliciting + timeout)
    }

    /// When the peer is given up; `None` if it owes neither an acknowledgement nor credit.
    pub(super) fn silence_deadline(&self) -> Option<Time> {
        // A peer that sends but acknowledges nothing counts as silent.
        let owed = self.sent_packets.eliciting > 0;
        let heard =
            if owed { self.sent_packets.acked_at.max(self.sent_packets.first_owed()) } else { self.heard };
        (owed || self.send_side.is_blocked_by_peer()).then(|| heard + self.config.give_up)
    }

    /// Begins with this packet number, as if all lower ones had been sent.
    #[cfg(test)]
    pub(in crate::reliable) fn begin_numbers_at(&mut self, number: PacketNumber) {
        self.send_side.next_number = number;
        (self.sent_packets.first, self.sent_packets.settled, self.sent_packets.tail) =
            (number, number, number);
    }

    /// Sends the oldest unacknowledged data again, regardless of the congestion window; nothing is declared lost yet.
    pub(super) fn probe(&mut self, now: Time) {
        self.sent_packets.probe_count += 1;
        self.mtu.doubt(self.sent_packets.probe_count);
        self.sent_packets.last_eliciting = now;
        self.send_side.probes = PROBES;
        self.send_side.ping = true;
        let from = self.sent_packets.index(self.sent_packets.settled);
        let oldest: Vec<_> = self
            .sent_packets
            .sent
            .range_mut(from..)
            .zip(self.sent_packets.settled.0..)
            .filter(|(sent, _)| {
                sent.state == PacketState::InFlight
                    && (sent.stream.is_some() || sent.piece.is_some() && !sent.copied)
            })
            .take(usize::from(PROBES))
            .map(|(sent, number)| {
                let again = !std::mem::replace(&mut sent.copied, true);
                (sent.stream.clone(), sent.piece.clone().filter(|_| again), PacketNumber(number))
            })
            .collect();
        for (stream, piece, number) in oldest {
            self.retransmit(stream, piece, Again { cause: Cause::Probe, number });
        }
    }
}
