//! The receiving half of a raw connection.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::READ_SIZE;
use super::errors;
use crate::net::connection::record::FrameNotes;
use crate::report::Failure;
use crate::wire::datagram::DATAGRAM_LIMIT;

/// Reads bytes as they come.
pub struct Reader {
    from: Source,
    buffer: BytesMut,
    received: u64,
    /// Most bytes of a stream that are read at once.
    step: usize,
    /// Where it is noted what comes.
    pub(super) notes: Option<Box<FrameNotes>>,
}

enum Source {
    Stream(Box<dyn AsyncRead + Send + Unpin>),
    /// A socket of our own, connected to one peer.
    Datagrams(Arc<UdpSocket>),
    /// Datagrams of one client of a server.
    Client(mpsc::Receiver<Bytes>),
}

impl Reader {
    pub(super) fn stream(read: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self::from(Source::Stream(Box::new(read)))
    }

    pub(super) fn datagrams(socket: Arc<UdpSocket>) -> Self {
        Self::from(Source::Datagrams(socket))
    }

    pub(super) fn client(datagrams: mpsc::Receiver<Bytes>) -> Self {
        Self::from(Source::Client(datagrams))
    }

    fn from(from: Source) -> Self {
        Self { from, buffer: BytesMut::new(), received: 0, step: READ_SIZE, notes: None }
    }

    /// At most this number of bytes of a stream is read at once: for those who must keep to a rate.
    pub fn set_step(&mut self, bytes: usize) {
        self.step = bytes.clamp(1, READ_SIZE);
    }

    /// What came next: some bytes of a stream, or one datagram, which may be empty. `None`: the peer has ended. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let read = self.read().await;
        if let Some(notes) = &mut self.notes {
            match &read {
                Ok(Some(bytes)) => notes.bytes(bytes),
                Ok(None) => notes.end(),
                Err(_) => {}
            }
        }
        read
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        let read = match &mut self.from {
            Source::Client(datagrams) => {
                let datagram = datagrams.recv().await;
                self.received += datagram.as_ref().map_or(0, Bytes::len) as u64;
                return Ok(datagram);
            }
            Source::Datagrams(socket) => {
                self.buffer.reserve(DATAGRAM_LIMIT);
                loop {
                    // A datagram of ours met a closed port: a server that starts late is waited for by the user, not here.
                    match socket.recv_buf(&mut self.buffer).await {
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        read => break read,
                    }
                }
            }
            Source::Stream(stream) => {
                self.buffer.reserve(self.step);
                match stream.read_buf(&mut (&mut self.buffer).limit(self.step)).await {
                    Ok(0) => return Ok(None),
                    // A peer of TLS that closes without a word, as many do.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                    read => read,
                }
            }
        };
        match read {
            Ok(count) => {
                self.received += count as u64;
                Ok(Some(self.buffer.split().freeze()))
            }
            Err(error) => Err(errors::raw_broken(&error, self.received)),
        }
    }
}
