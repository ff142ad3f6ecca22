//! The textbook's other two ways to repeat what is lost, to be compared with the default (selective repeat): go-back-N and
//! stop-and-wait, which is go-back-N with a window of one. The receiver takes pieces in order only and drops the rest; the
//! sender keeps a window of pieces and, when the oldest is not acknowledged in time, sends all of them again.

use std::collections::VecDeque;
use std::time::Duration;

use super::rtt::Rtt;
use super::send::Piece;
use crate::base::Time;

/// Which machine sends the blocks of a connection; the words are those of `arq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arq {
    /// What is lost is sent again, and nothing else.
    #[default]
    Selective,
    /// So many pieces in flight; from the first that is lost on, all are sent again.
    GoBackN(u32),
    /// One piece in flight.
    StopAndWait,
}

impl Arq {
    const fn window(self) -> Option<usize> {
        match self {
            Self::Selective => None,
            Self::GoBackN(window) => Some(window as usize),
            Self::StopAndWait => Some(1),
        }
    }
}

/// A little faster than the link was seen to be.
const PACE_GAIN: f64 = 1.02;

/// A piece in the window, and when it left last.
#[derive(Debug)]
struct Waiting {
    piece: Piece,
    sent: Time,
}

/// The sender's window.
#[derive(Debug)]
pub(super) struct InOrder {
    window: usize,
    waiting: VecDeque<Waiting>,
    /// Pieces of the window that left since the last time that it went back.
    left: usize,
    /// Pieces that left more than once.
    pub(super) repeated: u64,
    /// The end of what left ever.
    furthest: u64,
    /// When the next one may leave: the textbook's sender sends as fast as the link carries, and leaves no queue.
    pub(super) next_at: Time,
    /// The shortest time between two acknowledged pieces, in microseconds: the link's, for a piece.
    spacing: Option<f64>,
    acked_at: Option<Time>,
}

impl InOrder {
    /// `None` for selective repeat.
    pub(super) fn new(arq: Arq) -> Option<Self> {
        let window = arq.window()?;
        Some(Self {
            window,
            waiting: VecDeque::new(),
            left: 0,
            repeated: 0,
            furthest: 0,
            next_at: Time::ZERO,
            spacing: None,
            acked_at: None,
        })
    }

    /// True if a piece may leave: one of the window, or a new one if there is `more`.
    pub(super) fn wants(&self, more: bool) -> bool {
        self.left < self.waiting.len() || more && self.waiting.len() < self.window
    }

    /// The next piece; `fresh` cuts a new one.
    pub(super) fn next(&mut self, now: Time, fresh: impl FnOnce() -> Option<Piece>) -> Option<Piece> {
        if self.left == self.waiting.len() {
            if self.waiting.len() == self.window {
                return None;
            }
            self.waiting.push_back(Waiting { piece: fresh()?, sent: now });
        }
        let next = &mut self.waiting[self.left];
        next.sent = now;
        if let Some(spacing) = self.spacing {
            self.next_at = self.next_at.max(now) + Duration::from_micros((spacing / PACE_GAIN) as u64);
        }
        self.left += 1;
        let piece = next.piece.clone();
        if piece.number < self.furthest {
            self.repeated += 1;
        }
        self.furthest = self.furthest.max(piece.number + 1);
        Some(piece)
    }

    /// The receiver has this piece, and so all before it.
    pub(super) fn on_acked(&mut self, now: Time, number: u64) {
        let before = self.waiting.len();
        while self.waiting.front().is_some_and(|waiting| waiting.piece.number <= number) {
            self.waiting.pop_front();
            self.left = self.left.saturating_sub(1);
        }
        let taken = before - self.waiting.len();
        if taken > 0 {
            let since = self.acked_at.replace(now).map_or(Duration::ZERO, |last| now.since(last));
            let spacing = since.as_micros() as f64 / taken as f64;
            if spacing > 0.0 {
                self.spacing = Some(self.spacing.map_or(spacing, |known| known.min(spacing)));
            }
        }
    }

    /// When the oldest piece has waited long enough.
    pub(super) fn deadline(&self, rtt: &Rtt) -> Option<Time> {
        let oldest = self.waiting.front().filter(|_| self.left > 0)?;
        Some(oldest.sent + timeout(rtt))
    }

    /// Goes back if it is time.
    pub(super) fn on_timeout(&mut self, now: Time, rtt: &Rtt) {
        if self.deadline(rtt).is_some_and(|at| now >= at) {
            self.left = 0;
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
