//! Frames: the messages that a connection carries in order, over TCP as well as over reliable UDP.
//!
//! ```text
//!  0       4      5
//! +-------+------+-----------------+
//! | u32   | u8   | body            |
//! | size  | kind | size - 1 bytes  |
//! +-------+------+-----------------+
//! ```
//! `size` counts the kind and the body: 1 to [`FRAME_LIMIT`] + 1, and of a BLOCK to [`BLOCK_LIMIT`] + 1. Kinds
//! 0x00–0x0f are common to all services, 0x10–0x7f belong to one service.
//!
//! Over TCP without a key each frame but a BLOCK ends with a CRC-32C of all its bytes: TCP's own check sum of 16 bits lets
//! damage pass (Stone and Partridge, "When the CRC and TCP checksum disagree", SIGCOMM 2000). Files are hashed, and the
//! datagrams of reliable UDP have a check sum of their own.

use bytes::{Buf, Bytes, BytesMut};

use super::writer::cut;
use super::{BLOCK_LIMIT, Code, DecodeError, FRAME_LIMIT, Reader, TEXT_LIMIT, Writer};

/// A line of text from a plain client; a frame of this kind is never sent.
pub const LINE: u8 = 0x00;
/// A block of a file: u64 offset, bytes. On UDP, blocks are not part of the frame stream.
pub const BLOCK: u8 = 0x01;
/// The peer refuses or gives up: u16 code, text.
pub const ERROR: u8 = 0x02;

/// Bytes of a frame before its body.
pub const HEADER: usize = 5;
/// Bytes of the check sum at the end of a frame over TCP.
pub const CHECK: usize = 4;
/// Bytes of a BLOCK frame before its data.
pub const BLOCK_HEADER: usize = HEADER + 8;

/// One frame of the ordered stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind; its meaning depends on the service from 0x10 on.
    pub kind: u8,
    /// The bytes after the kind, at most [`FRAME_LIMIT`].
    pub body: Bytes,
}

impl Frame {
    /// A frame with this kind and body.
    pub fn new(kind: u8, body: impl Into<Bytes>) -> Self {
        Self { kind, body: body.into() }
    }

    /// An [`ERROR`] frame; `text` is cut at [`TEXT_LIMIT`].
    pub fn error(code: Code, text: &str) -> Self {
        Self::new(ERROR, Writer::new().u16(code.number()).text(cut(text, TEXT_LIMIT)).finish())
    }

    /// The code and reason of an [`ERROR`] frame.
    pub fn read_error(&self) -> Result<(Code, String), DecodeError> {
        let mut reader = Reader::new(&self.body);
        let error = (Code::from_number(reader.u16()?), reader.text("reason", TEXT_LIMIT)?.to_owned());
        reader.finish(error)
    }

    /// Appends the frame as it is sent over TCP without a key: with its check sum.
    pub fn encode_checked(&self, out: &mut BytesMut) {
        let begin = out.len();
        self.encode(out);
        let check = checksum(&out[begin..]);
        out.extend_from_slice(&check.to_be_bytes());
    }

    /// Appends the frame, with its check sum if it is `checked`.
    pub fn encode_for(&self, checked: bool, out: &mut BytesMut) {
        if checked { self.encode_checked(out) } else { self.encode(out) }
    }

    /// Appends the frame without a check sum, for a stream that is protected otherwise.
    pub fn encode(&self, out: &mut BytesMut) {
        debug_assert!(self.body.len() <= FRAME_LIMIT, "callers keep their bodies within the limit");
        out.extend_from_slice(&(self.body.len() as u32 + 1).to_be_bytes());
        out.extend_from_slice(&[self.kind]);
        out.extend_from_slice(&self.body);
    }
}

/// The header of a BLOCK with `length` bytes that belong at `offset`.
pub fn block_header(offset: u64, length: usize) -> [u8; BLOCK_HEADER] {
    let mut header = [0; BLOCK_HEADER];
    header[..4].copy_from_slice(&((BLOCK_HEADER - 4 + length) as u32).to_be_bytes());
    header[4] = BLOCK;
    header[HEADER..].copy_from_slice(&offset.to_be_bytes());
    header
}

/// The error for a body of more than `limit` bytes.
const fn oversize(limit: usize) -> DecodeError {
    DecodeError::Oversize { what: "frame", limit: limit as u64 }
}

/// CRC-32C (Castagnoli), as in RFC 9260, appendix A.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Splits a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Deframer {
    /// Bytes received that are not yet returned as frames.
    pub buffer: BytesMut,
    /// Frames have check sums, as over TCP without a key.
    pub checked: bool,
}

impl Deframer {
    /// The next complete frame; `None` until more bytes arrive. After an error the position of the next frame is not
    /// known.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        let Some((size, kind)) = self.peek()? else { return Ok(None) };
        if size > FRAME_LIMIT + 1 {
            return Err(oversize(FRAME_LIMIT));
        }
        let whole = self.whole(size, kind);
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let mut bytes = self.buffer.split_to(whole);
        if whole > 4 + size {
            let check = bytes.split_off(4 + size);
            if checksum(&bytes).to_be_bytes() != *check {
                return Err(DecodeError::Checksum);
            }
        }
        bytes.advance(HEADER);
        Ok(Some(Frame { kind, body: bytes.freeze() }))
    }

    /// Bytes of a frame from its header to its end.
    fn whole(&self, size: usize, kind: u8) -> usize {
        4 + size + if self.checked && kind != BLOCK { CHECK } else { 0 }
    }

    /// The kind of the next frame; `None` until its header is complete.
    pub fn next_kind(&self) -> Result<Option<u8>, DecodeError> {
        Ok(self.peek()?.map(|(_, kind)| kind))
    }

    /// Consumes the header of the next frame if it is a BLOCK: its offset, and how many bytes of data follow.
    /// `None` if the next frame is of another kind or its header is incomplete.
    pub fn next_block(&mut self) -> Result<Option<(u64, usize)>, DecodeError> {
        let Some((size, BLOCK)) = self.peek()? else { return Ok(None) };
        if size < BLOCK_HEADER - 4 {
            return Err(DecodeError::Truncated);
        }
        let Some(header) = self.buffer.first_chunk::<BLOCK_HEADER>() else { return Ok(None) };
        let offset = Reader::new(&header[HEADER..]).u64()?;
        self.buffer.advance(BLOCK_HEADER);
        Ok(Some((offset, size + 4 - BLOCK_HEADER)))
    }

    /// Bytes missing from the next frame, or from its header while that is incomplete; at least 1.
    pub fn missing(&self) -> usize {
        match self.peek() {
            Ok(Some((size, kind))) => self.whole(size, kind).saturating_sub(self.buffer.len()).max(1),
            _ => HEADER.saturating_sub(self.buffer.len()).max(1),
        }
    }

    /// Size (kind and body) and kind of the next frame; `None` until its header is complete.
    fn peek(&self) -> Result<Option<(usize, u8)>, DecodeError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = header[4];
        let most = if kind == BLOCK { BLOCK_LIMIT } else { FRAME_LIMIT };
        match size {
            0 => Err(DecodeError::Truncated),
            size if size > most + 1 => Err(oversize(most)),
            size => Ok(Some((size, kind))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_at_every_split_point() {
        let frames =
            [Frame::new(0x10, &b"abc"[..]), Frame::new(0x11, &b""[..]), Frame::error(Code::Busy, "full")];
        let mut wire = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut wire));
        for split in 0..=wire.len() {
            let mut deframer = Deframer::default();
            let mut got = Vec::new();
            for part in [&wire[..split], &wire[split..]] {
                deframer.buffer.extend_from_slice(part);
                while let Some(frame) = deframer.next_frame().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, frames);
        }
        assert_eq!(frames[2].read_error(), Ok((Code::Busy, "full".into())));
    }

    #[test]
    fn no_flipped_bit_of_a_checked_frame_passes() {
        let frame = Frame::new(0x10, &b"7 % 3"[..]);
        let mut wire = BytesMut::new();
        frame.encode_checked(&mut wire);
        let read = |wire: &[u8]| Deframer { buffer: wire.into(), checked: true }.next_frame();
        assert_eq!(read(&wire), Ok(Some(frame.clone())));
        for bit in 0..8 * wire.len() {
            let mut damaged = wire.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let got = read(&damaged);
            // Whose size grew still waits for its end; a BLOCK carries bytes of a file, which have hashes.
            let harmless = match &got {
                Ok(Some(got)) => got.kind == BLOCK,
                Ok(None) | Err(_) => true,
            };
            assert!(harmless, "bit {bit}: {got:?}");
        }
    }

    #[test]
    fn row_30_sizes_are_refused_before_anything_is_allocated() {
        for size in [0u32, FRAME_LIMIT as u32 + 2, u32::MAX] {
            let mut deframer = Deframer::default();
            deframer.buffer.extend_from_slice(&size.to_be_bytes());
            deframer.buffer.extend_from_slice(&[1]);
            assert!(deframer.next_frame().is_err());
            assert_eq!(deframer.buffer.capacity().min(1024), deframer.buffer.capacity());
        }
    }
}
