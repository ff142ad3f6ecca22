//! The two ends of a connection, plain or encrypted: what lies above reads and writes the same bytes either way.
//! Partial records are kept in the structs, so both are cancel-safe.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::BATCH;
use super::socket::{ReadEnd, WriteEnd};
use crate::net::connection::keys::{CONTENT, HEADER, Opener, Sealer, TAG};
use crate::net::connection::record::DirectionTap;

/// How long the record that ends a direction may take to leave.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Most bytes of a direction that are kept until it is known who may look at them.
const EARLY_LIMIT: usize = BATCH;

/// The encrypted bytes of one direction, for who looks at what is on the wire.
enum Passing {
    /// From the handshake on, until it is known where they are shown.
    Early(Vec<u8>),
    Shown(DirectionTap),
}

impl Passing {
    fn bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::Early(all) if all.len() + bytes.len() <= EARLY_LIMIT => all.extend_from_slice(bytes),
            Self::Early(_) => {}
            Self::Shown(tap) => tap.sealed(bytes),
        }
    }

    fn show(&mut self, tap: DirectionTap) {
        if let Self::Early(all) = std::mem::replace(self, Self::Shown(tap)) {
            self.bytes(&all);
        }
    }
}

/// The reading end.
pub(super) struct ReadSide {
    pub(super) socket: ReadEnd,
    sealed: Option<Box<Opening>>,
}

/// What came and is not read yet.
struct Opening {
    opener: Opener,
    /// Records, the last one incomplete.
    front: BytesMut,
    /// The rest of an opened record.
    plain: BytesMut,
    /// Everything that came was wrong, or the stream was cut off: nothing more is read.
    failed: Option<ErrorKind>,
    passing: Passing,
}

impl ReadSide {
    pub(super) const fn new(socket: ReadEnd) -> Self {
        Self { socket, sealed: None }
    }

    /// From here on records come; `front`: those that came already, behind `handshake`.
    pub(super) fn seal(&mut self, opener: Opener, front: BytesMut, handshake: &[u8]) {
        let passing = Passing::Early([handshake, &front].concat());
        self.sealed =
            Some(Box::new(Opening { opener, front, plain: BytesMut::new(), failed: None, passing }));
    }

    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// From here on records are shown there, and those that came already.
    pub(super) fn note(&mut self, tap: DirectionTap) {
        if let Some(sealed) = &mut self.sealed {
            sealed.passing.show(tap);
        }
    }

    /// Waits until there may be something to read. In blocking mode it returns at once, as the read itself blocks.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.sealed {
            Some(sealed) if sealed.has_something() => Ok(()),
            _ => self.socket.readable().await,
        }
    }

    /// Reads once; in blocking mode waits for data.
    pub(super) fn try_read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else { return self.socket.try_read_vectored(buffers) };
        if !sealed.fill(&mut self.socket, BATCH)? {
            return Ok(0);
        }
        let mut read = 0;
        for buffer in buffers {
            let now = buffer.len().min(sealed.plain.len());
            buffer[..now].copy_from_slice(&sealed.plain[..now]);
            sealed.plain.advance(now);
            read += now;
        }
        Ok(read)
    }

    /// Reads once and appends to a buffer, about `wanted` bytes; in blocking mode waits for data if that is allowed.
    pub(super) fn try_read_buf(&mut self, buffer: &mut BytesMut, wanted: usize) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else { return self.socket.try_read_buf(buffer, wanted) };
        if !sealed.fill(&mut self.socket, wanted)? {
            return Ok(0);
        }
        let plain = std::mem::take(&mut sealed.plain);
        buffer.extend_from_slice(&plain);
        Ok(plain.len())
    }

    /// Reads until the peer has shown that it has the key; false if it closed instead.
    pub(super) async fn confirm(&mut self) -> io::Result<bool> {
        while let Some(sealed) = self.sealed.as_mut().filter(|sealed| sealed.opener.is_unconfirmed()) {
            match sealed.step(&mut self.socket, HEADER + TAG) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.socket.readable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Opening {
    /// True if a read need not wait for the socket.
    fn has_something(&self) -> bool {
        !self.plain.is_empty()
            || self.failed.is_some()
            || self.opener.is_at_end()
            || Opener::length(&self.front).is_some_and(|length| self.front.len() >= length)
    }

    /// Makes sure that there are opened bytes; false at the end of the stream. `wanted`: how many would be welcome.
    fn fill(&mut self, socket: &mut ReadEnd, wanted: usize) -> io::Result<bool> {
        while self.plain.is_empty() {
            if !self.step(socket, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens one record, or reads once; false at the end of the stream.
    fn step(&mut self, socket: &mut ReadEnd, wanted: usize) -> io::Result<bool> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        match self.opener.open(&mut self.front) {
            Ok(Some(plain)) => {
                self.plain = plain;
                return Ok(true);
            }
            Ok(None) if self.opener.is_at_end() => return Ok(false),
            Ok(None) => {}
            Err(_) => return Err(self.fails(ErrorKind::InvalidData)),
        }
        let length = Opener::length(&self.front).unwrap_or(HEADER);
        let room = wanted.max(length - self.front.len().min(length)) + HEADER + TAG;
        self.front.reserve(room);
        match socket.try_read_buf(&mut self.front, room) {
            Ok(0) => Err(self.fails(ErrorKind::UnexpectedEof)),
            Ok(count) => {
                self.passing.bytes(&self.front[self.front.len() - count..]);
                Ok(true)
            }
            Err(error) => {
                // An idle connection keeps no buffer: there may be thousands.
                if error.kind() == ErrorKind::WouldBlock && self.front.is_empty() {
                    self.front = BytesMut::new();
                }
                Err(error)
            }
        }
    }

    fn fails(&mut self, kind: ErrorKind) -> io::Error {
        self.failed = Some(kind);
        kind.into()
    }
}

/// The writing end.
pub(super) struct WriteSide {
    pub(super) socket: WriteEnd,
    sealed: Option<Box<Sealing>>,
}

/// What is sealed and has not left yet.
struct Sealing {
    sealer: Sealer,
    out: BytesMut,
    /// Bytes of `out` that have left.
    left: usize,
    /// Bytes of the caller that are in `out`, and were not reported as written: it may have been cancelled meanwhile.
    taken: usize,
    passing: Passing,
}

impl WriteSide {
    pub(super) const fn new(socket: WriteEnd) -> Self {
        Self { socket, sealed: None }
    }

    /// From here on what is written leaves in records, behind `handshake`.
    pub(super) fn seal(&mut self, sealer: Sealer, handshake: &[u8]) {
        let passing = Passing::Early(handshake.to_vec());
        self.sealed = Some(Box::new(Sealing { sealer, out: BytesMut::new(), left: 0, taken: 0, passing }));
    }

    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// From here on records are shown there, and those that have left already.
    pub(super) fn note(&mut self, tap: DirectionTap) {
        if let Some(sealed) = &mut self.sealed {
            sealed.passing.show(tap);
        }
    }

    /// Shows the peer at once that this side has the key.
    pub(super) async fn confirm(&mut self, until: Instant) -> io::Result<()> {
        if let Some(sealed) = &mut self.sealed {
            sealed.sealer.confirm(&mut sealed.out);
            sealed.leave(&mut self.socket, until).await?;
        }
        Ok(())
    }

    /// Writes once; in blocking mode fails with `TimedOut` at `until`. Cancelled, it must be called again with the same
    /// bytes, and maybe more behind them.
    pub(super) async fn write_vectored(
        &mut self,
        buffers: &[IoSlice<'_>],
        until: Instant,
    ) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else { return self.socket.write_vectored(buffers, until).await };
        if sealed.taken == 0 {
            sealed.take(buffers);
        }
        sealed.leave(&mut self.socket, until).await?;
        Ok(std::mem::take(&mut sealed.taken))
    }

    /// Closes the sending direction; errors are ignored, as the peer may be gone.
    pub(super) async fn shutdown(&mut self) {
        if let Some(sealed) = &mut self.sealed {
            sealed.sealer.end(&mut sealed.out);
            // One packet with the FIN, where everything before has left.
            if sealed.left == 0 {
                sealed.left = self.socket.try_write(&sealed.out, true);
                sealed.passing.bytes(&sealed.out[..sealed.left]);
            }
            let leaves = sealed.leave(&mut self.socket, Instant::now() + END_LIMIT);
            drop(tokio::time::timeout(END_LIMIT, leaves).await);
        }
        self.socket.shutdown().await;
    }
}

impl Drop for WriteSide {
    /// Who leaves without a word ends its direction nevertheless, as the system does below: only who is cut off does not.
    fn drop(&mut self) {
        if let Some(sealed) = self.sealed.as_mut().filter(|sealed| sealed.out.is_empty()) {
            sealed.sealer.end(&mut sealed.out);
            // It may have been said already.
            if !sealed.out.is_empty() {
                let left = self.socket.try_write(&sealed.out, false);
                sealed.passing.bytes(&sealed.out[..left]);
            }
        }
    }
}

impl Sealing {
    /// Seals the first bytes of `buffers`, about [`BATCH`].
    fn take(&mut self, buffers: &[IoSlice<'_>]) {
        let waiting: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let most = waiting.min(BATCH + CONTENT);
        let records = most.div_ceil(CONTENT);
        self.out.reserve(most + records * (HEADER + TAG));
        // Whole records: the last one is sealed when more is behind it, or nothing.
        let (mut piece, mut at) = (0, 0);
        while self.taken < most {
            let rest = buffers[piece..]
                .iter()
                .enumerate()
                .map(|(n, buffer)| if n == 0 { &buffer[at..] } else { &buffer[..] });
            let mut sealed = self.sealer.seal(rest, most - self.taken, &mut self.out);
            self.taken += sealed;
            while piece < buffers.len() && sealed >= buffers[piece].len() - at {
                sealed -= buffers[piece].len() - at;
                (piece, at) = (piece + 1, 0);
            }
            at += sealed;
        }
    }

    /// Writes all that is sealed.
    async fn leave(&mut self, socket: &mut WriteEnd, until: Instant) -> io::Result<()> {
        while self.left < self.out.len() {
            let written = socket.write_vectored(&[IoSlice::new(&self.out[self.left..])], until).await?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.passing.bytes(&self.out[self.left..self.left + written]);
            self.left += written;
        }
        self.left = 0;
        // A transfer keeps the buffer; an idle connection keeps none.
        if self.out.len() < BATCH / 2 {
            self.out = BytesMut::new();
        }
        self.out.clear();
        Ok(())
    }
}
