//! Frames over TCP. Partial input and output live in the structs, so both halves are cancel-safe.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::connection::{Connection, Landed, Landing, Message, land, malformed};
use super::{CONNECT_LIMIT, MINIMUM_RATE, SILENCE_LIMIT, nobody_listens, resolve, silent, stopped_reading};
use crate::base::{Endpoint, Transport, escape};
use crate::report::{Failure, reason};
use crate::wire::frame::{self, BLOCK_HEADER, Deframer};
use crate::wire::preface::{self, Preface};
use crate::wire::{Code, Frame, Reader, ServiceId, VERSION};

/// Written and read at once: large enough to keep system calls rare.
const BATCH: usize = 256 << 10;
/// Larger blocks are neither copied behind their headers nor read through the buffer.
const DIRECT: usize = 16 << 10;
/// Bytes between two large blocks: the frame with the hash of the next, and the header of that.
const BETWEEN: usize = frame::HEADER + 8 + 32 + BLOCK_HEADER;
/// Pieces in one write.
const PIECES: usize = 64;
/// Longest line from a plain client.
pub const LINE_LIMIT: usize = 64 << 10;
/// An idle peer that lost its cable is noticed within 10 + 4 × 5 s (FAULTS row 39).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_PROBES: u32 = 4;
/// Sent bytes that nobody acknowledged for so long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sets what every connection of ours wants.
pub fn prepare(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    #[cfg(target_os = "linux")]
    let keep_alive = keep_alive.with_retries(KEEP_ALIVE_PROBES);
    // Each of these is a wish: a system that refuses one still transfers.
    drop(socket.set_tcp_nodelay(true));
    drop(socket.set_tcp_keepalive(&keep_alive));
    #[cfg(target_os = "linux")]
    drop(socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
}

/// Connects to the first address that answers, with the next one started 250 ms later.
pub async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
) -> Result<Connection, Failure> {
    let (stream, peer) = tokio::time::timeout(
        CONNECT_LIMIT,
        resolve::race(addresses, |address| dial(endpoint.clone(), address)),
    )
    .await
    .unwrap_or_else(|_| Err(silent(endpoint, Transport::Tcp)))?;
    prepare(&stream);
    let (read, write) = stream.into_split();
    let mut outgoing = Outgoing::new(write, false);
    let mut incoming = Incoming::new(read, BytesMut::new(), false);
    outgoing.buffer.extend_from_slice(&Preface::new(service).encode());
    outgoing.flush().await?;
    match tokio::time::timeout(CONNECT_LIMIT, incoming.preface()).await {
        Ok(result) => check(&result?, &mut incoming).await?,
        Err(_) => {
            let why =
                format!("{endpoint} took the connection and said nothing for {} s", CONNECT_LIMIT.as_secs());
            return Err(Failure::new(Code::Protocol, why)
                .fix("is it an nls server? nls speaks its own protocol there"));
        }
    }
    Ok(Connection {
        outgoing: super::Outgoing::Tcp(outgoing),
        incoming: super::Incoming::Tcp(incoming),
        peer,
        transport: Transport::Tcp,
        plain: false,
    })
}

/// One attempt; refused and unreachable are different things to the user.
async fn dial(endpoint: Endpoint, address: SocketAddr) -> Result<(TcpStream, SocketAddr), Failure> {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok((stream, address)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Err(nobody_listens(&endpoint, Transport::Tcp))
        }
        Err(error) => {
            let why = format!("cannot reach {endpoint}: {}", reason(&error));
            Err(Failure::new(Code::Broken, why).fix("check the address and the network"))
        }
    }
}

/// The server's preface must agree with ours; else its next frame says why.
async fn check(server: &Preface, incoming: &mut Incoming) -> Result<(), Failure> {
    if server.version != VERSION {
        let older = if server.version < VERSION { "the server" } else { "this client" };
        let why =
            format!("the server speaks version {} of the protocol, this client {VERSION}", server.version);
        return Err(Failure::new(Code::Version, why).fix(format!("upgrade {older}")));
    }
    if server.service != ServiceId::Any.number() {
        return Ok(());
    }
    // A server that refuses says `any` and then why.
    match tokio::time::timeout(CONNECT_LIMIT, incoming.next()).await.unwrap_or(Ok(None))? {
        Some(Message::Frame(frame)) if frame.kind == frame::ERROR => Err(super::connection::told(&frame)),
        _ => Err(Failure::new(Code::Protocol, "the server refused without a reason")),
    }
}

/// The sending half.
pub struct Outgoing {
    half: OwnedWriteHalf,
    /// What leaves first: headers and large blocks, none of which is copied.
    queue: VecDeque<Bytes>,
    queued: usize,
    /// What leaves after it.
    buffer: BytesMut,
    /// Frames leave as lines of text.
    lines: bool,
}

impl Outgoing {
    pub(super) fn new(half: OwnedWriteHalf, lines: bool) -> Self {
        Self { half, queue: VecDeque::new(), queued: 0, buffer: BytesMut::new(), lines }
    }

    /// Bytes that go before any frame.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), Failure> {
        if self.lines {
            self.buffer.extend_from_slice(&frame.body);
            self.buffer.put_u8(b'\n');
        } else {
            frame.encode(&mut self.buffer);
        }
        self.flush_over(BATCH).await
    }

    pub(super) async fn send_blocks(
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

    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        self.flush_over(0).await
    }

    /// Writes all, once more than `keep` bytes wait. A peer that takes them, but slower than the minimum rate, is given
    /// up as one that takes none (FAULTS row 40).
    async fn flush_over(&mut self, keep: usize) -> Result<(), Failure> {
        let waiting = self.queued + self.buffer.len();
        if waiting <= keep || waiting == 0 {
            return Ok(());
        }
        let limit = SILENCE_LIMIT + Duration::from_secs(waiting as u64 / MINIMUM_RATE);
        tokio::time::timeout(limit, self.write_all()).await.map_err(|_| stopped_reading())?
    }

    /// Cancel-safe: what was written is gone from the queue.
    async fn write_all(&mut self) -> Result<(), Failure> {
        while !self.queue.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (slot, piece) in pieces.iter_mut().zip(&self.queue) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
            let mut written =
                self.half.write_vectored(&pieces[..count]).await.map_err(|error| broken(&error, 0))?;
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
            let written = self.half.write(&self.buffer).await.map_err(|error| broken(&error, 0))?;
            self.buffer.advance(written);
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        // The peer may be gone already: then there is nobody to tell.
        if self.flush().await.is_ok() {
            drop(self.half.shutdown().await);
        }
    }
}

/// The receiving half.
pub struct Incoming {
    half: OwnedReadHalf,
    frames: Deframer,
    lines: bool,
    received: u64,
    ended: bool,
    /// A block of which a part has landed: where it goes on, and what is still to come of it.
    block: Option<(u64, usize)>,
}

impl Incoming {
    /// `front` was read already, while the peer's protocol was being found out.
    pub(super) fn new(half: OwnedReadHalf, front: BytesMut, lines: bool) -> Self {
        Self { half, frames: Deframer { buffer: front }, lines, received: 0, ended: false, block: None }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            // The rest of a block that nobody wants any more.
            if let Some((offset, left)) = self.block {
                let now = left.min(self.frames.buffer.len());
                self.frames.buffer.advance(now);
                self.block = (now < left).then_some((offset, left - now));
            }
            if self.block.is_none()
                && let Some(message) = if self.lines { self.line()? } else { self.frame()? }
            {
                return Ok(Some(message));
            }
            if self.ended || !self.read().await? {
                return self.at_end();
            }
        }
    }

    pub(super) async fn next_into(&mut self, landing: &mut dyn Landing) -> Result<Option<Landed>, Failure> {
        loop {
            let landed = self.land_buffered(landing)?;
            if self.block.is_none()
                && self.frames.next_kind().map_err(malformed)? != Some(frame::BLOCK)
                && let Some(frame) = self.frames.next_frame().map_err(malformed)?
            {
                return Ok(Some(Landed::Frame(frame)));
            }
            if landed {
                return Ok(Some(Landed::Bytes));
            }
            if self.ended {
                return self.at_end().map(|_| None);
            }
            let direct = self.block.filter(|(_, left)| *left >= DIRECT && self.frames.buffer.is_empty());
            let more = match direct {
                Some((offset, left)) => self.read_block(landing, offset, left).await?,
                None => self.read().await?,
            };
            if !more {
                return self.at_end().map(|_| None);
            }
            if direct.is_some() {
                return Ok(Some(Landed::Bytes));
            }
        }
    }

    /// Puts what is buffered of blocks where it belongs; true if there was any.
    fn land_buffered(&mut self, landing: &mut dyn Landing) -> Result<bool, Failure> {
        let mut landed = false;
        loop {
            if let Some((offset, left)) = self.block {
                let now = left.min(self.frames.buffer.len());
                land(landing, offset, &self.frames.buffer[..now])?;
                self.frames.buffer.advance(now);
                landed |= now > 0;
                self.block = (now < left).then_some((offset + now as u64, left - now));
                if self.block.is_some() {
                    return Ok(landed);
                }
            }
            match self.frames.next_block().map_err(malformed)? {
                Some(block) => self.block = Some(block),
                None => return Ok(landed),
            }
        }
    }

    /// Reads a block straight to its place, and what stands between it and the next one behind it. False at the end of
    /// the stream.
    async fn read_block(
        &mut self,
        landing: &mut dyn Landing,
        offset: u64,
        left: usize,
    ) -> Result<bool, Failure> {
        let mut next = [0; BETWEEN];
        loop {
            self.half.readable().await.map_err(|error| broken(&error, self.received))?;
            let room = landing.room(offset, left)?;
            let length = room.len();
            let header = if length == left { &mut next[..] } else { &mut [][..] };
            match self.half.try_read_vectored(&mut [IoSliceMut::new(room), IoSliceMut::new(header)]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.received += n as u64;
                    let now = n.min(length);
                    landing.landed(offset, now)?;
                    self.block = (now < left).then_some((offset + now as u64, left - now));
                    self.frames.buffer.extend_from_slice(&next[..n - now]);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken(&error, self.received)),
            }
        }
    }

    fn frame(&mut self) -> Result<Option<Message>, Failure> {
        let Some(frame) = self.frames.next_frame().map_err(malformed)? else { return Ok(None) };
        if frame.kind == frame::LINE {
            return Err(malformed(crate::wire::DecodeError::Unknown { what: "frame", value: 0 }));
        }
        if frame.kind != frame::BLOCK {
            return Ok(Some(Message::Frame(frame)));
        }
        let mut body = frame.body;
        let offset = Reader::new(&body).u64().map_err(malformed)?;
        body.advance(8);
        Ok(Some(Message::Block { offset, bytes: body }))
    }

    fn line(&mut self) -> Result<Option<Message>, Failure> {
        let buffer = &mut self.frames.buffer;
        let Some(end) = buffer.iter().position(|&byte| byte == b'\n') else {
            if buffer.len() > LINE_LIMIT {
                return Err(Failure::new(Code::Limit, format!("a line is longer than {LINE_LIMIT} bytes")));
            }
            return Ok(None);
        };
        let mut line = buffer.split_to(end + 1);
        line.truncate(end - usize::from(end > 0 && line[end - 1] == b'\r'));
        Ok(Some(Message::Frame(Frame { kind: frame::LINE, body: line.freeze() })))
    }

    /// Reads once; false at the end of the stream.
    async fn read(&mut self) -> Result<bool, Failure> {
        let wanted = if self.lines {
            4096
        } else {
            self.frames.missing().clamp(8192, BATCH).max(if self.received > 1 << 16 { BATCH } else { 0 })
        };
        loop {
            self.frames.buffer.reserve(wanted);
            match self.half.try_read_buf(&mut self.frames.buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.received += n as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Who waits holds no buffer: thousands of idle clients would hold as many.
                    if self.frames.buffer.is_empty() {
                        self.frames.buffer = BytesMut::new();
                    }
                    self.half.readable().await.map_err(|error| broken(&error, self.received))?;
                }
                Err(error) => return Err(broken(&error, self.received)),
            }
        }
    }

    /// The stream ended: in order, or in the middle of a frame (row 41). A last line needs no newline.
    fn at_end(&mut self) -> Result<Option<Message>, Failure> {
        self.ended = true;
        let left = self.frames.buffer.len();
        if left == 0 && self.block.is_none() {
            return Ok(None);
        }
        if self.lines {
            let mut body = self.frames.buffer.split().freeze();
            body.truncate(left - usize::from(body.ends_with(b"\r")));
            return Ok(Some(Message::Frame(Frame { kind: frame::LINE, body })));
        }
        let missing = self.block.take().map_or_else(|| self.frames.missing(), |(_, left)| left);
        self.frames.buffer.clear();
        let why = format!(
            "the peer closed early, at byte {left} of {} of a frame, after {} bytes",
            left + missing,
            self.received
        );
        Err(Failure::new(Code::Broken, why)
            .fix("the other side may have been stopped; run the command again"))
    }

    /// The other side's first 8 bytes.
    async fn preface(&mut self) -> Result<Preface, Failure> {
        loop {
            let buffer = &mut self.frames.buffer;
            if !Preface::may_begin(buffer) {
                return Err(foreign(buffer));
            }
            if let Some(front) = buffer.first_chunk::<{ preface::SIZE }>() {
                let preface = Preface::decode(*front);
                return match preface {
                    Some(preface) => {
                        buffer.advance(preface::SIZE);
                        Ok(preface)
                    }
                    None => Err(foreign(buffer)),
                };
            }
            if !self.read().await? {
                let why = "the server closed the connection without a word";
                return Err(Failure::new(Code::Protocol, why)
                    .fix("is it an nls server? nls speaks its own protocol there"));
            }
        }
    }
}

/// Row 43: what speaks there instead.
pub(super) fn foreign(front: &[u8]) -> Failure {
    let why = format!(
        "this looks like {} (`{}`); nls speaks its own protocol",
        preface::guess(front),
        escape::excerpt(front, 48)
    );
    Failure::new(Code::Protocol, why).fix("check the port")
}

fn broken(error: &std::io::Error, received: u64) -> Failure {
    let why = match error.kind() {
        ErrorKind::ConnectionReset => "the peer reset the connection: it was stopped, or fell over".into(),
        ErrorKind::BrokenPipe => "the peer closed the connection".into(),
        ErrorKind::TimedOut => format!(
            "the peer vanished after {received} bytes: no acknowledgement for {} s",
            USER_TIMEOUT.as_secs()
        ),
        _ => format!("the connection broke after {received} bytes: {}", reason(error)),
    };
    Failure::new(Code::Broken, why).fix("run the command again")
}
