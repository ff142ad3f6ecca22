//! The textbook's ways to repeat what is lost, to be compared with the default, which fills the path: selective repeat with
//! a window, go-back-N, and stop-and-wait, which is go-back-N with a window of one. Of go-back-N the receiver takes pieces
//! in order only and drops the rest, and the sender, when the oldest is not acknowledged in time, sends all of them again;
//! of selective repeat the receiver takes them in any order, and the sender repeats what was lost alone.

use std::collections::VecDeque;
use std::time::Duration;

use super::rtt::Rtt;
use super::send::Piece;
use crate::base::Time;

/// Which machine sends the blocks of a connection; the words are those of `arq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arq {
    /// What is lost is sent again, and nothing else; congestion control says how much is in flight.
    #[default]
    Selective,
    /// The same with so many pieces in flight, counted from the oldest that is not acknowledged.
    SelectiveRepeat(u32),
    /// So many pieces in flight; from the first that is lost on, all are sent again.
    GoBackN(u32),
    /// One piece in flight.
    StopAndWait,
}

impl Arq {
    const fn window(self) -> Option<usize> {
        match self {
            Self::Selective => None,
            Self::SelectiveRepeat(window) | Self::GoBackN(window) => Some(window as usize),
            Self::StopAndWait => Some(1),
        }
    }

    /// The receiver drops what is behind a gap.
    pub(super) const fn is_in_order(self) -> bool {
        matches!(self, Self::GoBackN(_) | Self::StopAndWait)
    }
}

/// A little faster than the link was seen to be.
const PACE_GAIN: f64 = 1.02;

/// A piece in the window, and when it left last.
#[derive(Debug)]
struct Waiting {
    piece: Piece,
    sent: Time,
    acked: bool,
    /// It is to be sent again.
    due: bool,
}

impl Waiting {
    /// It left, and nobody knows yet what became of it.
    const fn is_owed(&self) -> bool {
        !self.acked && !self.due
    }
}

/// The sender's window.
#[derive(Debug)]
pub(super) struct Textbook {
    window: usize,
    in_order: bool,
    waiting: VecDeque<Waiting>,
    /// Pieces of the window that left, since the last time that it went back.
    left: usize,
    /// Pieces among those that are to be sent again: none, where it goes back instead.
    due: usize,
    /// When the next one may leave: the textbook's sender sends as fast as the link carries, and leaves no queue.
    pub(super) next_at: Time,
    /// The shortest time between two acknowledged pieces, in microseconds: the link's, for a piece.
    spacing: Option<f64>,
    acked_at: Option<Time>,
}

impl Textbook {
    /// `None` for the default.
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
        })
    }

    /// True if a piece may leave: one of the window, or a new one if there is `more`.
    pub(super) fn wants(&self, more: bool) -> bool {
        self.due > 0 || self.left < self.waiting.len() || more && self.waiting.len() < self.window
    }

    /// The next piece; `fresh` cuts a new one.
    pub(super) fn next(&mut self, now: Time, fresh: impl FnOnce() -> Option<Piece>) -> Option<Piece> {
        let again = if self.due > 0 { self.waiting.iter().position(|waiting| waiting.due) } else { None };
        if let Some(index) = again {
            self.due -= 1;
            self.waiting[index].due = false;
            return Some(self.depart(now, index));
        }
        if self.left == self.waiting.len() {
            if self.waiting.len() == self.window {
                return None;
            }
            self.waiting.push_back(Waiting { piece: fresh()?, sent: now, acked: false, due: false });
        }
        self.left += 1;
        Some(self.depart(now, self.left - 1))
    }

    fn depart(&mut self, now: Time, index: usize) -> Piece {
        if let Some(spacing) = self.spacing {
            self.next_at = self.next_at.max(now) + Duration::from_micros((spacing / PACE_GAIN) as u64);
        }
        self.waiting[index].sent = now;
        self.waiting[index].piece.clone()
    }

    /// The receiver has this piece, and where it takes them in order all before it.
    pub(super) fn on_acked(&mut self, now: Time, number: u64) {
        let end = self.waiting.partition_point(|waiting| waiting.piece.number <= number);
        let begin = if self.in_order { 0 } else { end.saturating_sub(1) };
        let mut taken = 0;
        for waiting in self.waiting.range_mut(begin..end) {
            if waiting.acked || !self.in_order && waiting.piece.number != number {
                continue;
            }
            waiting.acked = true;
            self.due -= usize::from(std::mem::take(&mut waiting.due));
            taken += 1;
        }
        while self.waiting.pop_front_if(|waiting| waiting.acked).is_some() {
            self.left = self.left.saturating_sub(1);
        }
        if taken > 0 {
            let since = self.acked_at.replace(now).map_or(Duration::ZERO, |last| now.since(last));
            let spacing = since.as_micros() as f64 / f64::from(taken);
            if spacing > 0.0 {
                self.spacing = Some(self.spacing.map_or(spacing, |known| known.min(spacing)));
            }
        }
    }

    /// A datagram that left at `sent` is lost: its piece goes again, unless it went meanwhile.
    pub(super) fn on_lost(&mut self, number: u64, sent: Time) {
        if self.in_order {
            return;
        }
        let index = self.waiting.partition_point(|waiting| waiting.piece.number < number);
        if let Some(waiting) = self.waiting.get_mut(index)
            && waiting.piece.number == number
            && waiting.sent <= sent
        {
            let new = waiting.is_owed();
            waiting.due |= new;
            self.due += usize::from(new);
        }
    }

    /// When the oldest piece has waited long enough.
    pub(super) fn deadline(&self, rtt: &Rtt) -> Option<Time> {
        let left = self.waiting.iter().take(self.left).filter(|waiting| waiting.is_owed());
        left.map(|waiting| waiting.sent).min().map(|oldest| oldest + timeout(rtt))
    }

    /// Goes back, or repeats what waited too long, if it is time.
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

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The receiver answers at once: no longer than the round trip and what it varies by.
fn timeout(rtt: &Rtt) -> Duration {
    rtt.probe_timeout(Duration::ZERO)
}
