//! The sending half of a raw connection.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::errors;
use crate::net::connection::record::FrameNotes;
use crate::report::Failure;
use crate::wire::datagram::DATAGRAM_LIMIT;

/// Writes bytes as they are.
pub struct Writer {
    to: Sink,
    sent: u64,
    /// `None`: what carries it cannot be reset.
    pub(super) cut: Option<Cut>,
    /// Where it is noted what leaves.
    pub(super) notes: Option<Box<FrameNotes>>,
}

enum Sink {
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
    /// A socket of our own, connected to one peer.
    Datagrams(Arc<UdpSocket>),
    /// One client of a server.
    Client(Arc<UdpSocket>, SocketAddr),
    /// The sending side is shut down.
    Finished,
}

/// Cuts a TCP connection: the peer gets RST, and unsent data is dropped.
pub struct Cut(OwnedFd);

impl Cut {
    pub(super) fn of(socket: &impl AsFd) -> Option<Self> {
        socket.as_fd().try_clone_to_owned().ok().map(Self)
    }
}

impl Writer {
    pub(super) fn stream(write: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { to: Sink::Stream(Box::new(write)), sent: 0, cut: None, notes: None }
    }

    pub(super) fn datagrams(socket: Arc<UdpSocket>) -> Self {
        Self { to: Sink::Datagrams(socket), sent: 0, cut: None, notes: None }
    }

    pub(super) fn client(socket: Arc<UdpSocket>, peer: SocketAddr) -> Self {
        Self { to: Sink::Client(socket, peer), sent: 0, cut: None, notes: None }
    }

    /// Sends all of the bytes; over UDP as one datagram.
    ///
    /// # Errors
    /// The peer is gone, the sending side was shut down, or a datagram would be too large.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let is_datagram = matches!(self.to, Sink::Datagrams(_) | Sink::Client(..));
        if is_datagram && bytes.len() > DATAGRAM_LIMIT {
            return Err(errors::datagram_too_large(bytes.len(), DATAGRAM_LIMIT));
        }
        let sent = match &mut self.to {
            Sink::Finished => return Err(errors::already_finished()),
            Sink::Stream(stream) => match stream.write_all(bytes).await {
                Ok(()) => stream.flush().await,
                Err(error) => Err(error),
            },
            Sink::Datagrams(socket) => socket.send(bytes).await.map(drop),
            Sink::Client(socket, peer) => socket.send_to(bytes, *peer).await.map(drop),
        };
        sent.map_err(|error| errors::raw_broken(&error, self.sent))?;
        self.sent += bytes.len() as u64;
        if let Some(notes) = self.notes.as_mut().filter(|_| is_datagram || !bytes.is_empty()) {
            notes.bytes(bytes);
        }
        Ok(())
    }

    /// Shuts the sending side down: the peer reads the end (FIN), and can still send.
    ///
    /// # Errors
    /// Datagrams have no end.
    pub async fn finish(&mut self) -> Result<(), Failure> {
        match &mut self.to {
            Sink::Datagrams(_) | Sink::Client(..) => Err(errors::no_end_of_datagrams()),
            Sink::Finished => Ok(()),
            Sink::Stream(stream) => {
                // The peer may be gone already.
                drop(stream.shutdown().await);
                if let Some(notes) = &self.notes {
                    notes.end();
                }
                self.to = Sink::Finished;
                Ok(())
            }
        }
    }

    /// Cuts the connection: the peer gets RST.
    ///
    /// # Errors
    /// Only TCP has a reset.
    pub fn reset(&mut self) -> Result<(), Failure> {
        let Some(Cut(socket)) = self.cut.take() else { return Err(errors::no_reset()) };
        if let Some(notes) = &self.notes {
            notes.cut();
        }
        // Linux sends RST at once when a socket is disconnected. SO_LINGER would not do: dropping the halves shuts the
        // socket down first, and the peer would read an orderly end.
        rustix::net::connect_unspec(&socket).map_err(|error| errors::raw_broken(&error.into(), self.sent))
    }
}
