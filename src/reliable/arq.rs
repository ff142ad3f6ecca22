//! The textbook ARQ methods, for comparison with the default, which fills the path: selective repeat with a window,
//! go-back-N, and stop-and-wait, which is go-back-N with a window of one. With go-back-N the receiver takes pieces in
//! order only and drops the rest; when the oldest piece is not acknowledged in time, the sender sends the whole window
//! again. With selective repeat the receiver takes pieces in any order, and the sender repeats only the lost ones.

use std::collections::VecDeque;
use std::time::Duration;

use super::recovery::rtt::Rtt;
use super::segment::{Again, Segment};
use crate::base::Time;
use crate::record::Cause;
use crate::wire::datagram::UNIT;
use crate::wire::{PacketNumber, SegmentNumber};

/// How lost blocks are retransmitted, as named by `arq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arq {
    /// Only what was lost is sent again; congestion control decides how much is in flight.
    #[default]
    Selective,
    /// The same with a window of this number of pieces, counted from the oldest unacknowledged one.
    SelectiveRepeat(u32),
    /// A window of this number of pieces; after a loss, all from the lost one on are sent again.
    GoBackN(u32),
    /// One piece in flight.
    StopAndWait,
}

impl Arq {
    /// Window in pieces; `None` for the default, which has none.
    const fn window(self) -> Option<usize> {
        match self {
            Self::Selective => None,
            Self::SelectiveRepeat(window) | Self::GoBackN(window) => Some(window as usize),
            Self::StopAndWait => Some(1),
        }
    }

    /// True if the receiver drops pieces that come after a gap.
    pub(super) const fn is_in_order(self) -> bool {
        matches!(self, Self::GoBackN(_) | Self::StopAndWait)
    }
}

/// Pacing rate relative to the rate measured on the link: a little faster.
const PACE_GAIN: f64 = 1.02;

/// A piece in the window, and when it was last sent.
#[derive(Debug)]
struct WindowSegment {
    piece: Segment,
    sent: Time,
    acked: bool,
    /// It is to be sent again.
    due: bool,
}

impl WindowSegment {
    /// True if it was sent, and is neither acknowledged nor known to be lost.
    const fn is_owed(&self) -> bool {
        !self.acked && !self.due
    }
}

/// The sender of a textbook ARQ: its window.
#[derive(Debug)]
pub(super) struct Textbook {
    /// Most pieces in `waiting`.
    window: usize,
    in_order: bool,
    waiting: VecDeque<WindowSegment>,
    /// Number of pieces, from the front of the window, that were sent since it last went back.
    left: usize,
    /// How many of those are to be sent again; always 0 with go-back-N.
    due: usize,
    /// When the next piece may be sent: the textbook sender sends as fast as the link, and builds no queue.
    pub(super) next_at: Time,
    /// The shortest time between two acknowledged pieces, in microseconds: how long the link takes for a piece.
    spacing: Option<f64>,
    acked_at: Option<Time>,
    /// Pieces that the acknowledgement at hand acknowledged.
    taken: u32,
}

impl Textbook {
    /// `None` for the default, which is not a textbook method.
    pub(super) fn new(arq: Arq) -> Option<Self> {
        let window = arq.window()?;
        Some(Self {
            window,
            in_order: arq.is_in_order(),
            waiting: VecDeque::new(),
            left: 0,
            due: 0,
            next_at: Time::ZERO,
            spacing: None,
            acked_at: None,
            taken: 0,
        })
    }

    /// True if a piece may be sent: one of the window, or a new one if there is `more`.
    pub(super) fn wants(&self, more: bool) -> bool {
        self.due > 0 || self.left < self.waiting.len() || more && self.waiting.len() < self.window
    }

    /// The next piece, which the packet of this number will carry; `fresh` cuts a new one.
    pub(super) fn next(
        &mut self,
        now: Time,
        number: PacketNumber,
        fresh: impl FnOnce() -> Option<Segment>,
    ) -> Option<Segment> {
        let again = if self.due > 0 { self.waiting.iter().position(|waiting| waiting.due) } else { None };
        if let Some(index) = again {
            self.due -= 1;
            self.waiting[index].due = false;
            return Some(self.depart(now, index, number));
        }
        if self.left == self.waiting.len() {
            if self.waiting.len() == self.window {
                return None;
            }
            let piece = fresh()?;
            self.waiting.push_back(WindowSegment { piece, sent: now, acked: false, due: false });
        }
        self.left += 1;
        Some(self.depart(now, self.left - 1, number))
    }

    /// Notes that a piece of the window is sent now, by the packet of this number.
    fn depart(&mut self, now: Time, index: usize, number: PacketNumber) -> Segment {
        if let Some(spacing) = self.spacing {
            self.next_at = self.next_at.max(now) + Duration::from_micros((spacing / PACE_GAIN) as u64);
        }
        let waiting = &mut self.waiting[index];
        waiting.sent = now;
        let piece = waiting.piece.clone();
        // If it goes once more, then because its time is over, unless a gap shows that it is lost.
        waiting.piece.again = Some(Again { cause: Cause::Timeout, number });
        piece
    }

    /// The receiver has this piece and, if it takes pieces in order only, all before it.
    pub(super) fn on_acked(&mut self, number: SegmentNumber) {
        let end = self.waiting.partition_point(|waiting| waiting.piece.number <= number);
        let begin = if self.in_order { 0 } else { end.saturating_sub(1) };
        for waiting in self.waiting.range_mut(begin..end) {
            if waiting.acked || !self.in_order && waiting.piece.number != number {
                continue;
            }
            waiting.acked = true;
            self.due -= usize::from(std::mem::take(&mut waiting.due));
            self.taken += 1;
        }
        while self.waiting.pop_front_if(|waiting| waiting.acked).is_some() {
            self.left = self.left.saturating_sub(1);
        }
    }

    /// The acknowledgement at hand is done: measures how long the link takes for a piece. Several pieces that are
    /// acknowledged together share the time since the acknowledgement before.
    pub(super) fn measure(&mut self, now: Time) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            let since = self.acked_at.replace(now).map_or(Duration::ZERO, |last| now.since(last));
            let spacing = since.as_micros() as f64 / f64::from(taken);
            if spacing > 0.0 {
                self.spacing = Some(self.spacing.map_or(spacing, |known| known.min(spacing)));
            }
        }
    }

    /// A datagram sent at `sent` is lost: its piece is sent again, unless that happened meanwhile.
    pub(super) fn on_lost(&mut self, number: SegmentNumber, sent: Time) {
        if self.in_order {
            return;
        }
        let index = self.waiting.partition_point(|waiting| waiting.piece.number < number);
        if let Some(waiting) = self.waiting.get_mut(index)
            && waiting.piece.number == number
            && waiting.sent <= sent
        {
            let new = waiting.is_owed();
            if let (true, Some(again)) = (new, &mut waiting.piece.again) {
                again.cause = Cause::Gap;
            }
            waiting.due |= new;
            self.due += usize::from(new);
        }
    }

    /// When the oldest unacknowledged piece times out; `None` if there is none.
    pub(super) fn deadline(&self, rtt: &Rtt) -> Option<Time> {
        let left = self.waiting.iter().take(self.left).filter(|waiting| waiting.is_owed());
        left.map(|waiting| waiting.sent).min().map(|oldest| oldest + timeout(rtt))
    }

    /// If it is time: go-back-N goes back, selective repeat marks the pieces that timed out.
    pub(super) fn on_timeout(&mut self, now: Time, rtt: &Rtt) {
        if self.deadline(rtt).is_none_or(|at| now < at) {
            return;
        }
        if self.in_order {
            self.left = 0;
            return;
        }
        for waiting in self.waiting.iter_mut().take(self.left) {
            let late = waiting.is_owed() && waiting.sent + timeout(rtt) <= now;
            waiting.due |= late;
            self.due += usize::from(late);
        }
    }

    /// The window in bytes.
    pub(super) fn window_bytes(&self) -> usize {
        self.window * UNIT
    }

    /// True if every piece in the window is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The retransmission timeout: the round trip and its variation, without ACK delay, since the receiver answers at once.
fn timeout(rtt: &Rtt) -> Duration {
    rtt.probe_timeout(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real network delivers acknowledgements in groups: they say nothing about the time of a single piece.
    #[test]
    fn pieces_that_are_acknowledged_together_share_the_time_between_two_acknowledgements() {
        let mut textbook = Textbook::new(Arq::GoBackN(4)).unwrap();
        let piece = |number| Segment {
            number: SegmentNumber(number),
            offset: 0,
            bytes: vec![0; 10].into(),
            again: None,
        };
        for round in 0..2u64 {
            let now = Time::from_micros(round * 20_000);
            for number in round * 4..round * 4 + 4 {
                textbook.next(now, PacketNumber(number), || Some(piece(number))).unwrap();
            }
            (round * 4..round * 4 + 4).for_each(|number| textbook.on_acked(SegmentNumber(number)));
            textbook.measure(now + Duration::from_millis(20));
        }
        assert_eq!(textbook.spacing, Some(5_000.0));
    }
}
