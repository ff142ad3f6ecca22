//! The bounded send queue of one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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
/// Above this, who would add to the queue of a client that reads waits …
pub(crate) const BUSY: usize = QUEUE_LIMIT / 2;
/// … and above this, who says much …
pub(crate) const AT_REST: usize = QUEUE_LIMIT / 16;
/// … in steps of this time …
const STEP: Duration = Duration::from_millis(50);
/// … in each of which the client takes at least this many bytes: 64 KiB a second. A slower one delays nobody (row 82).
const FAIR: u64 = (64 << 10) / 20;
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
    /// Bytes that were released so far.
    released: AtomicU64,
    /// The client was waited for in vain, until it has less to read.
    is_slow: AtomicBool,
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
        let before = self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting.released.fetch_add(self.bytes as u64, Ordering::Relaxed);
        if before - self.bytes <= BUSY {
            self.waiting.is_slow.store(false, Ordering::Relaxed);
        }
        // All of them: several may wait for the same client.
        self.waiting.less.notify_waiters();
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
        loop {
            let less = self.waiting.less.notified();
            match self.put(message, bytes) {
                Ok(()) => return,
                Err(back) => message = back,
            }
            less.await;
        }
    }

    /// True if the client has more than `limit` bytes to read, and reads.
    pub(crate) fn is_busy(&self, limit: usize) -> bool {
        self.waiting.bytes.load(Ordering::Relaxed) > limit && !self.waiting.is_slow.load(Ordering::Relaxed)
    }

    fn released(&self) -> u64 {
        self.waiting.released.load(Ordering::Relaxed)
    }

    async fn has_less(&self, limit: usize) {
        loop {
            let less = self.waiting.less.notified();
            if !self.is_busy(limit) {
                return;
            }
            less.await;
        }
    }

    /// Drops the client, because it does not read or has reconnected from another place.
    pub(crate) fn kick(&self) {
        self.kicked.cancel();
    }
}

/// Resolves when none of the clients is busy any more, but those that are too slow to be waited for. `all`: those who are
/// there at the time.
pub(crate) async fn calm(limit: usize, all: impl Fn() -> Vec<Outbox>) {
    loop {
        let look = Look::at(all(), limit);
        let Some((first, _)) = look.busy.first() else { return };
        if tokio::time::timeout(STEP, first.has_less(limit)).await.is_err() {
            look.judge(limit);
        }
    }
}

/// Those who were busy at a time, and the bytes that each had taken until then.
struct Look {
    busy: Vec<(Outbox, u64)>,
}

impl Look {
    fn at(mut all: Vec<Outbox>, limit: usize) -> Self {
        all.retain(|outbox| outbox.is_busy(limit));
        Self { busy: all.into_iter().map(|outbox| (outbox.clone(), outbox.released())).collect() }
    }

    /// [`STEP`] later: those who took next to nothing are not waited for. All at once: hundreds that read nothing cost no
    /// more time than one.
    fn judge(self, limit: usize) {
        for (outbox, before) in self.busy {
            if outbox.is_busy(limit) && outbox.released() - before < FAIR {
                outbox.waiting.is_slow.store(true, Ordering::Relaxed);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Message {
        Message::Notice { text: String::new() }
    }

    #[tokio::test]
    async fn row_82_who_reads_much_is_waited_for_and_who_reads_nothing_is_not() {
        let (outbox, mut queue) = Outbox::new();
        let all = || vec![outbox.clone()];
        while !outbox.is_busy(BUSY) {
            outbox.put(notice(), 10_000).unwrap();
        }
        let mut waits = std::pin::pin!(calm(BUSY, all));
        tokio::select! {
            biased;
            () = &mut waits => panic!("it has much to read"),
            () = tokio::task::yield_now() => {}
        }
        // It reads: one message is enough, for it was just above the limit.
        drop(queue.next().await.unwrap());
        waits.await;
        // It reads nothing any more.
        while outbox.put(notice(), 10_000).is_ok() {}
        assert!(outbox.is_busy(BUSY));
        calm(BUSY, all).await;
        assert!(!outbox.is_busy(BUSY) && outbox.put(notice(), 10_000).is_err(), "it is dropped next");
        // It has read: the next time it is waited for again.
        while queue.try_next().is_some() {}
        while outbox.put(notice(), 10_000).is_ok() {}
        assert!(outbox.is_busy(BUSY));
    }

    #[test]
    fn row_82_many_who_read_nothing_are_waited_for_no_longer_than_one() {
        let (all, mut queues): (Vec<Outbox>, Vec<Queue>) = (0..300).map(|_| Outbox::new()).unzip();
        for outbox in &all {
            while outbox.put(notice(), 10_000).is_ok() {}
        }
        let look = Look::at(all.clone(), AT_REST);
        assert!(queues[7].try_next().is_some(), "one reads");
        look.judge(AT_REST);
        let busy: Vec<usize> = (0..all.len()).filter(|n| all[*n].is_busy(AT_REST)).collect();
        assert_eq!(busy, [7]);
    }
}
