//! The parts of a session that only a conversation has: lines that its user gives it, and lines that it received. A
//! session that neither speaks nor hears has none of them.

use std::collections::VecDeque;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::HEARD_LIMIT;
use crate::report::Failure;

/// Lines that may wait to be taken by the session's task.
const OUTGOING_LIMIT: usize = 64;

/// A line given to a session with `say`, and the channel for the result.
pub type OutgoingLine = (String, oneshot::Sender<Result<(), Failure>>);

/// The way of a line from `say` to the task that sends it.
#[derive(Debug)]
pub(super) struct Outgoing {
    sender: mpsc::Sender<OutgoingLine>,
    receiver: Mutex<mpsc::Receiver<OutgoingLine>>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(OUTGOING_LIMIT);
        Self { sender, receiver: Mutex::new(receiver) }
    }

    /// Hands a line to the session's task; returns where its answer will arrive.
    pub(super) async fn send(&self, text: String) -> Option<oneshot::Receiver<Result<(), Failure>>> {
        let (answer, taken) = oneshot::channel();
        self.sender.send((text, answer)).await.ok()?;
        Some(taken)
    }

    /// The next line.
    pub(super) async fn next(&self) -> Option<OutgoingLine> {
        self.receiver.lock().await.recv().await
    }
}

/// Lines that a session received.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Not yet consumed by `says`.
    lines: VecDeque<String>,
    unread: u64,
}

impl Inbox {
    /// Keeps a line; beyond [`HEARD_LIMIT`] the oldest is dropped.
    pub(super) fn push(&mut self, text: &str) {
        if self.lines.len() == HEARD_LIMIT {
            self.lines.pop_front();
        }
        self.lines.push_back(text.into());
        self.unread += 1;
    }

    /// Lines that the user has not seen.
    pub(super) const fn unread(&self) -> u64 {
        self.unread
    }

    /// The user has seen all of them.
    pub(super) const fn read(&mut self) {
        self.unread = 0;
    }

    /// Consumes the lines up to and including the first one that contains `text`; if none does, false, and nothing is
    /// consumed.
    pub(super) fn consume(&mut self, text: &str) -> bool {
        let Some(index) = self.lines.iter().position(|line| line.contains(text)) else { return false };
        self.lines.drain(..=index);
        true
    }

    /// The last `most` lines, newest last.
    pub(super) fn last(&self, most: usize) -> Vec<String> {
        self.lines.iter().rev().take(most).rev().cloned().collect()
    }
}
