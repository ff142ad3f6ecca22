//! The sending half: data is queued and leaves in large writes.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::tcp::OwnedWriteHalf;

use super::sealed::WriteSide;
use super::socket::WriteEnd;
use super::{BATCH, DIRECT, bound_send_buffer, broken};
use crate::net::connection::keys::Sealer;
use crate::net::connection::record::FrameNotes;
use crate::net::errors::stopped_reading;
use crate::net::limits::{MINIMUM_RATE, SILENCE_LIMIT};
use crate::record::Kind;
use crate::report::Failure;
use crate::wire::Frame;
use crate::wire::frame::{self, BLOCK_HEADER};
use crate::wire::preface::{self, Preface};
use crate::wire::time_spent::Cause;

/// Maximum number of buffers in one vectored write.
const PIECES: usize = 64;

/// The path counts as lossy if more than one in this many segments was retransmitted.
const LOSS_SHARE: u32 = 1000;

/// Any window fills a path with a shorter round trip than this. A window below `LEAST_WINDOW` bytes is taken for a
/// momentary value and counted as that many.
const SHORTEST_PATH: Duration = Duration::from_millis(1);
const LEAST_WINDOW: u32 = 32 << 10;

/// The sending half.
pub struct Outgoing {
    pub(super) end: WriteSide,
    /// Leaves first: headers and large blocks, which are not copied.
    queue: VecDeque<Bytes>,
    queued: usize,
    /// Leaves after the queue.
    buffer: BytesMut,
    /// Frames leave as lines of text.
    lines: bool,
    /// Frames leave with their check sums: nothing else protects them.
    checked: bool,
    /// Where its frames are noted.
    pub(in crate::net) notes: Option<FrameNotes>,
    /// The preface that was sent.
    pub(in crate::net) greeting: Option<[u8; preface::SIZE]>,
}

impl Outgoing {
    /// `lines`: frames are sent as lines of text.
    pub(in crate::net) fn new(half: OwnedWriteHalf, lines: bool) -> Self {
        Self {
            end: WriteSide::new(WriteEnd::Shared(half)),
            queue: VecDeque::new(),
            queued: 0,
            buffer: BytesMut::new(),
            lines,
            checked: true,
            notes: None,
            greeting: None,
        }
    }

    #[cfg(target_os = "linux")]
    pub(in crate::net) fn set_congestion(&self, name: &str) -> std::io::Result<String> {
        let WriteEnd::Shared(half) = &self.end.socket else { return Err(ErrorKind::Unsupported.into()) };
        let socket = socket2::SockRef::from(half.as_ref());
        socket.set_tcp_congestion(name.as_bytes())?;
        let used = socket.tcp_congestion()?;
        Ok(String::from_utf8_lossy(&used).trim_end_matches('\0').to_owned())
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::net) fn set_congestion(&self, _: &str) -> std::io::Result<String> {
        Err(ErrorKind::Unsupported.into())
    }

    /// As [`bound_send_buffer`]; no effect while a thread owns the socket.
    pub(in crate::net) fn bound_buffer(&self, bytes: usize) {
        if let WriteEnd::Shared(half) = &self.end.socket {
            bound_send_buffer(half.as_ref(), bytes);
        }
    }

    /// The local address and the peer's; `None` if the socket is closed.
    pub(in crate::net) fn addresses(&self) -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
        self.end.socket.addresses()
    }

    /// What limited the kernel's sender most.
    #[cfg(target_os = "linux")]
    pub(in crate::net) fn held_by(&self) -> Cause {
        let addresses = self.end.socket.addresses();
        let Some(info) = addresses.and_then(|(local, peer)| super::info::ask(local, peer)) else {
            return Cause::Unknown;
        };
        // Losses without a standing queue are not congestion, though RFC 9438 (CUBIC) and RFC 5681 (Reno) treat them
        // so.
        let queues = info.round_trip > info.shortest * 3 / 2;
        let loses = info.repeated > info.segments / LOSS_SHARE;
        let listens_to_losses = matches!(info.control.as_str(), "cubic" | "reno");
        // The window limits the rate only if about a window of bytes is sent per round trip. Otherwise the window was
        // closed because the peer did not read: it is slow itself, or it is a relay in front of a slow path.
        let in_round_trip = info.acknowledged as f64 / info.busy.as_secs_f64() * info.shortest.as_secs_f64();
        let fills_window =
            info.shortest >= SHORTEST_PATH && in_round_trip * 1.5 > f64::from(info.window.max(LEAST_WINDOW));
        if info.by_receiver > info.busy / 5 && fills_window {
            Cause::Peer
        } else if info.by_buffer > info.busy / 2 {
            Cause::Buffer
        } else if loses && listens_to_losses && !queues {
            Cause::Loss
        } else {
            Cause::Path
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::net) fn held_by(&self) -> Cause {
        Cause::Unknown
    }

    /// From here on everything leaves in records, which need no other check sums.
    /// `handshake`: what left behind the preface.
    pub(super) fn seal(&mut self, sealer: Sealer, handshake: &[u8]) {
        self.end.seal(sealer, handshake);
        self.checked = false;
    }

    /// Queues raw bytes, such as the preface.
    pub(in crate::net) fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Queues the preface.
    pub(in crate::net) fn greet(&mut self, preface: Preface) {
        let bytes = preface.encode();
        self.greeting = Some(bytes);
        self.put(&bytes);
    }

    /// Queues a frame; writes if more than [`BATCH`] bytes wait.
    pub(in crate::net) async fn send(&mut self, frame: &Frame) -> Result<(), Failure> {
        let before = self.buffer.len();
        let kind = if self.lines { Kind::Line } else { Kind::Frame };
        if self.lines {
            self.buffer.extend_from_slice(&frame.body);
            self.buffer.put_u8(b'\n');
        } else {
            frame.encode_for(self.checked, &mut self.buffer);
        }
        if let Some(notes) = &mut self.notes {
            notes.frame(kind, self.buffer.len() - before, || &self.buffer[before..]);
        }
        self.flush_over(BATCH).await
    }

    /// Queues bytes as blocks of at most `chunk` bytes; writes if more than [`BATCH`] bytes wait.
    pub(in crate::net) async fn send_blocks(
        &mut self,
        mut offset: u64,
        mut bytes: Bytes,
        chunk: usize,
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let block = bytes.split_to(bytes.len().min(chunk));
            self.buffer.put_u32((BLOCK_HEADER - 4 + block.len()) as u32);
            self.buffer.put_u8(frame::BLOCK);
            self.buffer.put_u64(offset);
            if let (Some(notes), Some(header)) = (&mut self.notes, self.buffer.last_chunk()) {
                notes.block(header, (offset, block.len()));
                notes.more(&block);
            }
            offset += block.len() as u64;
            if block.len() < DIRECT {
                self.buffer.put_slice(&block);
            } else {
                let header = self.buffer.split().freeze();
                self.queued += header.len() + block.len();
                self.queue.extend([header, block]);
            }
            self.flush_over(BATCH).await?;
        }
        Ok(())
    }

    pub(in crate::net) async fn flush(&mut self) -> Result<(), Failure> {
        self.flush_over(0).await
    }

    /// Writes everything if more than `keep` bytes wait. A peer that reads slower than the minimum rate is given up
    /// like one that does not read at all (faults.md row 40).
    async fn flush_over(&mut self, keep: usize) -> Result<(), Failure> {
        let waiting = self.queued + self.buffer.len();
        if waiting <= keep || waiting == 0 {
            return Ok(());
        }
        let limit = SILENCE_LIMIT + Duration::from_secs(waiting as u64 / MINIMUM_RATE);
        let until = Instant::now() + limit;
        tokio::time::timeout(limit, self.write_all(until)).await.map_err(|_| stopped_reading())?
    }

    /// Cancel-safe: what was written has been removed from the queue.
    async fn write_all(&mut self, until: Instant) -> Result<(), Failure> {
        while !self.queue.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (slot, piece) in pieces.iter_mut().zip(&self.queue) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
            let mut written =
                self.end.write_vectored(&pieces[..count], until).await.map_err(|error| failed(&error))?;
            self.queued -= written;
            while let Some(piece) = self.queue.front_mut() {
                if written < piece.len() {
                    piece.advance(written);
                    break;
                }
                written -= piece.len();
                self.queue.pop_front();
            }
        }
        while !self.buffer.is_empty() {
            let written = self
                .end
                .write_vectored(&[IoSlice::new(&self.buffer)], until)
                .await
                .map_err(|error| failed(&error))?;
            self.buffer.advance(written);
        }
        Ok(())
    }

    /// Flushes, then closes the sending direction.
    pub(in crate::net) async fn close(&mut self) {
        // If the flush fails, the peer is gone and needs no FIN.
        if self.flush().await.is_ok() {
            self.end.shutdown().await;
        }
        if let Some(notes) = &self.notes {
            notes.end();
        }
    }
}

fn failed(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::TimedOut { stopped_reading() } else { broken(error, 0) }
}
