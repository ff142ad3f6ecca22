//! A connection carries frames, in order, and blocks, in any order, in both directions. TCP carries a block as
//! one more frame; reliable UDP delivers it the moment it arrives.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{Gauge, tcp, udp};
use crate::base::Transport;
use crate::report::Failure;
use crate::wire::spent::Cause;
use crate::wire::{Code, Frame};

/// What comes from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Frame(Frame),
    Block { offset: u64, bytes: Bytes },
}

/// Where the bytes of blocks go as they are read: who receives a file has their place ready, and nothing is copied
/// twice.
pub trait Landing: Send {
    /// The place for the front of `length` bytes at `offset`: at least one byte.
    fn room(&mut self, offset: u64, length: usize) -> Result<&mut [u8], Failure>;
    /// So many bytes were put there.
    fn landed(&mut self, offset: u64, length: usize) -> Result<(), Failure>;
}

/// What [`Incoming::next_into`] saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// A frame; bytes of blocks that came before it may have been put in their places.
    Frame(Frame),
    /// Bytes of blocks are where they belong.
    Bytes,
}

/// Both halves, and who is on the other side.
pub struct Connection {
    pub outgoing: Outgoing,
    pub incoming: Incoming,
    pub peer: SocketAddr,
    pub transport: Transport,
    /// The peer sends lines of text and wants lines back: `nc`.
    pub plain: bool,
}

/// The sending half. What is sent is buffered until [`Outgoing::flush`], except that much of it flushes itself.
pub enum Outgoing {
    Tcp(tcp::Outgoing),
    Udp(udp::Outgoing),
}

/// The receiving half.
pub enum Incoming {
    Tcp(tcp::Incoming),
    Udp(udp::Incoming),
}

impl Connection {
    /// The thread that uses it waits for a TCP socket itself from here on, until [`Self::share`]: only for a thread that
    /// may block. What waits when `cancel` fires fails soon.
    pub fn own(&mut self, cancel: &CancellationToken) {
        if let (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming)) = (&mut self.outgoing, &mut self.incoming) {
            tcp::own(outgoing, incoming, cancel);
        }
    }

    /// The runtime waits again.
    pub fn share(&mut self) {
        if let (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming)) = (&mut self.outgoing, &mut self.incoming) {
            tcp::share(outgoing, incoming);
        }
    }
}

/// What a connection over UDP knows of its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathCounts {
    /// Pieces of blocks that were sent again.
    pub retransmitted: u64,
    /// Bytes of blocks that left, those that were sent again among them.
    pub sent: u64,
    /// Smoothed.
    pub round_trip: Duration,
    /// Share of packets that the path loses whatever its load is.
    pub loss: f64,
    /// Datagrams that the system dropped here because the socket's buffer was full.
    pub kernel_drops: u64,
    /// Datagrams that came.
    pub received: u64,
    /// What blocks waited for most.
    pub held_by: Cause,
}

/// How long a peer's last words may take that had already closed.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

impl Connection {
    /// Sends the first frames of a conversation. A peer that ended it at once may have said why: that is the better
    /// failure.
    pub async fn request(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Failure> {
        let Err(failure) = self.send_all(frames).await else { return Ok(()) };
        match tokio::time::timeout(LAST_WORDS_LIMIT, self.incoming.next()).await {
            Ok(Ok(Some(Message::Frame(frame)))) if frame.kind == crate::wire::frame::ERROR => {
                Err(told(&frame))
            }
            Ok(Err(reason)) => Err(reason),
            _ => Err(failure),
        }
    }

    async fn send_all(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Failure> {
        for frame in frames {
            self.outgoing.send(frame).await?;
        }
        self.outgoing.flush().await
    }
}

impl Outgoing {
    /// Queues a frame; waits while too much is queued. Cancel-safe only before its first wait.
    pub async fn send(&mut self, frame: Frame) -> Result<(), Failure> {
        match self {
            Self::Tcp(half) => half.send(&frame).await,
            Self::Udp(half) => half.send(frame).await,
        }
    }

    /// Queues bytes of a file, as blocks of at most `chunk` bytes.
    pub async fn send_blocks(&mut self, offset: u64, bytes: Bytes, chunk: usize) -> Result<(), Failure> {
        match self {
            Self::Tcp(half) => half.send_blocks(offset, bytes, chunk).await,
            Self::Udp(half) => half.send_blocks(offset, bytes, chunk).await,
        }
    }

    /// Sends what is queued. Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Tcp(half) => half.flush().await,
            Self::Udp(_) => Ok(()),
        }
    }

    /// A frame, at once.
    pub async fn send_now(&mut self, frame: Frame) -> Result<(), Failure> {
        self.send(frame).await?;
        self.flush().await
    }

    /// Ends the connection in order: the peer gets all that was sent.
    pub async fn close(&mut self, code: Code, reason: &str) {
        match self {
            Self::Tcp(half) => half.close().await,
            Self::Udp(half) => half.close(code, reason),
        }
    }

    /// Asks the kernel for another congestion control; what it uses then.
    ///
    /// # Errors
    /// The kernel does not have it, or does not allow it; it goes on with what it had. Over UDP it is ours to choose.
    pub fn set_congestion(&self, name: &str) -> std::io::Result<String> {
        match self {
            Self::Tcp(half) => half.set_congestion(name),
            Self::Udp(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// Bounds what the system keeps for a peer that does not read, in bytes about: without it that grows to some MiB, and it
    /// is long before anybody notices. A wish; over UDP nothing is kept.
    pub fn bound_buffer(&self, bytes: usize) {
        if let Self::Tcp(half) = self {
            half.bound_buffer(bytes);
        }
    }

    /// What it waited for when it had something to send, as the system or the transport sees it. Over TCP this asks the
    /// kernel, in some microseconds; where it does not say, the cause is unknown.
    pub fn held_by(&self) -> Cause {
        match self {
            Self::Tcp(half) => half.held_by(),
            Self::Udp(half) => half.counters().get().held_by,
        }
    }

    /// For a look at the path from beside; `None` if the socket is gone already.
    pub fn gauge(&self) -> Option<Gauge> {
        match self {
            Self::Tcp(half) => half.addresses().map(|(local, peer)| Gauge::Tcp { local, peer }),
            Self::Udp(half) => Some(Gauge::Udp(half.counters().clone())),
        }
    }

    /// What is known of the path; TCP does not tell.
    pub fn path(&self) -> Option<PathCounts> {
        match self {
            Self::Tcp(_) => None,
            Self::Udp(half) => Some(half.counters().get()),
        }
    }
}

impl Incoming {
    /// The next message; `None` when the peer closed in order. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        match self {
            Self::Tcp(half) => half.next().await,
            Self::Udp(half) => half.next().await,
        }
    }

    /// The next message, if it is here already. Cancel-safe.
    pub async fn next_now(&mut self) -> Option<Result<Option<Message>, Failure>> {
        self.set_patient(false);
        let message = tokio::select! {
            biased;
            message = self.next() => Some(message),
            () = std::future::ready(()) => None,
        };
        self.set_patient(true);
        message
    }

    fn set_patient(&mut self, patient: bool) {
        if let Self::Tcp(half) = self {
            half.set_patient(patient);
        }
    }

    /// Like [`Self::next`], with the bytes of blocks put where `landing` says. Cancel-safe.
    pub async fn next_into(&mut self, landing: &mut dyn Landing) -> Result<Option<Landed>, Failure> {
        match self {
            Self::Tcp(half) => half.next_into(landing).await,
            Self::Udp(half) => match half.next().await? {
                None => Ok(None),
                Some(Message::Frame(frame)) => Ok(Some(Landed::Frame(frame))),
                Some(Message::Block { offset, bytes }) => {
                    land(landing, offset, &bytes)?;
                    Ok(Some(Landed::Bytes))
                }
            },
        }
    }

    /// The next message, which must come within `limit` and must come at all. An ERROR frame is a failure.
    pub async fn expect(&mut self, limit: Duration, what: &str) -> Result<Message, Failure> {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(Ok(Some(Message::Frame(frame)))) if frame.kind == crate::wire::frame::ERROR => {
                Err(told(&frame))
            }
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => {
                Err(Failure::new(Code::Broken, format!("the peer closed the connection before {what}")))
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(nothing_came(what, limit)),
        }
    }

    /// Like [`Self::expect`], for a frame.
    pub async fn frame(&mut self, limit: Duration, what: &str) -> Result<Frame, Failure> {
        match self.expect(limit, what).await? {
            Message::Frame(frame) => Ok(frame),
            Message::Block { .. } => {
                Err(Failure::new(Code::Misbehaved, format!("the peer sent a block instead of {what}")))
            }
        }
    }
}

/// Copies bytes to their place.
pub(super) fn land(landing: &mut dyn Landing, mut offset: u64, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let room = landing.room(offset, bytes.len())?;
        let (now, later) = bytes.split_at(room.len());
        room.copy_from_slice(now);
        landing.landed(offset, now.len())?;
        offset += now.len() as u64;
        bytes = later;
    }
    Ok(())
}

/// The peer is there, but what it owes did not come within `limit`.
pub fn nothing_came(what: &str, limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("no {what} for {} s", limit.as_secs()))
        .fix("the peer may be gone, or too busy")
}

/// What an ERROR frame says, as a failure here.
pub fn told(frame: &Frame) -> Failure {
    match frame.read_error() {
        Ok((code, text)) => told_in_words(code, &text),
        Err(error) => malformed(error),
    }
}

/// What the other side says. That it was interrupted does not mean that we were.
pub fn told_in_words(code: Code, text: &str) -> Failure {
    let code = if code == Code::Cancelled { Code::Broken } else { code };
    Failure { told: true, ..Failure::new(code, crate::base::escape::escape_line(text).into_owned()) }
}

/// The peer's bytes are not of the protocol.
pub fn malformed(error: crate::wire::DecodeError) -> Failure {
    let code = if matches!(error, crate::wire::DecodeError::Oversize { .. }) {
        Code::Limit
    } else {
        Code::Malformed
    };
    Failure::new(code, format!("the peer sent what cannot be read: {error}"))
        .fix("both sides should run the same version of nls")
}
