//! One file over one connection: the sender's and the receiver's side, each the same at client and server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::assembly::{Assembly, Group};
use super::disk;
use super::folder::{Part, Source};
use crate::base::{Value, quantity};
use crate::net::connection::{malformed, told};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::ftp::{Message, Shape};
use crate::wire::{Code, frame};

/// Buffers between the disk and the network, each way.
const READ_AHEAD: usize = 4;
/// A whole file may take so long to reach the disk after its last byte came.
const COMMIT_LIMIT: Duration = Duration::from_mins(5);
/// A quarter of the window is acknowledged at once, but never more than this.
const ACK_EVERY_LIMIT: u64 = 4096;

/// What a transfer came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) bytes: u64,
    pub(super) hash: blake3::Hash,
    pub(super) chunks: u64,
    pub(super) acks: u64,
    pub(super) retransmitted: u64,
    pub(super) elapsed: Duration,
    pub(super) limited_by: &'static str,
}

impl Delivered {
    pub(super) fn fields(&self, shape: Shape) -> Vec<(&'static str, Value)> {
        vec![
            ("bytes", Value::count(self.bytes)),
            ("blake3", Value::text(self.hash.to_hex().as_str())),
            ("chunk", Value::count(u64::from(shape.chunk))),
            ("chunks", Value::count(self.chunks)),
            ("acks", Value::count(self.acks)),
            ("window", Value::count(u64::from(shape.window))),
            ("resumed", Value::count(0)),
            ("retransmitted", Value::count(self.retransmitted)),
            ("seconds", Value::seconds(self.elapsed)),
            ("rate", Value::Integer(self.rate() as i128)),
            ("limited_by", Value::text(self.limited_by)),
        ]
    }

    fn rate(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }

    pub(super) fn describe(&self, shape: Shape) -> String {
        format!(
            "{} ({} bytes) in {}, {}, {} chunks of {} bytes, {} acknowledged, verified blake3 {}…",
            quantity::show_size(self.bytes),
            self.bytes,
            quantity::show_duration(self.elapsed),
            quantity::show_rate(self.rate()),
            self.chunks,
            shape.chunk,
            self.acks,
            &self.hash.to_hex()[..16],
        )
    }
}

/// Time that the sender spent waiting, by cause.
#[derive(Default)]
struct Waits {
    disk: Duration,
    window: Duration,
    path: Duration,
}

impl Waits {
    /// The cause that cost most, if it cost at least a third of the time.
    fn longest(&self, total: Duration) -> &'static str {
        let causes = [
            (self.disk, "the sender's disk"),
            (self.window, "the window"),
            (self.path, "the path or the receiver"),
        ];
        let (most, name) = causes.into_iter().max_by_key(|(time, _)| *time).unwrap_or_default();
        if most * 3 >= total { name } else { "the processor" }
    }
}

struct Sender<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    shape: Shape,
    sent: u64,
    acked: u64,
    waits: Waits,
}

/// Sends a file that the other side is ready for, and waits until it is stored there.
pub(super) async fn send_file(
    session: &Handle,
    connection: &mut Connection,
    source: Source,
    shape: Shape,
    watched: bool,
) -> Result<Delivered, Failure> {
    let began = Instant::now();
    let size = source.size;
    let (buffers, mut filled) = mpsc::channel(READ_AHEAD);
    let reader = session.spawn_blocking(move || disk::read(source, disk::read_size(shape.chunk), &buffers));
    let mut sender = Sender { session, connection, shape, sent: 0, acked: 0, waits: Waits::default() };
    let mut offset = 0;
    loop {
        let waiting = Instant::now();
        let Some(buffer) = filled.recv().await else { break };
        sender.waits.disk += waiting.elapsed();
        let length = buffer.len() as u64;
        if let Err(failure) = sender.send_buffer(offset, buffer).await {
            return Err(sender.reason_of(failure).await);
        }
        offset += length;
        session.count_out(length);
        if watched {
            session.progress(offset, size);
        }
    }
    let hash = match reader.await {
        Ok(Ok(hash)) => hash,
        Ok(Err(failure)) => return Err(failure),
        Err(_) => return Err(Failure::new(Code::Internal, "the reader failed; this is an error in nls")),
    };
    sender.connection.outgoing.send_now(Message::End { hash: hash.into() }.encode()).await?;
    sender.wait_for_stored(size, hash).await?;
    let elapsed = began.elapsed();
    Ok(Delivered {
        bytes: size,
        hash,
        chunks: sender.sent,
        acks: sender.acked,
        retransmitted: sender.connection.outgoing.retransmitted(),
        elapsed,
        limited_by: sender.waits.longest(elapsed),
    })
}

impl Sender<'_> {
    async fn send_buffer(&mut self, mut offset: u64, mut buffer: Bytes) -> Result<(), Failure> {
        while !buffer.is_empty() {
            while self.sent - self.acked >= u64::from(self.shape.window) {
                self.wait_for_ack().await?;
            }
            let chunk = buffer.split_to(buffer.len().min(self.shape.chunk as usize));
            let length = chunk.len() as u64;
            let waiting = Instant::now();
            self.connection.outgoing.send_block(offset, chunk).await?;
            self.waits.path += waiting.elapsed();
            self.sent += 1;
            offset += length;
        }
        // A word from the receiver must not wait until the window closes: its disk may be full.
        while let Some(message) = ready(self.connection.incoming.next()).await {
            self.take(message?.ok_or_else(vanished)?)?;
        }
        Ok(())
    }

    async fn wait_for_ack(&mut self) -> Result<(), Failure> {
        self.connection.outgoing.flush().await?;
        let waiting = Instant::now();
        let message = self.connection.incoming.expect(SILENCE_LIMIT, "acknowledgement").await?;
        self.waits.window += waiting.elapsed();
        self.take(message)
    }

    fn take(&mut self, message: Wire) -> Result<(), Failure> {
        match message {
            Wire::Frame(frame) if frame.kind == frame::ERROR => Err(told(&frame)),
            Wire::Frame(frame) => match Message::decode(&frame).map_err(malformed)? {
                Message::Ack { chunks, .. } if chunks >= self.acked && chunks <= self.sent => {
                    self.acked = chunks;
                    Ok(())
                }
                _ => Err(misplaced()),
            },
            Wire::Block { .. } => Err(misplaced()),
        }
    }

    async fn wait_for_stored(&mut self, size: u64, hash: blake3::Hash) -> Result<(), Failure> {
        loop {
            let frame =
                self.connection.incoming.frame(COMMIT_LIMIT, "confirmation that the file is stored").await?;
            match Message::decode(&frame).map_err(malformed)? {
                Message::Ack { chunks, .. } if chunks >= self.acked && chunks <= self.sent => {
                    self.acked = chunks;
                }
                Message::Stored { bytes, hash: theirs } if bytes == size && theirs == *hash.as_bytes() => {
                    return Ok(());
                }
                Message::Stored { .. } => {
                    return Err(Failure::new(Code::Integrity, "the other side stored something else"));
                }
                _ => return Err(misplaced()),
            }
        }
    }

    /// A write that failed may only mean that the receiver gave up and said why: that is the better message.
    async fn reason_of(&mut self, failure: Failure) -> Failure {
        if failure.code != Code::Broken || self.session.is_cancelled() {
            return failure;
        }
        let told = async {
            loop {
                match self.connection.incoming.next().await {
                    Ok(Some(Wire::Frame(frame))) if frame.kind == frame::ERROR => return Some(told(&frame)),
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    // How the connection ended says more than that it did.
                    Err(failure) => return Some(failure),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(1), told).await.ok().flatten().unwrap_or(failure)
    }
}

/// The output of a future that is ready now.
async fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

fn misplaced() -> Failure {
    Failure::new(Code::Misbehaved, "the peer sent a message that cannot stand here")
}

fn vanished() -> Failure {
    Failure::new(Code::Broken, "the peer closed the connection in the middle of the file")
}

struct Receiver<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    assembly: Assembly,
    groups: mpsc::Sender<Group>,
    spare: mpsc::UnboundedReceiver<Vec<u8>>,
    ack_every: u64,
    acked: u64,
    size: u64,
    watched: bool,
}

/// Receives a file into `part` and gives it its name when it is whole and its hash is right.
pub(super) async fn receive_file(
    session: &Handle,
    connection: &mut Connection,
    part: Part,
    size: u64,
    shape: Shape,
    watched: bool,
) -> Result<Delivered, Failure> {
    let began = Instant::now();
    let (groups, queue) = mpsc::channel(READ_AHEAD);
    let (used, spare) = mpsc::unbounded_channel();
    let writer = session.spawn_blocking(move || disk::write(part, size, queue, &used));
    let ack_every = (u64::from(shape.window) / 4).clamp(1, ACK_EVERY_LIMIT);
    let assembly = Assembly::new(size, shape.chunk);
    let mut receiver =
        Receiver { session, connection, assembly, groups, spare, ack_every, acked: 0, size, watched };
    let received = receiver.run().await;
    let Receiver { assembly, groups, .. } = receiver;
    drop(groups);
    let (part, tree) = writer
        .await
        .map_err(|_| Failure::new(Code::Internal, "the writer failed; this is an error in nls"))?;
    // A disk that failed is the cause, not that the network then had to stop.
    let tree = match tree {
        Ok(tree) => tree,
        Err(failure) => return Err(keep(part, assembly.received(), failure)),
    };
    let expected = match received {
        Ok(hash) => hash,
        Err(failure) => return Err(keep(part, assembly.received(), failure)),
    };
    let hash = session.block(move || commit(part, tree.root(), expected)).await??;
    Ok(Delivered {
        bytes: size,
        hash,
        chunks: assembly.chunks(),
        acks: assembly.chunks(),
        retransmitted: 0,
        elapsed: began.elapsed(),
        limited_by: "the path or the sender",
    })
}

fn commit(part: Part, hash: Option<blake3::Hash>, expected: [u8; 32]) -> Result<blake3::Hash, Failure> {
    let Some(hash) = hash.filter(|hash| *hash.as_bytes() == expected) else {
        let kept = part.reject();
        let why = format!("the file differs from its hash and is not published; it is kept as `{kept}`");
        return Err(Failure::new(Code::Integrity, why).fix("send it again"));
    };
    part.commit()?;
    Ok(hash)
}

/// What came stays; nothing is published.
fn keep(part: Part, received: u64, failure: Failure) -> Failure {
    if received == 0 {
        part.discard();
        return failure;
    }
    let kept = format!(
        "{} bytes came and are kept as `{}`; the next transfer of that name begins anew",
        received,
        part.kept_as()
    );
    Failure { why: format!("{}; {kept}", failure.why), ..failure }
}

impl Receiver<'_> {
    /// Until every byte and the hash of the whole are here; the two may come in any order.
    async fn run(&mut self) -> Result<[u8; 32], Failure> {
        let mut end = None;
        let mut whole = Vec::new();
        loop {
            if let Some(hash) = end.filter(|_| self.assembly.is_complete()) {
                self.acknowledge().await?;
                return Ok(hash);
            }
            match self.next().await? {
                Wire::Block { offset, bytes } => self.block(offset, &bytes, &mut whole).await?,
                Wire::Frame(frame) => match Message::decode(&frame).map_err(malformed)? {
                    Message::End { hash } if end.is_none() => end = Some(hash),
                    _ => return Err(misplaced()),
                },
            }
        }
    }

    async fn next(&mut self) -> Result<Wire, Failure> {
        let received = self.assembly.received();
        self.connection.incoming.expect(SILENCE_LIMIT, "part of the file").await.map_err(|failure| {
            match failure.code {
                Code::Timeout | Code::Broken => Failure {
                    why: format!("the peer vanished after {received} bytes ({})", failure.why),
                    ..failure
                },
                _ => failure,
            }
        })
    }

    async fn block(&mut self, offset: u64, bytes: &Bytes, whole: &mut Vec<Group>) -> Result<(), Failure> {
        while let Ok(buffer) = self.spare.try_recv() {
            self.assembly.recycle(buffer);
        }
        self.assembly
            .accept(offset, bytes, whole)
            .map_err(|trouble| Failure::new(Code::Integrity, trouble.to_string()))?;
        self.session.count_in(bytes.len() as u64);
        for group in whole.drain(..) {
            // The writer is gone only if the disk failed: it says why.
            self.groups.send(group).await.map_err(|_| Failure::new(Code::Disk, "the disk failed"))?;
            if self.watched {
                self.session.progress(self.assembly.received(), self.size);
            }
        }
        if self.assembly.chunks() - self.acked >= self.ack_every {
            self.acknowledge().await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<(), Failure> {
        self.acked = self.assembly.chunks();
        let ack = Message::Ack { chunks: self.acked, bytes: self.assembly.received() };
        self.connection.outgoing.send_now(ack.encode()).await
    }
}
