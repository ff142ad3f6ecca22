//! The parts of a session that only a conversation has: what its user gives it to send, and what it received. A session
//! that neither speaks nor hears has none of them.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::HEARD_LIMIT;
use crate::report::Failure;

/// What may wait to be taken by the session's task.
const OUTGOING_LIMIT: usize = 64;

/// What a session can be told to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Lines of text: a chat.
    Lines,
    /// Any bytes, and the end of them: a raw connection.
    Bytes,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Utterance {
    /// A line of text, without its end.
    Line(String),
    /// Bytes as they are.
    Bytes(Bytes),
    /// Nothing more: the sending side is shut down (FIN).
    Finish,
    /// The connection is cut (RST).
    Reset,
}

/// What `say`, `finish` or `reset` gives to a session, and the channel for the result.
pub type Order = (Utterance, oneshot::Sender<Result<(), Failure>>);

/// A line given to a session with `say`, and the channel for the result.
pub type OutgoingLine = (String, oneshot::Sender<Result<(), Failure>>);

/// The way from `say` to the task that sends.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) speech: Speech,
    sender: mpsc::Sender<Order>,
    receiver: Mutex<mpsc::Receiver<Order>>,
}

impl Outgoing {
    pub(super) fn new(speech: Speech) -> Self {
        let (sender, receiver) = mpsc::channel(OUTGOING_LIMIT);
        Self { speech, sender, receiver: Mutex::new(receiver) }
    }

    /// Hands something to the session's task; returns where its answer will arrive.
    pub(super) async fn send(&self, what: Utterance) -> Option<oneshot::Receiver<Result<(), Failure>>> {
        let (answer, taken) = oneshot::channel();
        self.sender.send((what, answer)).await.ok()?;
        Some(taken)
    }

    /// The next one.
    pub(super) async fn next(&self) -> Option<Order> {
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

    /// The first line of which `take` makes something; it is consumed with all before it.
    pub(super) fn consume<T>(&mut self, take: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (index, taken) =
            self.lines.iter().enumerate().find_map(|(index, line)| Some((index, take(line)?)))?;
        self.lines.drain(..=index);
        Some(taken)
    }

    /// The last `most` lines, newest last.
    pub(super) fn last(&self, most: usize) -> Vec<String> {
        self.lines.iter().rev().take(most).rev().cloned().collect()
    }
}
