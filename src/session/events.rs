//! The queue of events, and the failure that a panic becomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::errors;
use crate::report::{Event, Failure};

/// The event queue. If it is full, events are dropped and counted; a task never blocks.
#[derive(Clone, Debug)]
pub struct Events {
    pub(super) queue: mpsc::Sender<Event>,
    pub(super) dropped: Arc<AtomicU64>,
}

impl Events {
    /// Queues an event, or drops it if the queue is full.
    pub(super) fn send(&self, event: Event) {
        if self.queue.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// For events that must not be lost: waits for room, unless the queue's reader is gone.
    pub(super) async fn send_surely(&self, event: Event) {
        drop(self.queue.send(event).await);
    }
}

/// Converts a panic into a failure; the same panic message gives the same id.
pub(super) fn bug(error: tokio::task::JoinError) -> Failure {
    let what = match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic".into()),
        Err(_) => "the task was dropped".into(),
    };
    let id = blake3::hash(what.as_bytes()).to_hex();
    errors::task_panicked(&id[..8])
}
