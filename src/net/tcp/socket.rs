//! The two halves of a socket in one of two modes: asynchronous, where the runtime waits for it, or blocking, where a
//! transfer has its own thread. On two cores, waking one thread from the other is most of the cost of a chunk in
//! stop-and-wait.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustix::net::SendFlags;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;

use crate::net::SILENCE_LIMIT;

/// How often a blocked thread checks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// A blocking socket, used by one thread.
#[derive(Clone)]
pub(super) struct Own {
    stream: Arc<TcpStream>,
    cancel: CancellationToken,
}

/// The reading half.
pub(super) enum ReadEnd {
    Shared(OwnedReadHalf),
    /// The flag: reads may block. The number: bytes of the largest read so far.
    Own(Own, bool, usize),
    Gone,
}

/// The writing half.
pub(super) enum WriteEnd {
    Shared(OwnedWriteHalf),
    Own(Own),
    Gone,
}

fn gone<T>() -> io::Result<T> {
    Err(ErrorKind::NotConnected.into())
}

impl Own {
    /// Repeats a call while it times out, until it succeeds or fails, the transfer is cancelled, or `until` has passed.
    fn wait<T>(&self, until: Instant, mut attempt: impl FnMut(&TcpStream) -> io::Result<T>) -> io::Result<T> {
        loop {
            // Checked before each call: a transfer that never has to wait would otherwise notice only at its end.
            if self.cancel.is_cancelled() {
                return Err(ErrorKind::Interrupted.into());
            }
            match attempt(&self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if Instant::now() >= until {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                other => return other,
            }
        }
    }
}

impl ReadEnd {
    /// In blocking mode: whether reads may block. No effect otherwise.
    pub(super) fn set_patient(&mut self, patient: bool) {
        if let Self::Own(_, waits, _) = self {
            *waits = patient;
        }
    }

    /// Waits until there may be something to read. In blocking mode it returns at once, as the read itself blocks.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Shared(half) => half.readable().await,
            Self::Own(_, true, _) => Ok(()),
            Self::Own(..) => std::future::pending().await,
            Self::Gone => gone(),
        }
    }

    /// Reads once; in blocking mode waits for data.
    pub(super) fn try_read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            Self::Shared(half) => half.try_read_vectored(buffers),
            Self::Own(own, ..) => {
                own.wait(Instant::now() + SILENCE_LIMIT, |mut stream| stream.read_vectored(buffers))
            }
            Self::Gone => gone(),
        }
    }

    /// Reads once and appends to a buffer, about `wanted` bytes; in blocking mode waits for data if that is allowed.
    pub(super) fn try_read_buf(&mut self, buffer: &mut BytesMut, wanted: usize) -> io::Result<usize> {
        match self {
            Self::Shared(half) => half.try_read_buf(buffer),
            Self::Own(own, patient, last) => {
                let front = buffer.len();
                // Zeroing unused room would cost more than the bytes themselves: twice the largest read so far is
                // enough.
                buffer.resize(front + wanted.min((*last * 2).max(4096)), 0);
                let flags =
                    if *patient { rustix::net::RecvFlags::empty() } else { rustix::net::RecvFlags::DONTWAIT };
                let room = &mut buffer[front..];
                let receive = |stream: &TcpStream| -> io::Result<usize> {
                    Ok(rustix::net::recv(stream, &mut *room, flags)?.0)
                };
                let read = if *patient {
                    own.wait(Instant::now() + SILENCE_LIMIT, receive)
                } else {
                    let mut receive = receive;
                    receive(&own.stream)
                };
                let count = read.as_ref().map_or(0, |&count| count);
                buffer.truncate(front + count);
                *last = (*last).max(count);
                read
            }
            Self::Gone => gone(),
        }
    }
}

impl WriteEnd {
    /// Writes once; in blocking mode fails with `TimedOut` at `until`.
    pub(super) async fn write_vectored(
        &mut self,
        buffers: &[IoSlice<'_>],
        until: Instant,
    ) -> io::Result<usize> {
        match self {
            Self::Shared(half) => half.write_vectored(buffers).await,
            Self::Own(own) => own.wait(until, |mut stream| stream.write_vectored(buffers)),
            Self::Gone => gone(),
        }
    }

    /// Writes what the system takes at once, which it returns: nothing if it fails. `more`: what follows at once, if only
    /// the end, goes into the same packet.
    pub(super) fn try_write(&self, bytes: &[u8], more: bool) -> usize {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        #[cfg(target_os = "linux")]
        let flags = if more { flags | SendFlags::MORE } else { flags };
        #[cfg(not(target_os = "linux"))]
        let _ = more;
        let sent = match self {
            Self::Shared(half) => rustix::net::send(half.as_ref(), bytes, flags),
            Self::Own(own) => rustix::net::send(&*own.stream, bytes, flags),
            Self::Gone => return 0,
        };
        sent.unwrap_or(0)
    }

    /// The local address and the peer's.
    pub(super) fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (local, peer) = match self {
            Self::Shared(half) => (half.local_addr(), half.peer_addr()),
            Self::Own(own) => (own.stream.local_addr(), own.stream.peer_addr()),
            Self::Gone => return None,
        };
        Some((local.ok()?, peer.ok()?))
    }

    /// Closes the sending direction; errors are ignored, as the peer may be gone.
    pub(super) async fn shutdown(&mut self) {
        match self {
            Self::Shared(half) => drop(half.shutdown().await),
            Self::Own(own) => drop(own.stream.shutdown(std::net::Shutdown::Write)),
            Self::Gone => {}
        }
    }
}

/// Switches both halves to blocking mode.
pub(super) fn own(write: &mut WriteEnd, read: &mut ReadEnd, cancel: &CancellationToken) {
    if !matches!((&*write, &*read), (WriteEnd::Shared(_), ReadEnd::Shared(_))) {
        return;
    }
    let ends = (std::mem::replace(write, WriteEnd::Gone), std::mem::replace(read, ReadEnd::Gone));
    let (WriteEnd::Shared(sender), ReadEnd::Shared(receiver)) = ends else { return };
    // On failure the connection is lost, and the next use of it returns an error.
    let Ok(stream) =
        receiver.reunite(sender).map_err(drop).and_then(|stream| stream.into_std().map_err(drop))
    else {
        return;
    };
    let ready = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(LOOK)))
        .and_then(|()| stream.set_write_timeout(Some(LOOK)));
    if ready.is_ok() {
        let own = Own { stream: Arc::new(stream), cancel: cancel.clone() };
        *write = WriteEnd::Own(own.clone());
        *read = ReadEnd::Own(own, true, 0);
    }
}

/// Switches both halves back to asynchronous mode.
pub(super) fn share(write: &mut WriteEnd, read: &mut ReadEnd) {
    if !matches!((&*write, &*read), (WriteEnd::Own(_), ReadEnd::Own(..))) {
        return;
    }
    let ends = (std::mem::replace(write, WriteEnd::Gone), std::mem::replace(read, ReadEnd::Gone));
    let (WriteEnd::Own(own), ReadEnd::Own(other, ..)) = ends else { return };
    drop(other);
    let shared = Arc::try_unwrap(own.stream)
        .ok()
        .and_then(|stream| stream.set_nonblocking(true).ok().map(|()| stream))
        .and_then(|stream| tokio::net::TcpStream::from_std(stream).ok());
    if let Some(stream) = shared {
        let (receiver, sender) = stream.into_split();
        (*write, *read) = (WriteEnd::Shared(sender), ReadEnd::Shared(receiver));
    }
}
