//! Frames over TCP. Partial input and output live in the structs, so both halves are cancel-safe.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::connection::{Connection, Message, malformed};
use super::{CONNECT_LIMIT, SILENCE_LIMIT, nobody_listens, resolve, silent, stopped_reading};
use crate::base::{Endpoint, Transport, escape};
use crate::report::{Failure, reason};
use crate::wire::frame::{self, BLOCK_HEADER, Deframer};
use crate::wire::preface::{self, Preface};
use crate::wire::{Code, Frame, Reader, ServiceId, VERSION};

/// Written and read at once: large enough to keep system calls rare.
const BATCH: usize = 256 << 10;
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
    buffer: BytesMut,
    /// Frames leave as lines of text.
    lines: bool,
}

impl Outgoing {
    pub(super) fn new(half: OwnedWriteHalf, lines: bool) -> Self {
        Self { half, buffer: BytesMut::new(), lines }
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

    pub(super) async fn send_block(&mut self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        self.buffer.reserve(BLOCK_HEADER + bytes.len());
        self.buffer.put_u32((BLOCK_HEADER - 4 + bytes.len()) as u32);
        self.buffer.put_u8(frame::BLOCK);
        self.buffer.put_u64(offset);
        self.buffer.put_slice(bytes);
        self.flush_over(BATCH).await
    }

    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        self.flush_over(0).await
    }

    async fn flush_over(&mut self, keep: usize) -> Result<(), Failure> {
        if self.buffer.len() <= keep {
            return Ok(());
        }
        while !self.buffer.is_empty() {
            let write = tokio::time::timeout(SILENCE_LIMIT, self.half.write(&self.buffer));
            let written = write.await.map_err(|_| stopped_reading())?.map_err(|error| broken(&error, 0))?;
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
}

impl Incoming {
    /// `front` was read already, while the peer's protocol was being found out.
    pub(super) fn new(half: OwnedReadHalf, front: BytesMut, lines: bool) -> Self {
        Self { half, frames: Deframer { buffer: front }, lines, received: 0, ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            if let Some(message) = if self.lines { self.line()? } else { self.frame()? } {
                return Ok(Some(message));
            }
            if self.ended || !self.read().await? {
                return self.at_end();
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
        self.frames.buffer.reserve(wanted);
        match self.half.read_buf(&mut self.frames.buffer).await {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.received += n as u64;
                Ok(true)
            }
            Err(error) => Err(broken(&error, self.received)),
        }
    }

    /// The stream ended: in order, or in the middle of a frame (row 41). A last line needs no newline.
    fn at_end(&mut self) -> Result<Option<Message>, Failure> {
        self.ended = true;
        let left = self.frames.buffer.len();
        if left == 0 {
            return Ok(None);
        }
        if self.lines {
            let mut body = self.frames.buffer.split().freeze();
            body.truncate(left - usize::from(body.ends_with(b"\r")));
            return Ok(Some(Message::Frame(Frame { kind: frame::LINE, body })));
        }
        let missing = self.frames.missing();
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
