//! A connection carries frames, in order, and blocks of data, in any order, in both directions. Over TCP a block is one
//! more frame; reliable UDP delivers it as soon as it arrives.
//!
//! | file | holds |
//! |---|---|
//! | `message` | what travels over a connection |
//! | `keys` | encryption: the handshake, records over TCP, packets over UDP |
//! | `permits` | a server's client limit, in total and per address |
//! | `path_stats` | a reader of the path's state |
//! | `record` | what happened to its packets |
//! | `tap` | the packets themselves, for a capture |

pub mod keys;
pub mod message;
pub mod path_stats;
pub mod permits;
pub mod record;
pub mod tap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use self::message::{BlockSink, Message, PathCounts, Received, land};
use self::path_stats::PathStats;
use self::permits::ConnectionPermit;
use self::record::{ConnectionNotes, SharedRing};
use super::kernel::owner::Client;
use super::{errors, tcp, udp};
use crate::base::Transport;
use crate::record::EVENT_LIMIT;
use crate::report::Failure;
use crate::wire::time_spent::Cause;
use crate::wire::{Code, Frame};

/// Both halves of a connection, and its peer.
pub struct Connection {
    pub outgoing: Outgoing,
    pub incoming: Incoming,
    /// The peer's address.
    pub peer: SocketAddr,
    pub transport: Transport,
    /// The peer sends and expects lines of text, as `nc` does.
    pub is_text: bool,
    /// It is encrypted: the name of the peer's key.
    pub key: Option<Arc<str>>,
    /// Its share of the server's client limit.
    pub place: ConnectionPermit,
}

impl From<tcp::Halves> for Connection {
    fn from(halves: tcp::Halves) -> Self {
        let tcp::Halves { outgoing, incoming, peer } = halves;
        let (outgoing, incoming) = (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming));
        Self {
            outgoing,
            incoming,
            peer,
            transport: Transport::Tcp,
            is_text: false,
            key: None,
            place: ConnectionPermit::elsewhere(),
        }
    }
}

impl From<udp::Halves> for Connection {
    fn from(halves: udp::Halves) -> Self {
        let udp::Halves { outgoing, incoming, peer, is_text, key } = halves;
        let (outgoing, incoming) = (Outgoing::Udp(outgoing), Incoming::Udp(incoming));
        Self {
            outgoing,
            incoming,
            peer,
            transport: Transport::Udp,
            is_text,
            key,
            place: ConnectionPermit::elsewhere(),
        }
    }
}

/// The sending half. Data is buffered until [`Outgoing::flush`], or until a large amount has gathered.
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
    /// The client of the other end, as the kernel knows it.
    pub fn client(&self) -> Client {
        match &self.outgoing {
            Outgoing::Tcp(half) => {
                let (local, peer) = half.addresses().unwrap_or((self.peer, self.peer));
                Client::Tcp(local, peer)
            }
            Outgoing::Udp(_) => Client::Udp(self.peer),
        }
    }

    /// From here on, until [`Self::share`], reads and writes block the calling thread instead of waiting in the runtime
    /// (TCP only): for threads that may block. When `cancel` fires, a blocked call fails soon.
    pub fn own(&mut self, cancel: &CancellationToken) {
        if let (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming)) = (&mut self.outgoing, &mut self.incoming) {
            tcp::own(outgoing, incoming, cancel);
        }
    }

    /// The ring that its packets are noted in. Over UDP the transport has one; over TCP its frames are noted in `ring` from
    /// now on, and `flow` tells connections apart.
    pub fn note_into(&mut self, ring: &SharedRing, flow: u64) -> SharedRing {
        match (&mut self.outgoing, &mut self.incoming) {
            (Outgoing::Udp(outgoing), _) => outgoing.ring().clone(),
            (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming)) => {
                if let Some(ends) = outgoing.addresses().filter(|_| EVENT_LIMIT > 0) {
                    tcp::note(outgoing, incoming, ConnectionNotes::new(ring, flow, ends, Transport::Tcp));
                }
                ring.clone()
            }
            (Outgoing::Tcp(_), Incoming::Udp(_)) => ring.clone(),
        }
    }

    /// What ends it from outside, whoever has the halves by then. `None` over TCP, where it ends as they are dropped, or as
    /// the token of [`Self::own`] fires.
    pub fn ender(&self) -> Option<udp::Ender> {
        match &self.outgoing {
            Outgoing::Udp(outgoing) => Some(outgoing.ender()),
            Outgoing::Tcp(_) => None,
        }
    }

    /// Undoes [`Self::own`]: the runtime waits for the socket again.
    pub fn share(&mut self) {
        if let (Outgoing::Tcp(outgoing), Incoming::Tcp(incoming)) = (&mut self.outgoing, &mut self.incoming) {
            tcp::share(outgoing, incoming);
        }
    }
}

/// How long to wait for the last message of a peer that has already closed.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

impl Connection {
    /// Sends the first frames to a peer. If that fails because the peer has closed, the peer's own error is returned if
    /// there is one, as it says why.
    pub async fn request(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Failure> {
        let Err(failure) = self.send_all(frames).await else { return Ok(()) };
        match tokio::time::timeout(LAST_WORDS_LIMIT, self.incoming.next()).await {
            Ok(Ok(Some(Message::Frame(frame)))) if frame.kind == crate::wire::frame::ERROR => {
                Err(errors::told(&frame))
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
    /// Queues a frame; waits while too much is queued. If cancelled while it waits, the frame may or may not be sent.
    pub async fn send(&mut self, frame: Frame) -> Result<(), Failure> {
        match self {
            Self::Tcp(half) => half.send(&frame).await,
            Self::Udp(half) => half.send(frame).await,
        }
    }

    /// Queues bytes that belong at `offset`, as blocks of at most `chunk` bytes.
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

    /// Over UDP: closes with the reason, and drops what has not left. Over TCP what was given to the kernel cannot be taken
    /// back.
    pub fn close_at_once(&mut self, failure: &Failure) {
        if let Self::Udp(half) = self {
            half.close(failure.code, &failure.why);
        }
    }

    /// Queues a frame and flushes.
    pub async fn send_now(&mut self, frame: Frame) -> Result<(), Failure> {
        self.send(frame).await?;
        self.flush().await
    }

    /// As [`Self::send_now`]; the peer gets the frame when it has all blocks that were sent before.
    pub async fn send_behind_blocks(&mut self, frame: Frame) -> Result<(), Failure> {
        match self {
            Self::Tcp(_) => self.send_now(frame).await,
            Self::Udp(half) => half.send_behind_blocks(frame).await,
        }
    }

    /// True if the connection is known to have ended, for whatever reason. Over TCP that shows when something is read.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Udp(half) => half.has_ended(),
        }
    }

    /// Closes the connection. With [`Code::Other`], and always over TCP, the peer still gets all that was sent.
    pub async fn close(&mut self, code: Code, reason: &str) {
        match self {
            Self::Tcp(half) => half.close().await,
            Self::Udp(half) => half.close(code, reason),
        }
    }

    /// Requests another congestion control from the kernel; returns the name of the one in use then.
    ///
    /// # Errors
    /// The kernel does not have it or does not allow it; the old one stays in use. Always over UDP, where it is chosen
    /// with [`udp::Options`].
    pub fn set_congestion(&self, name: &str) -> std::io::Result<String> {
        match self {
            Self::Tcp(half) => half.set_congestion(name),
            Self::Udp(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// Limits the kernel's send buffer to about `bytes`. Without this it grows to some MiB, and it takes long until a
    /// peer that does not read is noticed. Best effort; no effect over UDP.
    pub fn bound_buffer(&self, bytes: usize) {
        if let Self::Tcp(half) = self {
            half.bound_buffer(bytes);
        }
    }

    /// What limited the sender while it had data to send, as the kernel or the transport sees it. Over TCP this is a
    /// kernel query of some microseconds; where the kernel does not say, the cause is unknown.
    pub fn held_by(&self) -> Cause {
        match self {
            Self::Tcp(half) => half.held_by(),
            Self::Udp(half) => half.counters().get().held_by,
        }
    }

    /// A [`PathStats`] to read the path's state from elsewhere; `None` if the socket is closed already.
    pub fn gauge(&self) -> Option<PathStats> {
        match self {
            Self::Tcp(half) => half.addresses().map(|(local, peer)| PathStats::Tcp { local, peer }),
            Self::Udp(half) => Some(PathStats::Udp(half.counters().clone())),
        }
    }

    /// Statistics of the path; `None` over TCP.
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

    /// Reads until the peer closes, and drops what comes. Cancel-safe.
    pub async fn discard(&mut self) -> Result<(), Failure> {
        match self {
            Self::Tcp(half) => half.discard().await,
            Self::Udp(half) => {
                while half.next().await?.is_some() {}
                Ok(())
            }
        }
    }

    /// The next message, without waiting: `None` if there is none yet. Cancel-safe.
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

    /// Like [`Self::next`], but the bytes of blocks are written to `landing`. Cancel-safe.
    pub async fn next_into(&mut self, landing: &mut dyn BlockSink) -> Result<Option<Received>, Failure> {
        match self {
            Self::Tcp(half) => half.next_into(landing).await,
            Self::Udp(half) => match half.next().await? {
                None => Ok(None),
                Some(Message::Frame(frame)) => Ok(Some(Received::Frame(frame))),
                Some(Message::Block { offset, bytes }) => {
                    land(landing, offset, &bytes)?;
                    Ok(Some(Received::Bytes))
                }
            },
        }
    }

    /// The next message. An error if none comes within `limit`, if the peer closes, or if it is an ERROR frame; `what`
    /// names the expected message.
    pub async fn expect(&mut self, limit: Duration, what: &str) -> Result<Message, Failure> {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(Ok(Some(Message::Frame(frame)))) if frame.kind == crate::wire::frame::ERROR => {
                Err(errors::told(&frame))
            }
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(errors::peer_closed_before(what)),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(errors::nothing_came(what, limit)),
        }
    }

    /// Like [`Self::expect`], but a block is an error too.
    pub async fn frame(&mut self, limit: Duration, what: &str) -> Result<Frame, Failure> {
        match self.expect(limit, what).await? {
            Message::Frame(frame) => Ok(frame),
            Message::Block { .. } => Err(errors::block_instead_of(what)),
        }
    }
}
