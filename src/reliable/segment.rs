//! A part of a block: what one datagram carries and what is retransmitted as a unit.

use std::ops::Range;

use bytes::Bytes;

use super::PIECE_COST;
use crate::record::Cause;
use crate::wire::datagram::UNIT;
use crate::wire::{PacketNumber, SegmentNumber};

/// A part of a block that fits into one datagram and is retransmitted as a unit.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The first of its piece numbers: it has one for each [`UNIT`] that it begins.
    pub(super) number: SegmentNumber,
    /// Position of its first byte in the file.
    pub(super) offset: u64,
    /// Its data, never empty.
    pub(super) bytes: Bytes,
    /// Why it is sent again; `None` before that.
    pub(super) again: Option<Again>,
}

/// Why content is sent again, and the packet that carried it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) cause: Cause,
    pub(super) number: PacketNumber,
}

impl Segment {
    /// All its piece numbers.
    pub(super) fn numbers(&self) -> Range<u64> {
        self.number.range(self.bytes.len().div_ceil(UNIT) as u64)
    }

    /// The number after its last one.
    pub(super) fn end(&self) -> SegmentNumber {
        SegmentNumber(self.numbers().end)
    }

    /// Splits it into pieces that have one number each.
    pub(super) fn cut(mut self) -> Vec<Self> {
        let mut parts = Vec::new();
        while !self.bytes.is_empty() {
            let bytes = self.bytes.split_to(self.bytes.len().min(UNIT));
            let length = bytes.len() as u64;
            parts.push(Self { number: self.number, offset: self.offset, bytes, again: self.again });
            (self.number, self.offset) = (self.number + 1, self.offset + length);
        }
        parts
    }

    /// Bytes of the block credit that it uses up.
    pub(super) fn cost(&self) -> u64 {
        self.bytes.len() as u64 + PIECE_COST
    }
}
