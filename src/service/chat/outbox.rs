//! What waits for one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

use crate::wire::chat::Message;

/// Bytes that may wait for a client; one that reads less is dropped (FAULTS row 82).
const QUEUE_LIMIT: usize = 256 << 10;
/// Charged for each waiting message beside its text.
const MESSAGE_COST: usize = 128;

/// A message that waits for a client.
pub(super) struct Queued {
    pub(super) message: Message,
    _share: Share,
}

/// What waits for one client, bounded in bytes.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Some of it left.
    less: Notify,
}

/// Bytes of an outbox, given back when the message has left.
struct Share {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting.less.notify_one();
    }
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Self { queue, waiting: Arc::default() }, waiting)
    }

    /// Gives the message back if too much waits already.
    pub(super) fn put(&self, message: Message, bytes: usize) -> Result<(), Message> {
        let bytes = bytes + MESSAGE_COST;
        if self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_LIMIT {
            self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(message);
        }
        let share = Share { waiting: self.waiting.clone(), bytes };
        // Its task may have ended: then it is about to be removed.
        drop(self.queue.send(Queued { message, _share: share }));
        Ok(())
    }

    /// The same, as soon as there is room.
    pub(super) async fn put_later(&self, mut message: Message, bytes: usize) {
        while let Err(back) = self.put(message, bytes) {
            message = back;
            self.waiting.less.notified().await;
        }
    }
}
