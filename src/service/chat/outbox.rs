//! What waits for one client, and its sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::net::Outgoing;
use crate::report::Failure;
use crate::wire::chat::Message;
use crate::wire::{Code, Frame};

/// Bytes that may wait for a client; one that reads less is dropped (FAULTS row 82).
const QUEUE_LIMIT: usize = 256 << 10;
/// Charged for each waiting message beside its text.
const MESSAGE_COST: usize = 128;
/// A client that takes nothing for so long, although something waits, is dropped (row 82).
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Messages that leave together.
const BATCH: usize = 64;

/// A message that waits for a client.
pub(super) struct Queued {
    pub(super) message: Message,
    _share: Share,
}

/// Where others put what is for a client, bounded in bytes.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    waiting: Arc<Waiting>,
    kicked: CancellationToken,
}

/// Where the client's own task takes it from.
pub(super) struct Queue {
    waiting: mpsc::UnboundedReceiver<Queued>,
    kicked: CancellationToken,
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
    pub(super) fn new() -> (Self, Queue) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let kicked = CancellationToken::new();
        let receiving = Queue { waiting, kicked: kicked.clone() };
        (Self { queue, waiting: Arc::default(), kicked }, receiving)
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

    /// The client is dropped: it does not read, or came again from another place.
    pub(super) fn kick(&self) {
        self.kicked.cancel();
    }
}

impl Queue {
    /// The next message; a failure if the client is to be dropped. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Queued, Failure> {
        tokio::select! {
            biased;
            () = self.kicked.cancelled() => Err(does_not_read()),
            queued = self.waiting.recv() => match queued {
                Some(queued) => Ok(queued),
                // The room has forgotten the client, which is about to hear so.
                None => std::future::pending().await,
            },
        }
    }

    /// Sends a message and what waits behind it, each as `frame` says. A client that does not take it is dropped.
    pub(super) async fn send(
        &mut self,
        first: Queued,
        outgoing: &mut Outgoing,
        mut frame: impl FnMut(&Message) -> Option<Frame>,
    ) -> Result<(), Failure> {
        let waiting = &mut self.waiting;
        let sending = async {
            let mut next = Some(first);
            for _ in 0..BATCH {
                let Some(queued) = next.take() else { break };
                if let Some(frame) = frame(&queued.message) {
                    outgoing.send(frame).await?;
                }
                next = waiting.try_recv().ok();
            }
            if let Some(frame) = next.and_then(|queued| frame(&queued.message)) {
                outgoing.send(frame).await?;
            }
            outgoing.flush().await
        };
        tokio::select! {
            () = self.kicked.cancelled() => Err(does_not_read()),
            sent = tokio::time::timeout(READ_LIMIT, sending) => sent.map_err(|_| does_not_read())?,
        }
    }
}

fn does_not_read() -> Failure {
    let why = "it does not read: what waits for it is too much, or waited for 10 s";
    Failure::new(Code::Timeout, why)
}
