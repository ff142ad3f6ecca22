//! The bounded send queue of one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::net::Outgoing;
use crate::report::Failure;
use crate::service::chat::errors::client_does_not_read;
use crate::service::chat::protocol::Message;
use crate::wire::Frame;

/// Maximum bytes queued for a client; one that reads too slowly for that is dropped (faults.md row 82).
const QUEUE_LIMIT: usize = 256 << 10;
/// Bytes charged for each queued message in addition to its text.
const MESSAGE_COST: usize = 128;
/// A client that does not take a batch of queued messages within this time is dropped (row 82).
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Messages sent together, with one flush.
const BATCH: usize = 64;

/// A queued message, with its share of the byte limit.
pub(crate) struct Queued {
    pub(crate) message: Message,
    _share: Share,
}

/// The sending half: other tasks put messages for the client here, bounded in bytes.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    waiting: Arc<QueuedMessage>,
    kicked: CancellationToken,
}

/// The receiving half, owned by the client's own task.
pub(crate) struct Queue {
    waiting: mpsc::UnboundedReceiver<Queued>,
    kicked: CancellationToken,
}

#[derive(Default)]
struct QueuedMessage {
    bytes: AtomicUsize,
    /// Notified when bytes are released.
    less: Notify,
}

/// Bytes reserved in an outbox, released when the message has been sent or dropped.
struct Share {
    waiting: Arc<QueuedMessage>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting.less.notify_one();
    }
}

impl Outbox {
    pub(crate) fn new() -> (Self, Queue) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let kicked = CancellationToken::new();
        let receiving = Queue { waiting, kicked: kicked.clone() };
        (Self { queue, waiting: Arc::default(), kicked }, receiving)
    }

    /// Queues a message, or gives it back as the error if the queue is full.
    pub(crate) fn put(&self, message: Message, bytes: usize) -> Result<(), Message> {
        let bytes = bytes + MESSAGE_COST;
        if self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_LIMIT {
            self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(message);
        }
        let share = Share { waiting: self.waiting.clone(), bytes };
        // The client's task may have ended: then the member is about to be removed.
        drop(self.queue.send(Queued { message, _share: share }));
        Ok(())
    }

    /// Like `put`, but waits until there is room.
    pub(crate) async fn put_later(&self, mut message: Message, bytes: usize) {
        while let Err(back) = self.put(message, bytes) {
            message = back;
            self.waiting.less.notified().await;
        }
    }

    /// Drops the client, because it does not read or has reconnected from another place.
    pub(crate) fn kick(&self) {
        self.kicked.cancel();
    }
}

impl Queue {
    /// The next message; an error if the client is to be dropped. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Queued, Failure> {
        tokio::select! {
            biased;
            () = self.kicked.cancelled() => Err(client_does_not_read(READ_LIMIT)),
            queued = self.waiting.recv() => match queued {
                Some(queued) => Ok(queued),
                // The room has removed the client: nothing more will come, and its task is about to end.
                None => std::future::pending().await,
            },
        }
    }

    /// `first` and messages queued after it, which are sent together.
    pub(crate) fn batch(&mut self, first: Queued) -> Vec<Queued> {
        let more = std::iter::from_fn(|| self.waiting.try_recv().ok()).take(BATCH);
        std::iter::once(first).chain(more).collect()
    }

    /// Waits until messages have been sent; an error if the client is to be dropped or does not take them in time.
    pub(crate) async fn in_time(
        &self,
        sending: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        tokio::select! {
            () = self.kicked.cancelled() => Err(client_does_not_read(READ_LIMIT)),
            sent = tokio::time::timeout(READ_LIMIT, sending) => sent.map_err(|_| client_does_not_read(READ_LIMIT))?,
        }
    }

    /// Sends `first` and messages queued after it, each encoded by `frame` (`None`: nothing is sent for it). An error
    /// if the client is to be dropped or does not take them in time.
    pub(crate) async fn send(
        &mut self,
        first: Queued,
        outgoing: &mut Outgoing,
        mut frame: impl FnMut(&Message) -> Option<Frame>,
    ) -> Result<(), Failure> {
        // The shares of the limit are given back when all have left.
        let batch = self.batch(first);
        let sending = async {
            for queued in &batch {
                if let Some(frame) = frame(&queued.message) {
                    outgoing.send(frame).await?;
                }
            }
            outgoing.flush().await
        };
        self.in_time(sending).await
    }

    /// The next message if there is one.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Message> {
        self.waiting.try_recv().ok().map(|queued| queued.message)
    }
}
