//! The frames inside DATA.

use std::ops::Range;

use bytes::Bytes;

use super::CRC;
use crate::wire::ack::{self, Ack};
use crate::wire::writer::{cut, push_varint};
use crate::wire::{Code, DecodeError, Reader, SegmentNumber, TEXT_LIMIT};

/// A frame inside DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataFrame {
    /// Acknowledged packet numbers and the sender's credit limits.
    Ack(Ack),
    /// A part of the ordered stream.
    Stream {
        /// Offset of the first byte in the stream.
        offset: u64,
        /// A slice of the datagram.
        bytes: Bytes,
    },
    /// A piece of a block.
    Block {
        /// The first piece number, see [`UNIT`](super::UNIT).
        number: SegmentNumber,
        /// Offset of the first byte in the file.
        offset: u64,
        /// A slice of the datagram.
        bytes: Bytes,
    },
    /// Asks for an acknowledgement.
    Ping,
    /// Zeros up to the end: padding of a path MTU probe.
    Pad,
    /// The connection is over.
    Close {
        /// The reason for programs.
        code: Code,
        /// The reason for people; empty after a close in order.
        text: String,
    },
}

/// Type of [`DataFrame::Pad`].
pub const FRAME_PAD: u8 = 0x00;
/// Type of [`DataFrame::Stream`].
pub const FRAME_STREAM: u8 = 0x02;
/// Type of [`DataFrame::Block`].
pub const FRAME_BLOCK: u8 = 0x03;
/// Type of [`DataFrame::Ping`].
pub const FRAME_PING: u8 = 0x04;
/// Type of [`DataFrame::Close`].
pub const FRAME_CLOSE: u8 = 0x05;

/// Iterates over the frames of a DATA datagram without copying their bytes. Ends after the first error.
pub struct DataFrames {
    datagram: Bytes,
    at: usize,
    end: usize,
}

impl DataFrames {
    /// `frames` is the range in [`Packet::Data`](super::Packet::Data), as [`decode`](super::decode) gave it for this datagram.
    pub fn new(datagram: Bytes, frames: &Range<usize>) -> Self {
        Self { datagram, at: frames.start, end: frames.end }
    }

    fn read(&mut self) -> Result<DataFrame, DecodeError> {
        let mut r = Reader::new(&self.datagram[self.at..self.end]);
        let frame = match r.u8()? {
            ack::FRAME_RANGES => DataFrame::Ack(ack::read_ranges(&mut r)?),
            ack::FRAME_BITMAP => DataFrame::Ack(ack::read_bitmap(&mut r)?),
            FRAME_STREAM => {
                let offset = r.varint()?;
                DataFrame::Stream { offset, bytes: self.slice(&mut r)? }
            }
            FRAME_BLOCK => {
                let (number, offset) = (SegmentNumber(r.varint()?), r.varint()?);
                DataFrame::Block { number, offset, bytes: self.slice(&mut r)? }
            }
            FRAME_PING => DataFrame::Ping,
            FRAME_PAD => {
                r.rest();
                DataFrame::Pad
            }
            FRAME_CLOSE => DataFrame::Close {
                code: Code::from_number(r.u16()?),
                text: r.text("reason", TEXT_LIMIT)?.into(),
            },
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        self.at = self.end - r.remaining();
        Ok(frame)
    }

    fn slice(&self, r: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
        let length = usize::try_from(r.varint()?).map_err(|_| DecodeError::Truncated)?;
        r.take(length)?;
        let end = self.end - r.remaining();
        Ok(self.datagram.slice(end - length..end))
    }
}

impl Iterator for DataFrames {
    type Item = Result<DataFrame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let frame = self.read();
        if frame.is_err() {
            self.at = self.end;
        }
        Some(frame)
    }
}

/// Pads a datagram with zeros so that it has `size` bytes with its check sum.
pub fn push_pad(out: &mut Vec<u8>, size: usize) {
    out.resize(out.len().max(size - CRC), FRAME_PAD);
}

/// Appends a STREAM frame; `offset` is that of the first byte in the ordered stream.
pub fn push_stream(out: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    out.push(FRAME_STREAM);
    push_varint(out, offset);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a BLOCK frame; `number` is the first piece number, `offset` that of the first byte in the file.
pub fn push_block(out: &mut Vec<u8>, number: SegmentNumber, offset: u64, bytes: &[u8]) {
    out.push(FRAME_BLOCK);
    push_varint(out, number.0);
    push_varint(out, offset);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a PING frame.
pub fn push_ping(out: &mut Vec<u8>) {
    out.push(FRAME_PING);
}

/// Appends a CLOSE frame; `text` is cut at 512 bytes.
pub fn push_close(out: &mut Vec<u8>, code: Code, text: &str) {
    let text = cut(text, 512);
    out.push(FRAME_CLOSE);
    out.extend(code.number().to_be_bytes());
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}
