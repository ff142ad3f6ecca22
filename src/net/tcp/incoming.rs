//! The receiving half: splits the stream into frames, and reads large blocks directly to their target.

use std::io::{ErrorKind, IoSliceMut};

use bytes::{Buf, BytesMut};
use tokio::net::tcp::OwnedReadHalf;

use super::sealed::ReadSide;
use super::socket::ReadEnd;
use super::{BATCH, DIRECT, LINE_LIMIT, broken};
use crate::net::connection::keys::Opener;
use crate::net::connection::message::{BlockSink, Message, Received, land};
use crate::net::connection::record::FrameNotes;
use crate::net::errors::{self, malformed};
use crate::net::take_turns;
use crate::record::Kind;
use crate::report::Failure;
use crate::wire::frame::{self, BLOCK_HEADER, Deframer};
use crate::wire::preface::{self, Preface};
use crate::wire::{Frame, Reader};

/// Fewest bytes that are read at once, of frames …
const LEAST: usize = 8 << 10;
/// … and of lines.
const LINES: usize = 4 << 10;
/// Who has sent so many is given room for a whole batch.
const MANY: u64 = 64 << 10;
/// Bytes between two large blocks: the frame with the hash of the next one, and its block header.
const BETWEEN: usize = frame::HEADER + 8 + 32 + frame::CHECK + BLOCK_HEADER;

/// The receiving half.
pub struct Incoming {
    pub(super) end: ReadSide,
    frames: Deframer,
    lines: bool,
    received: u64,
    ended: bool,
    /// A block that was received in part: the offset of its next byte, and how many bytes are missing.
    block: Option<(u64, usize)>,
    /// Where its frames are noted.
    pub(in crate::net) notes: Option<FrameNotes>,
    /// The preface of the peer.
    pub(in crate::net) greeting: Option<[u8; preface::SIZE]>,
    /// The peer opened the connection.
    pub(in crate::net) is_client: bool,
}

impl Incoming {
    /// `front`: bytes that were already read to find out the peer's protocol. `lines`: the peer sends lines of text.
    pub(in crate::net) fn new(half: OwnedReadHalf, front: BytesMut, lines: bool) -> Self {
        Self {
            end: ReadSide::new(ReadEnd::Shared(half)),
            frames: Deframer { buffer: front, checked: true },
            lines,
            received: 0,
            ended: false,
            block: None,
            notes: None,
            greeting: None,
            is_client: false,
        }
    }

    /// The peer opened the connection, with this preface.
    pub(in crate::net) fn met(mut self, client: Option<Preface>) -> Self {
        (self.is_client, self.greeting) = (true, client.map(Preface::encode));
        self
    }

    /// From here on records come, which need no other check sums.
    /// `handshake`: what came behind the preface.
    pub(super) fn seal(&mut self, opener: Opener, handshake: &[u8]) {
        let front = self.take_front();
        self.end.seal(opener, front, handshake);
        self.frames.checked = false;
    }

    /// After [`crate::net::Connection::own`]: whether a read may block.
    pub(in crate::net) fn set_patient(&mut self, patient: bool) {
        self.end.socket.set_patient(patient);
    }

    /// The next frame, block or line; `None` at an orderly end of the stream. Cancel-safe.
    pub(in crate::net) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            // Skip the rest of a block that `next_into` received in part.
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

    /// Like [`Self::next`], but the bytes of blocks are written to `landing`. Cancel-safe.
    pub(in crate::net) async fn next_into(
        &mut self,
        landing: &mut dyn BlockSink,
    ) -> Result<Option<Received>, Failure> {
        loop {
            let landed = self.land_buffered(landing)?;
            if self.block.is_none()
                && self.frames.next_kind().map_err(malformed)? != Some(frame::BLOCK)
                && let Some(frame) = self.frames.next_frame().map_err(malformed)?
            {
                self.note_frame(&frame);
                return Ok(Some(Received::Frame(frame)));
            }
            if landed {
                return Ok(Some(Received::Bytes));
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
                return Ok(Some(Received::Bytes));
            }
        }
    }

    /// Copies buffered bytes of blocks to their target; true if there were any.
    fn land_buffered(&mut self, landing: &mut dyn BlockSink) -> Result<bool, Failure> {
        let mut landed = false;
        loop {
            if let Some((offset, left)) = self.block {
                let now = left.min(self.frames.buffer.len());
                if let Some(notes) = &self.notes {
                    notes.more(&self.frames.buffer[..now]);
                }
                land(landing, offset, &self.frames.buffer[..now])?;
                self.frames.buffer.advance(now);
                landed |= now > 0;
                self.block = (now < left).then_some((offset + now as u64, left - now));
                if self.block.is_some() {
                    return Ok(landed);
                }
            }
            match self.frames.next_block().map_err(malformed)? {
                Some(block) => {
                    self.block = Some(block);
                    if let Some(notes) = &mut self.notes {
                        notes.block(&frame::block_header(block.0, block.1), block);
                    }
                }
                None => return Ok(landed),
            }
        }
    }

    /// Reads a block directly to its target, and in the same call what precedes the next block. False at the end of the
    /// stream.
    async fn read_block(
        &mut self,
        landing: &mut dyn BlockSink,
        offset: u64,
        left: usize,
    ) -> Result<bool, Failure> {
        let mut next = [0; BETWEEN];
        loop {
            self.end.readable().await.map_err(|error| broken(&error, self.received))?;
            let room = landing.room(offset, left)?;
            let length = room.len();
            let header = if length == left { &mut next[..] } else { &mut [][..] };
            match self.end.try_read_vectored(&mut [IoSliceMut::new(room), IoSliceMut::new(header)]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.received += n as u64;
                    let now = n.min(length);
                    if let Some(notes) = &self.notes {
                        notes.more(&room[..now]);
                    }
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

    fn note_frame(&mut self, frame: &Frame) {
        if let Some(notes) = &mut self.notes {
            let checked = self.frames.checked;
            let size = frame::HEADER + frame.body.len() + if checked { frame::CHECK } else { 0 };
            notes.frame(Kind::Frame, size, || {
                let mut bytes = BytesMut::with_capacity(size);
                frame.encode_for(checked, &mut bytes);
                bytes
            });
        }
    }

    fn frame(&mut self) -> Result<Option<Message>, Failure> {
        let Some(frame) = self.frames.next_frame().map_err(malformed)? else { return Ok(None) };
        if frame.kind == frame::LINE {
            return Err(malformed(crate::wire::DecodeError::Unknown { what: "frame", value: 0 }));
        }
        if frame.kind != frame::BLOCK {
            self.note_frame(&frame);
            return Ok(Some(Message::Frame(frame)));
        }
        let mut body = frame.body;
        let offset = Reader::new(&body).u64().map_err(malformed)?;
        body.advance(8);
        if let Some(notes) = &mut self.notes {
            notes.block(&frame::block_header(offset, body.len()), (offset, body.len()));
            notes.more(&body);
        }
        Ok(Some(Message::Block { offset, bytes: body }))
    }

    fn line(&mut self) -> Result<Option<Message>, Failure> {
        let buffer = &mut self.frames.buffer;
        let Some(end) = buffer.iter().position(|&byte| byte == b'\n') else {
            if buffer.len() > LINE_LIMIT {
                return Err(errors::line_too_long(LINE_LIMIT));
            }
            return Ok(None);
        };
        let mut line = buffer.split_to(end + 1);
        if let Some(notes) = &mut self.notes {
            notes.frame(Kind::Line, line.len(), || &line);
        }
        line.truncate(end - usize::from(end > 0 && line[end - 1] == b'\r'));
        Ok(Some(Message::Frame(Frame { kind: frame::LINE, body: line.freeze() })))
    }

    /// Reads up to the end of the stream and drops what comes: no frame of it has to fit in memory, nor be one.
    pub(in crate::net) async fn discard(&mut self) -> Result<(), Failure> {
        (self.frames.buffer, self.block) = (BytesMut::new(), None);
        while !self.ended && self.read_some(LEAST).await? {
            let dropped = self.frames.buffer.len() as u64;
            self.frames.buffer.clear();
            take_turns(dropped).await;
        }
        self.at_end().map(drop)
    }

    /// Reads once; false at the end of the stream.
    async fn read(&mut self) -> Result<bool, Failure> {
        let wanted = if self.lines {
            LINES
        } else {
            let missing = self.frames.missing().clamp(LEAST, BATCH);
            // With a frame that is here in part no more than a batch in all.
            let rest = BATCH.saturating_sub(self.frames.buffer.len());
            if self.received > MANY { missing.max(rest) } else { missing }
        };
        self.read_some(wanted).await
    }

    async fn read_some(&mut self, wanted: usize) -> Result<bool, Failure> {
        loop {
            self.frames.buffer.reserve(wanted);
            match self.end.try_read_buf(&mut self.frames.buffer, wanted) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.received += n as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // An idle connection keeps no buffer: there may be thousands.
                    if self.frames.buffer.is_empty() {
                        self.frames.buffer = BytesMut::new();
                    }
                    self.end.readable().await.map_err(|error| broken(&error, self.received))?;
                }
                Err(error) => return Err(broken(&error, self.received)),
            }
        }
    }

    /// The stream has ended: in order, or inside a frame (row 41). The last line of text needs no newline.
    fn at_end(&mut self) -> Result<Option<Message>, Failure> {
        if let (Some(notes), false) = (&self.notes, self.ended) {
            notes.end();
        }
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
        Err(errors::peer_closed_early(left, left + missing, self.received))
    }

    /// The next bytes, so many; `None` if the stream ends before.
    pub(super) async fn exactly<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Failure> {
        loop {
            if let Some(bytes) = self.frames.buffer.first_chunk().copied() {
                self.frames.buffer.advance(N);
                return Ok(Some(bytes));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// What was received and not read yet.
    pub(super) fn take_front(&mut self) -> BytesMut {
        std::mem::take(&mut self.frames.buffer)
    }

    /// Reads the server's preface, the first 8 bytes.
    pub(super) async fn preface(&mut self) -> Result<Preface, Failure> {
        loop {
            let buffer = &mut self.frames.buffer;
            let greeting = preface::greeting_length(buffer);
            buffer.advance(greeting.unwrap_or(0));
            let is_foreign = if greeting.is_none() {
                buffer.len() > preface::GREETING_LIMIT
            } else {
                !Preface::may_begin(buffer)
            };
            if is_foreign {
                return Err(errors::foreign_protocol(buffer));
            }
            if let Some(front) = buffer.first_chunk::<{ preface::SIZE }>() {
                let preface = Preface::decode(*front);
                return match preface {
                    Some(preface) => {
                        self.greeting = Some(*front);
                        buffer.advance(preface::SIZE);
                        Ok(preface)
                    }
                    None => Err(errors::foreign_protocol(buffer)),
                };
            }
            if !self.read().await? {
                return Err(errors::server_closed_at_once());
            }
        }
    }
}
