//! The connection of a client that speaks another protocol than ours: bytes as they come. Reads and writes are
//! cancel-safe as far as their names say; whoever does not read is let go.

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};

use super::bind::beside;
use super::browsers::Browsers;
use crate::net::connection::permits::{ConnectionPermit, Door};
use crate::net::connection::record::ConnectionNotes;
use crate::net::errors;
use crate::net::kernel::owner::Client;
use crate::net::limits::{MINIMUM_RATE, SILENCE_LIMIT};
use crate::net::{take_turns, tcp};
use crate::record::Kind;
use crate::report::Failure;

/// Bytes of one read.
const READ_SIZE: usize = 256 << 10;
/// The kernel is given files in steps of this many bytes, so that progress is seen.
const FILE_STEP: u64 = 1 << 20;
/// The peer sends nothing more; that the connection is broken is reported in any case.
#[cfg(target_os = "linux")]
const ENDED: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const ENDED: PollFlags = PollFlags::HUP;
/// How long a client may take to read the last words.
const PARTING_LIMIT: Duration = Duration::from_secs(1);
/// A client that takes nothing for this long is watched.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// The connection of a client that speaks another protocol than ours.
#[derive(Debug)]
pub struct ForeignStream {
    stream: TcpStream,
    /// What came and was not taken yet.
    pub buffer: BytesMut,
    pub peer: SocketAddr,
    /// Our own address, as the client knows it.
    pub local: SocketAddr,
    /// How the client was greeted, which waited to be spoken to; empty if it did not.
    pub greeted: &'static str,
    /// The client is a visitor of a conversation: how it takes part. `None`: it has its place.
    pub door: Option<Box<Door>>,
    /// Its share of the client limit.
    pub place: ConnectionPermit,
    /// Where it is noted that a browser came; `None`: nobody needs to know.
    pub(super) browsers: Option<Arc<Browsers>>,
    /// Where it is noted what passes.
    notes: Option<Box<Noted>>,
}

/// What passes a connection, as it is noted.
#[derive(Debug)]
struct Noted {
    notes: ConnectionNotes,
    /// What was read to tell the protocol, and is not noted yet: these few bytes would be a packet that no other program
    /// takes for the beginning of a request.
    front: Vec<u8>,
}

impl Noted {
    /// These came; none: it was the end.
    fn came(&mut self, bytes: &[u8]) {
        let front = std::mem::take(&mut self.front);
        match (front.is_empty(), bytes.is_empty()) {
            (true, true) => {}
            (true, false) => self.notes.into.bytes(bytes),
            (false, _) => self.notes.into.bytes(&[&front, bytes].concat()),
        }
        if bytes.is_empty() {
            self.notes.into.end();
        }
    }

    /// These leave, after what came.
    fn leave<B: AsRef<[u8]>>(&mut self, size: usize, bytes: impl FnOnce() -> B) {
        let front = std::mem::take(&mut self.front);
        if !front.is_empty() {
            self.notes.into.bytes(&front);
        }
        if size > 0 {
            self.notes.out.frame(Kind::Other, size, bytes);
        }
    }
}

impl ForeignStream {
    /// A connection of which `front` was read already.
    pub fn new(stream: TcpStream, peer: SocketAddr, front: BytesMut) -> Self {
        let local = stream.local_addr().unwrap_or(peer);
        Self {
            stream,
            buffer: front,
            peer,
            local,
            greeted: "",
            door: None,
            place: ConnectionPermit::elsewhere(),
            browsers: None,
            notes: None,
        }
    }

    /// A second connection, such as that for the data of a transfer, that was accepted by a listener of its own.
    pub(crate) async fn accept(listener: &TcpListener) -> std::io::Result<Self> {
        let (stream, peer) = listener.accept().await?;
        tcp::prepare_accepted(&stream);
        Ok(Self::new(stream, peer, BytesMut::new()))
    }

    /// A listener for such a connection, on any free port of the address that the client knows.
    pub(crate) fn listen_beside(&self) -> std::io::Result<TcpListener> {
        beside(self.local)
    }

    /// The client, as the kernel knows it.
    pub const fn client(&self) -> Client {
        Client::Tcp(self.local, self.peer)
    }

    /// The addresses of this side and of the peer.
    pub const fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.peer)
    }

    /// The client is a browser: silent connections from where it comes may be its reserve.
    pub(crate) fn note_browser(&self) {
        if let Some(browsers) = &self.browsers {
            browsers.note(self.peer.ip());
        }
    }

    /// Notes what passes from here on, and what has passed already.
    pub fn note(&mut self, mut notes: ConnectionNotes) {
        notes.into.open();
        if !self.greeted.is_empty() {
            notes.out.bytes(self.greeted.as_bytes());
        }
        self.notes = Some(Box::new(Noted { notes, front: self.buffer.to_vec() }));
    }

    /// Tells from any thread whether the client has ended its side, as the kernel knows it: the runtime may not have
    /// looked yet.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn watch_end(&self) -> std::io::Result<impl Fn() -> bool + Send + use<>> {
        let socket = self.stream.as_fd().try_clone_to_owned()?;
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(move || poll(&mut [PollFd::new(&socket, ENDED)], Some(&at_once)).is_ok_and(|ended| ended > 0))
    }

    /// Urgent bytes stay at their place among the others: clients of FTP send the end of ABOR so (RFC 854, the Synch).
    pub(crate) fn keep_urgent_inline(&self) {
        drop(socket2::SockRef::from(&self.stream).set_out_of_band_inline(true));
    }

    /// Reads more into the buffer; false at the end of what the client sends. Cancel-safe.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(&mut self) -> Result<bool, Failure> {
        self.read_some(READ_SIZE).await
    }

    /// Limits the kernel's send buffer to about `bytes`.
    pub fn bound_buffer(&self, bytes: usize) {
        tcp::bound_send_buffer(&self.stream, bytes);
    }

    /// Reads at most `most` bytes more into the buffer. Cancel-safe.
    pub async fn read_some(&mut self, most: usize) -> Result<bool, Failure> {
        self.buffer.reserve(most);
        let mut limited = bytes::BufMut::limit(&mut self.buffer, most);
        let read = self.stream.read_buf(&mut limited).await;
        self.came(read)
    }

    /// The result of a read into the buffer: true if something came.
    fn came(&mut self, read: std::io::Result<usize>) -> Result<bool, Failure> {
        let count = read.map_err(|error| errors::socket_failed(&error))?;
        if let Some(noted) = &mut self.notes {
            noted.came(&self.buffer[self.buffer.len() - count..]);
        }
        Ok(count > 0)
    }

    /// The same, where urgent bytes may come: a read ends before each of them, which is not the end of what is there.
    /// (Otherwise a read that fills less than its buffer is taken for it, which saves a system call.)
    pub(crate) async fn read_with_urgent(&mut self, most: usize) -> Result<bool, Failure> {
        self.buffer.reserve(most);
        let mut limited = bytes::BufMut::limit(&mut self.buffer, most);
        loop {
            let ready = self.stream.readable().await;
            match ready.and_then(|()| self.stream.try_read_buf(&mut limited)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return self.came(read),
            }
        }
    }

    /// Sends all of the bytes.
    ///
    /// # Errors
    /// The connection broke, or the client takes less than [`MINIMUM_RATE`] for [`SILENCE_LIMIT`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.leaves(bytes);
        write_all(&self.stream, bytes).await
    }

    fn leaves(&mut self, bytes: &[u8]) {
        if let Some(noted) = &mut self.notes {
            noted.leave(bytes.len(), || bytes);
        }
    }

    /// Sends two buffers, in one system call where it can be.
    pub async fn write_both(&mut self, head: &[u8], body: &Bytes) -> Result<(), Failure> {
        let (mut head, mut body) = (head, &body[..]);
        self.leaves(head);
        self.leaves(body);
        while !head.is_empty() {
            let slices = [std::io::IoSlice::new(head), std::io::IoSlice::new(body)];
            let written = patiently(&self.stream, || self.stream.try_write_vectored(&slices)).await?;
            let of_head = written.min(head.len());
            (head, body) = (&head[of_head..], &body[written - of_head..]);
        }
        write_all(&self.stream, body).await
    }

    /// Sends a step of a file, from `offset` on, without a copy through this program; at most `most` bytes. Returns how many left;
    /// 0: the file ends there.
    ///
    /// # Errors
    /// As for [`Self::write`]; and if the file cannot be read.
    pub async fn send_file(&mut self, file: &File, offset: u64, most: u64) -> Result<usize, Failure> {
        let step = most.min(FILE_STEP) as usize;
        let send = || self.stream.try_io(Interest::WRITABLE, || send_file(&self.stream, file, offset, step));
        let sent = patiently(&self.stream, send).await?;
        if let Some(noted) = &mut self.notes {
            // The bytes did not pass this program.
            noted.leave(sent, || {
                let mut bytes = vec![0; sent];
                drop(std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, offset));
                bytes
            });
        }
        Ok(sent)
    }

    /// Ends our side: what was sent still arrives.
    pub(crate) async fn end(&mut self) {
        drop(self.stream.shutdown().await);
        if let Some(noted) = &self.notes {
            noted.notes.out.end();
        }
    }

    /// Closes so that the client notices that what came is not all.
    pub(crate) fn reset(self) {
        drop(socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)));
        if let Some(noted) = &self.notes {
            noted.notes.out.cut();
        }
    }

    /// Ends our side, and waits a moment until the client has read it: closing with unread input would reset the
    /// connection and could discard the last words.
    pub async fn close(mut self) {
        drop(self.stream.shutdown().await);
        // On the heap: inside the future it would add to the task of every client.
        let mut sink = vec![0; 4096];
        let drain = async { while self.stream.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
        drop(tokio::time::timeout(PARTING_LIMIT, drain).await);
    }
}

/// Sends all of the bytes, to a client that takes some in time.
pub(super) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let written = patiently(stream, || stream.try_write(bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The result of a write that must make progress.
async fn patiently(stream: &TcpStream, write: impl Fn() -> std::io::Result<usize>) -> Result<usize, Failure> {
    take_turns(0).await;
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => has_room(stream).await?,
            written => return written.map_err(|error| errors::socket_failed(&error)),
        }
    }
}

/// Waits until the kernel takes more for the client. It holds hundreds of kilobytes, and takes more only when a good part
/// of them is read: a client that reads slowly, but not more slowly than [`MINIMUM_RATE`], is waited for (faults.md row
/// 40).
async fn has_room(stream: &TcpStream) -> Result<(), Failure> {
    let ready = |ready: std::io::Result<()>| ready.map_err(|error| errors::socket_failed(&error));
    if let Ok(soon) = tokio::time::timeout(SLOW_AFTER, stream.writable()).await {
        return ready(soon);
    }
    tcp::leave_silence_to_the_caller(stream);
    loop {
        let before = tcp::acknowledged(stream);
        if let Ok(at_last) = tokio::time::timeout(SILENCE_LIMIT, stream.writable()).await {
            return ready(at_last);
        }
        if tcp::acknowledged(stream) < before + MINIMUM_RATE * SILENCE_LIMIT.as_secs() {
            return Err(errors::stopped_reading());
        }
    }
}

#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, file: &File, mut offset: u64, step: usize) -> std::io::Result<usize> {
    rustix::fs::sendfile(stream, file, Some(&mut offset), step).map_err(Into::into)
}

#[cfg(not(target_os = "linux"))]
fn send_file(stream: &TcpStream, file: &File, offset: u64, step: usize) -> std::io::Result<usize> {
    let mut buffer = vec![0; step.min(READ_SIZE)];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut buffer, offset)?;
    if read == 0 { Ok(0) } else { stream.try_write(&buffer[..read]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_client_is_known_before_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = ForeignStream::accept(&listener).await.unwrap();
        let has_left = stream.watch_end().unwrap();
        std::io::Write::write_all(&mut &client, b"STAT\r\n").unwrap();
        assert!(!has_left(), "it has only said something");
        drop(client);
        assert!(has_left(), "what it said is still unread");
    }
}
