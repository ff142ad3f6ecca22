//! The sending and the receiving half that a service holds: they queue commands for the driver and take its messages.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use crate::net::connection::message::{Message, PathCounts};
use crate::net::connection::record::SharedRing;
use crate::net::errors::{connection_closed, stopped_reading};
use crate::net::limits::SILENCE_LIMIT;
use crate::reliable::{self, PIECE_COST};
use crate::report::Failure;
use crate::wire::datagram::Credit;
use crate::wire::{Code, ConnectionId, Frame};

/// Larger blocks are queued in pieces of this many bytes: a slow peer then shows progress, and does not count as
/// stopped.
const PIECE: usize = 16 << 10;
/// Consumed bytes are reported to the driver in steps of at least this size.
const REPORT_EVERY: u64 = 64 << 10;

/// From a service to the driver; the first field is the id of the connection.
pub(super) enum Command {
    /// Send a frame.
    Frame(ConnectionId, Frame),
    /// Send a frame when the peer has all blocks that were written before.
    FrameBehind(ConnectionId, Frame),
    /// Send bytes at this offset.
    Block(ConnectionId, u64, Bytes),
    /// The service has taken this much.
    Consumed(ConnectionId, Credit),
    /// Close; with [`Code::Other`] in order, after all that is queued.
    Close(ConnectionId, Code, String),
}

/// Statistics that the driver updates and the halves read.
#[derive(Debug, Default)]
pub struct Counters(Mutex<PathCounts>);

impl Counters {
    /// Takes the statistics of a connection, and how many datagrams the kernel dropped for its socket.
    pub(super) fn take(&self, connection: &reliable::Connection, kernel_drops: u64) {
        let stats = connection.stats();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = PathCounts {
            retransmitted: stats.retransmitted,
            sent: stats.block_bytes,
            round_trip: connection.round_trip(),
            loss: connection.loss(),
            received: stats.datagrams_in,
            held_by: connection.held_by(),
            kernel_drops,
        };
    }

    pub fn get(&self) -> PathCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both halves of a connection.
pub struct Halves {
    /// The sending half.
    pub outgoing: Outgoing,
    /// The receiving half.
    pub incoming: Incoming,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The peer sends and expects lines of text.
    pub is_text: bool,
    /// It is encrypted: the name of the peer's key.
    pub key: Option<Arc<str>>,
}

/// A client that was refused.
#[derive(Debug)]
pub struct Refused {
    pub peer: SocketAddr,
    /// What it was told.
    pub why: String,
}

/// The sending half.
pub struct Outgoing {
    pub(super) id: ConnectionId,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) room: Arc<SendQuota>,
    pub(super) counters: Arc<Counters>,
    /// What happened to the packets of the socket.
    pub(super) ring: SharedRing,
    pub(super) closed: bool,
}

impl Outgoing {
    pub(in crate::net) async fn send(&mut self, frame: Frame) -> Result<(), Failure> {
        self.reserve(frame.body.len()).await?;
        self.commands.send(Command::Frame(self.id, frame)).map_err(|_| self.room.why())
    }

    pub(in crate::net) async fn send_behind_blocks(&mut self, frame: Frame) -> Result<(), Failure> {
        self.reserve(frame.body.len()).await?;
        self.commands.send(Command::FrameBehind(self.id, frame)).map_err(|_| self.room.why())
    }

    pub(in crate::net) async fn send_blocks(
        &mut self,
        mut offset: u64,
        mut bytes: Bytes,
        chunk: usize,
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let block = bytes.split_to(bytes.len().min(chunk).min(PIECE));
            let length = block.len() as u64;
            self.reserve(block.len()).await?;
            self.commands.send(Command::Block(self.id, offset, block)).map_err(|_| self.room.why())?;
            offset += length;
        }
        Ok(())
    }

    pub(in crate::net) fn has_ended(&self) -> bool {
        self.room.places.is_closed()
    }

    async fn reserve(&self, bytes: usize) -> Result<(), Failure> {
        tokio::time::timeout(SILENCE_LIMIT, self.room.take(bytes)).await.map_err(|_| stopped_reading())?
    }

    pub(in crate::net) fn close(&mut self, code: Code, reason: &str) {
        self.closed = true;
        drop(self.commands.send(Command::Close(self.id, code, reason.into())));
    }

    pub(in crate::net) fn ender(&self) -> Ender {
        Ender { id: self.id, commands: self.commands.clone() }
    }

    pub(in crate::net) fn ring(&self) -> &SharedRing {
        &self.ring
    }

    pub(in crate::net) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.closed {
            drop(self.commands.send(Command::Close(self.id, Code::Broken, "the other side ended".into())));
        }
    }
}

/// Ends a connection whose halves are elsewhere.
pub struct Ender {
    id: ConnectionId,
    commands: mpsc::UnboundedSender<Command>,
}

impl Ender {
    /// The peer is told why; what is queued is dropped, and both halves fail.
    pub fn end(&self, code: Code, reason: &str) {
        drop(self.commands.send(Command::Close(self.id, code, reason.into())));
    }
}

/// Limits the bytes that a service may have queued for a peer.
pub(super) struct SendQuota {
    places: Semaphore,
    size: usize,
    /// Why the connection has ended, if it was not in order.
    why: OnceLock<Failure>,
}

impl SendQuota {
    pub(super) fn new(size: usize) -> Self {
        Self { places: Semaphore::new(size), size, why: OnceLock::new() }
    }

    /// The permits for a frame or block; a longer one than `size` takes all of them.
    fn charge(&self, bytes: usize) -> usize {
        (bytes + PIECE_COST as usize).min(self.size)
    }

    async fn take(&self, bytes: usize) -> Result<(), Failure> {
        self.places.acquire_many(self.charge(bytes) as u32).await.map_err(|_| self.why())?.forget();
        Ok(())
    }

    /// A frame or block of `bytes` has left the queue.
    pub(super) fn give_back(&self, bytes: usize) {
        self.places.add_permits(self.charge(bytes));
    }

    /// The connection has ended: whoever waits for room, or asks for some, is told why.
    pub(super) fn close(&self, why: Option<&Failure>) {
        if let Some(why) = why {
            self.why.get_or_init(|| why.clone());
        }
        self.places.close();
    }

    fn why(&self) -> Failure {
        self.why.get().cloned().unwrap_or_else(connection_closed)
    }
}

/// The receiving half. Its queue is bounded by the credit given to the peer.
pub struct Incoming {
    pub(super) id: ConnectionId,
    pub(super) messages: mpsc::UnboundedReceiver<Result<Message, Failure>>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    /// Consumed since the last report to the driver.
    pub(super) taken: Credit,
}

impl Incoming {
    pub(in crate::net) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        let message = match self.messages.try_recv() {
            Ok(message) => message,
            Err(_) => {
                // The peer must learn of all free credit before we wait for it.
                self.report();
                match self.messages.recv().await {
                    Some(message) => message,
                    None => return Ok(None),
                }
            }
        };
        match &message {
            Ok(Message::Frame(frame)) => self.taken.stream += reliable::receive_side::stream_cost(frame),
            Ok(Message::Block { bytes, .. }) => self.taken.block += bytes.len() as u64 + PIECE_COST,
            Err(_) => {}
        }
        if self.taken.stream + self.taken.block >= REPORT_EVERY {
            self.report();
        }
        message.map(Some)
    }

    fn report(&mut self) {
        if self.taken.stream + self.taken.block > 0 {
            drop(self.commands.send(Command::Consumed(self.id, self.taken)));
            self.taken = Credit { stream: 0, block: 0 };
        }
    }
}
