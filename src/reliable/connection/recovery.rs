//! What a connection does about acknowledgements and losses: loss by time threshold, probes (RFC 9002, section 6).

use std::ops::Range;
use std::time::Duration;

use super::{Connection, State};
use crate::base::Time;
use crate::reliable::Ending;
use crate::reliable::congestion::controller::Delivery;
use crate::reliable::receive_side::ACK_DELAY;
use crate::reliable::recovery::sent_packets::{Fate, News, Sent};
use crate::reliable::segment::Piece;
use crate::reliable::send_side::STREAM_OVERHEAD;
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
    pub(in crate::reliable) fn register(&mut self, now: Time, number: u64, size: usize, mut sent: Sent) {
        debug_assert_eq!(
            number,
            self.flight.first + self.flight.sent.len() as u64,
            "numbers are given in order"
        );
        if sent.eliciting {
            sent.size = size;
            sent.delivered_before = self.flight.delivered;
            sent.idle = !self.sending.wants();
            sent.phase = self.congestion.phase();
            self.flight.bytes += size;
            self.flight.eliciting += 1;
            self.flight.last_eliciting = now;
            self.sending.departed(sent.piece.as_ref());
            self.congestion.on_sent(now, size, &self.rtt);
        } else {
            sent.fate = Fate::Acked;
        }
        self.flight.sent.push_back(sent);
        self.forget_settled(now);
    }

    /// Records a packet number that is skipped.
    pub(in crate::reliable) fn skip_number(&mut self, now: Time) {
        self.flight.sent.push_back(Sent { fate: Fate::Skipped, ..Sent::at(now) });
    }

    /// Handles an ACK frame: round trip, losses, limits of the peer, congestion control.
    pub(in crate::reliable) fn handle_ack(&mut self, now: Time, ack: &Ack) {
        self.sending.set_limits(Credit { stream: ack.stream_limit, block: ack.block_limit });
        let largest = ack.ranges[0].end - 1;
        if largest >= self.sending.next_number {
            return self.end(Ending::Misbehaved("it acknowledged what was never sent"));
        }
        let mut news = News::default();
        for range in ack.ranges.iter().rev() {
            let mut at = range.start.max(self.flight.first);
            while at < range.end {
                if let Some(known) = self.flight.acked.end_of(at) {
                    at = known;
                    continue;
                }
                if !self.acknowledge(now, at, &mut news) {
                    return self.end(Ending::Misbehaved("it acknowledged what was never sent"));
                }
                at += 1;
            }
            let start = range.start.max(self.flight.first);
            if start < range.end {
                self.flight.acked.insert_range(start..range.end);
            }
        }
        if news.packets > 0 {
            self.flight.acked_at = now;
            self.flight.probe_count = 0;
        }
        if self.flight.largest_acked.is_none_or(|known| largest > known) {
            if let Some((sent, ..)) = news.newest {
                let delay = Duration::from_micros(ack.delay_micros.min(1_000_000));
                self.rtt.sample(now, now.since(sent), delay);
            }
            self.flight.largest_acked = Some(largest);
        }
        self.detect_losses(now);
        if ack.marked > self.flight.marked {
            self.flight.marked = ack.marked;
            self.congestion.on_marked(now, news.newest.map_or(now, |(sent, ..)| sent));
        }
        if let Some((_, delivered_before, idle)) = news.newest {
            let delivery = Delivery {
                acked: news.bytes,
                delivered_before,
                delivered: self.flight.delivered,
                idle,
                in_flight: self.flight.bytes,
            };
            self.congestion.on_delivery(now, &delivery, &self.rtt);
        }
        self.forget_settled(now);
    }

    /// Marks one packet as acknowledged; false if it was never sent.
    pub(super) fn acknowledge(&mut self, now: Time, number: u64, news: &mut News) -> bool {
        let index = (number - self.flight.first) as usize;
        let Some(sent) = self.flight.sent.get_mut(index) else { return true };
        let before = std::mem::replace(&mut sent.fate, Fate::Acked);
        if !sent.eliciting {
            return before != Fate::Skipped;
        }
        let (piece, stream, size, phase) = (sent.piece.take(), sent.stream.take(), sent.size, sent.phase);
        let seen = (sent.time, sent.delivered_before, sent.idle);
        match before {
            Fate::Acked => return true,
            Fate::Skipped => return false,
            Fate::Lost => {
                // It was only late: wait longer before the next packets are declared lost.
                let late = now.since(seen.0);
                let late = (late * 9 / 8).min(self.rtt.smoothed() * 2);
                // In whole microseconds, as `Time` counts.
                self.flight.lateness =
                    self.flight.lateness.max(Duration::from_micros(late.as_micros() as u64));
                self.congestion.on_late(phase);
            }
            Fate::InFlight => {
                self.flight.bytes -= size;
                self.flight.eliciting -= 1;
                self.sending.landed(piece.as_ref());
                self.mtu.settle(now, number, true, self.rtt.smoothed());
                self.congestion.on_acked(phase);
            }
        }
        self.sending.arrived(now, piece.as_ref());
        self.flight.delivered += size as u64;
        if let Some(range) = stream {
            self.sending.stream.on_acked(range);
        }
        news.packets += 1;
        news.bytes += size as u64;
        if news.newest.is_none_or(|(time, ..)| seen.0 >= time) {
            news.newest = Some(seen);
        }
        true
    }

    /// Declares packets lost by time, and sets the timer for the first that is not late enough yet: those after it were
    /// sent later.
    pub(super) fn detect_losses(&mut self, now: Time) {
        self.flight.loss_at = None;
        let Some(largest) = self.flight.largest_acked else { return };
        let delay = self.rtt.loss_delay().max(self.flight.lateness);
        while self.flight.settled < largest {
            let number = self.flight.settled;
            let index = (number - self.flight.first) as usize;
            let sent = &mut self.flight.sent[index];
            if sent.fate == Fate::InFlight {
                if now.since(sent.time) < delay {
                    self.flight.loss_at = Some(sent.time + delay);
                    return;
                }
                sent.fate = Fate::Lost;
                let (size, time, phase, copied) = (sent.size, sent.time, sent.phase, sent.copied);
                let (stream, piece) = (sent.stream.clone(), sent.piece.clone());
                self.flight.bytes -= size;
                self.flight.eliciting -= 1;
                self.stats.lost += 1;
                self.sending.landed(piece.as_ref());
                if let (Some(textbook), Some(piece)) = (&mut self.sending.textbook, &piece) {
                    textbook.on_lost(piece.number, time);
                }
                self.retransmit(stream, piece.filter(|_| !copied));
                if self.mtu.settle(now, number, false, self.rtt.smoothed()) {
                    self.congestion.on_acked(phase);
                } else {
                    self.congestion.on_lost(now, phase, time);
                }
            }
            self.flight.settled += 1;
        }
    }

    /// Queues content for retransmission; pieces of a textbook ARQ are repeated by their own window.
    pub(super) fn retransmit(&mut self, stream: Option<Range<u64>>, piece: Option<Piece>) {
        if let Some(range) = stream {
            self.sending.stream.on_lost(range);
        }
        if let Some(piece) = piece.filter(|_| self.sending.textbook.is_none()) {
            self.sending.lost.push_back(piece);
        }
    }

    /// Drops acknowledged packets from the front; a lost or skipped one is kept for two round trips after its time, in
    /// case an acknowledgement comes late.
    pub(super) fn forget_settled(&mut self, now: Time) {
        let patience = self.rtt.smoothed() * 2;
        let before = self.flight.first;
        while let Some(sent) = self.flight.sent.front() {
            let forgotten = match sent.fate {
                Fate::Acked => true,
                Fate::Lost | Fate::Skipped => now.since(sent.time) > patience,
                Fate::InFlight => false,
            };
            if !forgotten {
                break;
            }
            self.flight.sent.pop_front();
            self.flight.first += 1;
        }
        if self.flight.first != before {
            self.flight.acked.forget_below(self.flight.first);
            self.flight.settled = self.flight.settled.max(self.flight.first);
            self.flight.tail = self.flight.tail.max(self.flight.first);
        }
    }

    /// The next datagram in flight to copy when nothing else is left to send: its number, and the earliest time of the
    /// copy. On a lossy path the last few pieces would otherwise wait a round trip for each retransmission.
    ///
    /// Packets sent more than about half a round trip ago get no copy: their acknowledgement or loss will be known soon
    /// enough. Newer pieces get their first copy at once; stream frames and second copies wait half a round trip.
    pub(in crate::reliable) fn tail_candidate(&mut self, now: Time) -> Option<(u64, Time)> {
        let spacing = self.rtt.smoothed() / TAIL_SPACING;
        if self.tail_at.is_none() {
            let recent = now - self.rtt.smoothed() * 9 / 16;
            let end = self.flight.first + self.flight.sent.len() as u64;
            let old = self.flight.sent.iter().rev().take_while(|sent| sent.time >= recent).count() as u64;
            self.flight.tail = self.flight.tail.max(end - old);
        }
        while let Some(sent) = self.flight.sent.get((self.flight.tail - self.flight.first) as usize) {
            let open = sent.fate == Fate::InFlight && (sent.piece.is_some() || sent.stream.is_some());
            if open && !sent.copied && sent.copies < TAIL_COPIES {
                let at_once = sent.copies == 0 && sent.piece.is_some();
                let wait = if at_once { Duration::ZERO } else { spacing };
                return Some((self.flight.tail, sent.time + wait));
            }
            self.flight.tail += 1;
        }
        None
    }

    /// The candidate to copy, which is marked as copied; `None` if it does not fit into `room` bytes. If it would not
    /// fit into `most` bytes either, it is no candidate any more.
    pub(in crate::reliable) fn take_copy(&mut self, number: u64, room: usize, most: usize) -> Option<Sent> {
        let sent = self.flight.sent.get_mut((number - self.flight.first) as usize)?;
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
        if self.flight.eliciting == 0 && !self.sending.is_blocked_by_peer() && !closing {
            return None;
        }
        let timeout = self.rtt.probe_timeout(ACK_DELAY);
        let doubled = timeout * 2u32.pow(self.flight.probe_count.min(BACKOFF_LIMIT));
        let timeout = doubled.min(PROBE_MOST.max(timeout));
        Some(self.flight.last_eliciting + timeout)
    }

    /// When the peer is given up; `None` if it owes neither an acknowledgement nor credit.
    pub(super) fn silence_deadline(&self) -> Option<Time> {
        // A peer that sends but acknowledges nothing counts as silent.
        let owed = self.flight.eliciting > 0;
        let heard = if owed { self.flight.acked_at.max(self.flight.first_owed()) } else { self.heard };
        (owed || self.sending.is_blocked_by_peer()).then(|| heard + self.config.give_up)
    }

    /// Begins with this packet number, as if all lower ones had been sent.
    #[cfg(test)]
    pub(in crate::reliable) fn begin_numbers_at(&mut self, number: u64) {
        self.sending.next_number = number;
        (self.flight.first, self.flight.settled, self.flight.tail) = (number, number, number);
    }

    /// All timers in one line, for a test that hangs.
    #[cfg(test)]
    pub(in crate::reliable) fn describe_deadlines(&self) -> String {
        format!(
            "loss {:?} probe {:?} silence {:?} ack {:?} pace {:?} tail {:?} wants {} heard {:?} eliciting {:?} {:?}",
            self.flight.loss_at,
            self.probe_deadline(),
            self.silence_deadline(),
            self.receiving.ack_deadline(),
            self.pace_deadline(),
            self.tail_at,
            self.sending.describe(),
            self.heard,
            self.flight.last_eliciting,
            self.state,
        )
    }

    /// The earliest timer of an established connection.
    pub(in crate::reliable) fn recovery_deadline(&self) -> Option<Time> {
        let keep_alive = Some(self.heard.max(self.flight.last_eliciting) + self.config.keep_alive);
        [
            self.flight.loss_at,
            self.probe_deadline(),
            self.silence_deadline(),
            self.receiving.ack_deadline(),
            self.pace_deadline(),
            self.sending.textbook.as_ref().and_then(|textbook| textbook.deadline(&self.rtt)),
            keep_alive,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what the timers of an established connection ask for: loss detection, probes, keep-alive, giving up.
    pub(in crate::reliable) fn handle_recovery_timeout(&mut self, now: Time) {
        if self.silence_deadline().is_some_and(|at| now >= at) {
            return self.vanished(now);
        }
        if let Some(textbook) = &mut self.sending.textbook {
            textbook.on_timeout(now, &self.rtt);
        }
        if self.flight.loss_at.is_some_and(|at| now >= at) {
            self.detect_losses(now);
        }
        if self.probe_deadline().is_some_and(|at| now >= at) {
            self.probe(now);
        } else if now >= self.heard.max(self.flight.last_eliciting) + self.config.keep_alive {
            self.sending.ping = true;
        }
    }

    /// Sends the oldest unacknowledged data again, regardless of the congestion window; nothing is declared lost yet.
    pub(super) fn probe(&mut self, now: Time) {
        self.flight.probe_count += 1;
        self.mtu.doubt(self.flight.probe_count);
        self.flight.last_eliciting = now;
        self.sending.probes = PROBES;
        self.sending.ping = true;
        let from = (self.flight.settled - self.flight.first) as usize;
        let oldest: Vec<_> = self
            .flight
            .sent
            .range_mut(from..)
            .filter(|sent| {
                sent.fate == Fate::InFlight && (sent.stream.is_some() || sent.piece.is_some() && !sent.copied)
            })
            .take(usize::from(PROBES))
            .map(|sent| {
                let again = !std::mem::replace(&mut sent.copied, true);
                (sent.stream.clone(), sent.piece.clone().filter(|_| again))
            })
            .collect();
        for (stream, piece) in oldest {
            self.retransmit(stream, piece);
        }
    }
}
