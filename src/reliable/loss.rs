//! What is in flight: acknowledgement, loss by packet and time threshold, probes (RFC 9002, section 6).

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::Ending;
use super::congestion::Delivery;
use super::connection::{Connection, State};
use super::receive::ACK_DELAY;
use super::send::Piece;
use crate::base::Time;
use crate::wire::datagram::{Ack, Credit};

/// Packets that may overtake one before it counts as lost (section 6.1.1); grows when that was wrong.
const PACKET_THRESHOLD: u64 = 3;
const PACKET_THRESHOLD_LIMIT: u64 = 64;
/// The probe timeout doubles this often at most: a lossy path must not end in silence.
const BACKOFF_LIMIT: u32 = 4;
/// Datagrams sent when the probe timer fires.
const PROBES: u8 = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    InFlight,
    Acked,
    Lost,
}

/// A datagram that was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub(super) time: Time,
    /// The peer must acknowledge it.
    pub(super) eliciting: bool,
    pub(super) stream: Option<Range<u64>>,
    pub(super) piece: Option<Piece>,
    size: usize,
    fate: Fate,
    delivered_before: u64,
    delivered_at: Time,
    idle: bool,
}

impl Sent {
    pub(super) fn at(time: Time) -> Self {
        Self { time, ..Self::default() }
    }
}

/// Datagrams whose fate is open, by packet number.
#[derive(Debug)]
pub(super) struct InFlight {
    sent: VecDeque<Sent>,
    first: u64,
    /// Bytes of eliciting datagrams that are neither acknowledged nor lost.
    pub(super) bytes: usize,
    eliciting: usize,
    largest_acked: Option<u64>,
    pub(super) delivered: u64,
    delivered_at: Time,
    last_eliciting: Time,
    probe_count: u32,
    threshold: u64,
    loss_at: Option<Time>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            sent: VecDeque::new(),
            first: 0,
            bytes: 0,
            eliciting: 0,
            largest_acked: None,
            delivered: 0,
            delivered_at: Time::ZERO,
            last_eliciting: Time::ZERO,
            probe_count: 0,
            threshold: PACKET_THRESHOLD,
            loss_at: None,
        }
    }
}

impl Connection {
    pub(super) fn register(&mut self, now: Time, number: u64, size: usize, mut sent: Sent) {
        debug_assert_eq!(
            number,
            self.flight.first + self.flight.sent.len() as u64,
            "numbers are given in order"
        );
        if sent.eliciting {
            if self.flight.eliciting == 0 {
                self.flight.delivered_at = now;
            }
            sent.size = size;
            sent.delivered_before = self.flight.delivered;
            sent.delivered_at = self.flight.delivered_at;
            sent.idle = !self.sending.wants();
            self.flight.bytes += size;
            self.flight.eliciting += 1;
            self.flight.last_eliciting = now;
            self.congestion.on_sent(now, size, &self.rtt);
        } else {
            sent.fate = Fate::Acked;
        }
        self.flight.sent.push_back(sent);
        self.forget_settled(now);
    }

    pub(super) fn handle_ack(&mut self, now: Time, ack: &Ack) {
        self.sending.set_limits(Credit { stream: ack.stream_limit, block: ack.block_limit });
        let largest = ack.ranges[0].end - 1;
        if largest >= self.sending.next_number {
            return self.end(Ending::Misbehaved("it acknowledged what was never sent"));
        }
        let mut newest: Option<Sent> = None;
        let mut count = 0;
        for range in ack.ranges.iter().rev() {
            for number in range.start.max(self.flight.first)..range.end {
                if let Some(sent) = self.acknowledge(now, number) {
                    count += 1;
                    newest = Some(sent).filter(|_| number == largest).or(newest);
                }
            }
        }
        if count > 0 {
            self.flight.probe_count = 0;
            self.congestion.on_acked(count);
        }
        if let Some(sent) = newest {
            if self.flight.largest_acked.is_none_or(|known| largest > known) {
                self.rtt.sample(now.since(sent.time), Duration::from_micros(ack.delay_micros.min(1_000_000)));
            }
            let delivery = Delivery {
                bytes: self.flight.delivered - sent.delivered_before,
                interval: now.since(sent.delivered_at).max(now.since(sent.time)),
                delivered_before: sent.delivered_before,
                delivered: self.flight.delivered,
                idle: sent.idle,
            };
            self.congestion.on_delivery(now, &delivery, &self.rtt);
        }
        self.flight.largest_acked = self.flight.largest_acked.max(Some(largest));
        self.detect_losses(now);
        self.forget_settled(now);
    }

    /// Marks one packet; what it was, if this is news.
    fn acknowledge(&mut self, now: Time, number: u64) -> Option<Sent> {
        let index = usize::try_from(number.checked_sub(self.flight.first)?).ok()?;
        let sent = self.flight.sent.get_mut(index)?;
        let before = std::mem::replace(&mut sent.fate, Fate::Acked);
        let news = Sent { piece: None, ..sent.clone() };
        let piece = sent.piece.take();
        match before {
            Fate::Acked => return None,
            Fate::Lost => {
                // It only came late: be more patient, and do not send it again if it still waits.
                self.flight.threshold = (self.flight.threshold * 2).min(PACKET_THRESHOLD_LIMIT);
                if let Some(piece) = piece {
                    self.sending.lost.retain(|waiting| waiting.number != piece.number);
                }
            }
            Fate::InFlight => {
                self.flight.bytes -= news.size;
                self.flight.eliciting -= 1;
            }
        }
        self.flight.delivered += news.size as u64;
        self.flight.delivered_at = now;
        if let Some(range) = news.stream.clone() {
            self.sending.stream.on_acked(range);
        }
        Some(news)
    }

    /// Packet threshold, then time threshold; sets the timer for those that are not yet late enough.
    fn detect_losses(&mut self, now: Time) {
        self.flight.loss_at = None;
        let Some(largest) = self.flight.largest_acked else { return };
        let delay = self.rtt.loss_delay();
        let mut lost = 0;
        for index in 0..self.flight.sent.len() {
            let number = self.flight.first + index as u64;
            if number >= largest {
                break;
            }
            let sent = &mut self.flight.sent[index];
            if sent.fate != Fate::InFlight {
                continue;
            }
            if largest - number < self.flight.threshold && now.since(sent.time) < delay {
                self.flight.loss_at =
                    Some(self.flight.loss_at.map_or(sent.time + delay, |at| at.min(sent.time + delay)));
                continue;
            }
            sent.fate = Fate::Lost;
            let (size, stream, piece) = (sent.size, sent.stream.clone(), sent.piece.clone());
            self.flight.bytes -= size;
            self.flight.eliciting -= 1;
            lost += 1;
            self.retransmit(stream, piece);
        }
        if lost > 0 {
            self.stats.lost += lost as u64;
            self.congestion.on_lost(lost);
        }
    }

    fn retransmit(&mut self, stream: Option<Range<u64>>, piece: Option<Piece>) {
        if let Some(range) = stream {
            self.sending.stream.on_lost(range);
        }
        if let Some(piece) = piece {
            self.stats.retransmitted += 1;
            self.sending.lost.push_back(piece);
        }
    }

    /// Drops settled packets from the front; a lost one stays for a while, for its late acknowledgement.
    fn forget_settled(&mut self, now: Time) {
        let patience = self.rtt.smoothed() * 2;
        while let Some(sent) = self.flight.sent.front() {
            let settled = match sent.fate {
                Fate::Acked => true,
                Fate::Lost => now.since(sent.time) > patience,
                Fate::InFlight => false,
            };
            if !settled {
                break;
            }
            self.flight.sent.pop_front();
            self.flight.first += 1;
        }
    }

    fn probe_deadline(&self) -> Option<Time> {
        let closing = matches!(self.state, State::Closing { .. });
        if self.flight.eliciting == 0 && !self.sending.is_blocked_by_peer() && !closing {
            return None;
        }
        let timeout =
            self.rtt.probe_timeout(ACK_DELAY) * 2u32.pow(self.flight.probe_count.min(BACKOFF_LIMIT));
        Some(self.flight.last_eliciting + timeout)
    }

    /// The peer owes an answer and is silent since when it was last heard.
    fn silence_deadline(&self) -> Option<Time> {
        let owed = self.flight.eliciting > 0 || self.sending.is_blocked_by_peer();
        owed.then(|| self.heard.max(self.flight.first_owed()) + self.config.give_up)
    }

    /// Which timer is set for when, for a test that hangs.
    #[cfg(test)]
    pub(super) fn describe_deadlines(&self) -> String {
        format!(
            "loss {:?} probe {:?} silence {:?} ack {:?} pace {:?} heard {:?} eliciting {:?} {:?}",
            self.flight.loss_at,
            self.probe_deadline(),
            self.silence_deadline(),
            self.receiving.ack_deadline(),
            self.pace_deadline(),
            self.heard,
            self.flight.last_eliciting,
            self.state,
        )
    }

    pub(super) fn recovery_deadline(&self) -> Option<Time> {
        let keep_alive = Some(self.heard.max(self.flight.last_eliciting) + self.config.keep_alive);
        [
            self.flight.loss_at,
            self.probe_deadline(),
            self.silence_deadline(),
            self.receiving.ack_deadline(),
            self.pace_deadline(),
            keep_alive,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_recovery_timeout(&mut self, now: Time) {
        if self.silence_deadline().is_some_and(|at| now >= at) {
            return self.vanished(now);
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

    /// Sends the oldest unacknowledged data again, beyond the window; nothing counts as lost yet.
    fn probe(&mut self, now: Time) {
        self.flight.probe_count += 1;
        self.flight.last_eliciting = now;
        self.sending.probes = PROBES;
        self.sending.ping = true;
        let oldest: Vec<_> = self
            .flight
            .sent
            .iter()
            .filter(|sent| sent.fate == Fate::InFlight && (sent.piece.is_some() || sent.stream.is_some()))
            .take(usize::from(PROBES))
            .map(|sent| (sent.stream.clone(), sent.piece.clone()))
            .collect();
        for (stream, piece) in oldest {
            let waits = piece
                .as_ref()
                .is_some_and(|piece| self.sending.lost.iter().any(|lost| lost.number == piece.number));
            self.retransmit(stream, piece.filter(|_| !waits));
        }
    }
}

impl InFlight {
    /// True if the peer has acknowledged all that must be.
    pub(super) fn is_idle(&self) -> bool {
        self.eliciting == 0
    }

    /// When the oldest packet that is still owed an answer was sent.
    fn first_owed(&self) -> Time {
        self.sent.iter().find(|sent| sent.fate == Fate::InFlight).map_or(Time::ZERO, |sent| sent.time)
    }
}
