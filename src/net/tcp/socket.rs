//! The two ends of a socket, and who waits for it: the runtime, for all its connections together, or the thread that uses
//! it, for a transfer that has one. On two cores the wakes from the one to the other are most of what a chunk costs in
//! stop-and-wait.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;

use crate::net::SILENCE_LIMIT;

/// A thread that waits looks so often whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A socket that one thread uses.
#[derive(Clone)]
pub(super) struct Own {
    stream: Arc<TcpStream>,
    cancel: CancellationToken,
}

/// Where bytes come from.
pub(super) enum ReadEnd {
    Shared(OwnedReadHalf),
    /// The flag: waiting is allowed. And how much was read last.
    Own(Own, bool, usize),
    Gone,
}

/// Where bytes go.
pub(super) enum WriteEnd {
    Shared(OwnedWriteHalf),
    Own(Own),
    Gone,
}

fn gone<T>() -> io::Result<T> {
    Err(ErrorKind::NotConnected.into())
}

impl Own {
    /// Repeats what the socket refuses for now, until it takes it, it is to stop, or `until` is past.
    fn wait<T>(&self, until: Instant, mut attempt: impl FnMut(&TcpStream) -> io::Result<T>) -> io::Result<T> {
        loop {
            // Also where nothing has to be waited for: a transfer that runs well would hear of it only at its end.
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
    pub(super) fn set_patient(&mut self, patient: bool) {
        if let Self::Own(_, waits, _) = self {
            *waits = patient;
        }
    }

    /// Waits until there may be something to read; where a thread waits itself, it does so when it reads.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Shared(half) => half.readable().await,
            Self::Own(_, true, _) => Ok(()),
            Self::Own(..) => std::future::pending().await,
            Self::Gone => gone(),
        }
    }

    /// Reads what is there.
    pub(super) fn try_read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            Self::Shared(half) => half.try_read_vectored(buffers),
            Self::Own(own, ..) => {
                own.wait(Instant::now() + SILENCE_LIMIT, |mut stream| stream.read_vectored(buffers))
            }
            Self::Gone => gone(),
        }
    }

    /// Appends what is there to a buffer, about `wanted` bytes of it.
    pub(super) fn try_read_buf(&mut self, buffer: &mut BytesMut, wanted: usize) -> io::Result<usize> {
        match self {
            Self::Shared(half) => half.try_read_buf(buffer),
            Self::Own(own, patient, last) => {
                let front = buffer.len();
                // Clearing room that is not used would cost more than the bytes: twice of what came last is enough.
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
    /// Writes once; gives up at `until` where a thread waits itself.
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

    /// Of this side and of the peer.
    pub(super) fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (local, peer) = match self {
            Self::Shared(half) => (half.local_addr(), half.peer_addr()),
            Self::Own(own) => (own.stream.local_addr(), own.stream.peer_addr()),
            Self::Gone => return None,
        };
        Some((local.ok()?, peer.ok()?))
    }

    /// Nothing more is sent; a peer that is gone need not be told.
    pub(super) async fn shutdown(&mut self) {
        match self {
            Self::Shared(half) => drop(half.shutdown().await),
            Self::Own(own) => drop(own.stream.shutdown(std::net::Shutdown::Write)),
            Self::Gone => {}
        }
    }
}

pub(super) fn own(write: &mut WriteEnd, read: &mut ReadEnd, cancel: &CancellationToken) {
    if !matches!((&*write, &*read), (WriteEnd::Shared(_), ReadEnd::Shared(_))) {
        return;
    }
    let ends = (std::mem::replace(write, WriteEnd::Gone), std::mem::replace(read, ReadEnd::Gone));
    let (WriteEnd::Shared(sender), ReadEnd::Shared(receiver)) = ends else { return };
    // On failure the connection is gone, and the next use of it says so.
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
