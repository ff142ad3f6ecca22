//! ACK: the packet numbers received, as ranges or as a bitmap, whichever holds more in fewer bytes. Numbers are varints
//! (RFC 9000, section 16):
//!
//! ```text
//! 0x01 | delay µs | stream limit | block limit | marked | count | largest | length | count-1 × (gap, length)
//! 0x06 | delay µs | stream limit | block limit | marked | largest | bytes | bitmap
//! ```
//! Ranges go from the largest packet number down. `length` is the size of a range minus one, `gap` the count of numbers
//! between two ranges minus one. Bit i of byte j of the bitmap (bit 0 is lowest) is packet `largest − 1 − (8j + i)`.

use std::ops::Range;

use super::writer::{push_varint, varint_size};
use super::{DecodeError, Reader};

/// Most ranges in one ACK.
pub const RANGE_LIMIT: usize = 256;
/// Longest bitmap, in bytes.
pub const BITMAP_LIMIT: usize = 128;

/// Type of an ACK with ranges.
pub const FRAME_RANGES: u8 = 0x01;
/// Type of an ACK with a bitmap.
pub const FRAME_BITMAP: u8 = 0x06;

/// The packets received, how long the acknowledgement was delayed, and how far the peer may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Time since the packet with the largest number was received, in µs.
    pub delay_micros: u64,
    /// The peer may send bytes of the ordered stream below this offset.
    pub stream_limit: u64,
    /// Total cost of pieces that the peer may spend, see [`super::datagram::Credit`].
    pub block_limit: u64,
    /// Packets received with the ECN mark CE (RFC 3168) since the connection began.
    pub marked: u64,
    /// The packet numbers received, highest range first; not empty.
    pub ranges: Vec<Range<u64>>,
}

/// Reads the fields after the type [`FRAME_RANGES`].
pub(super) fn read_ranges(r: &mut Reader<'_>) -> Result<Ack, DecodeError> {
    let (delay_micros, stream_limit, block_limit, marked) =
        (r.varint()?, r.varint()?, r.varint()?, r.varint()?);
    let count = r.varint()?;
    if count == 0 || count > RANGE_LIMIT as u64 {
        return Err(DecodeError::Oversize { what: "acknowledged ranges", limit: RANGE_LIMIT as u64 });
    }
    let mut ranges = Vec::with_capacity(count as usize);
    let mut end = r.varint()?.saturating_add(1);
    loop {
        let start = end.checked_sub(r.varint()?.saturating_add(1)).ok_or(DecodeError::Truncated)?;
        ranges.push(start..end);
        if ranges.len() as u64 == count {
            return Ok(Ack { delay_micros, stream_limit, block_limit, marked, ranges });
        }
        end = start.checked_sub(r.varint()?.saturating_add(1)).ok_or(DecodeError::Truncated)?;
    }
}

/// Reads the fields after the type [`FRAME_BITMAP`].
pub(super) fn read_bitmap(r: &mut Reader<'_>) -> Result<Ack, DecodeError> {
    let (delay_micros, stream_limit, block_limit, marked) =
        (r.varint()?, r.varint()?, r.varint()?, r.varint()?);
    let (largest, length) = (r.varint()?, r.varint()?);
    if length > BITMAP_LIMIT as u64 {
        return Err(DecodeError::Oversize { what: "acknowledged bitmap", limit: BITMAP_LIMIT as u64 });
    }
    let bitmap = r.take(length as usize)?;
    let mut ranges: Vec<Range<u64>> = std::iter::once(largest..largest.saturating_add(1)).collect();
    for bit in (0..bitmap.len() * 8).filter(|bit| bitmap[bit / 8] >> (bit % 8) & 1 == 1) {
        let number = largest.checked_sub(1 + bit as u64).ok_or(DecodeError::Truncated)?;
        match ranges.last_mut() {
            Some(last) if last.start == number + 1 => last.start = number,
            _ => ranges.push(number..number + 1),
        }
    }
    Ok(Ack { delay_micros, stream_limit, block_limit, marked, ranges })
}

/// Appends an ACK with the highest ranges that fit into `room` bytes; at least one range is written.
pub fn push_ack(out: &mut Vec<u8>, ack: &Ack, room: usize) {
    let limit = out.len() + room;
    let begin = out.len();
    out.push(FRAME_RANGES);
    for value in [ack.delay_micros, ack.stream_limit, ack.block_limit, ack.marked] {
        push_varint(out, value);
    }
    let left = limit.saturating_sub(out.len());
    let (count, bytes) = fitting(ack, left);
    match bitmap(ack, left, count, bytes) {
        Some(bits) => {
            out[begin] = FRAME_BITMAP;
            push_varint(out, ack.ranges[0].end - 1);
            push_varint(out, bits.len() as u64);
            out.extend(bits);
        }
        None => {
            push_varint(out, count as u64);
            let mut below: Option<u64> = None;
            for range in &ack.ranges[..count] {
                push_varint(out, below.map_or(range.end - 1, |below| below - range.end - 1));
                push_varint(out, range.end - range.start - 1);
                below = Some(range.start);
            }
        }
    }
}

/// How many ranges fit into `left` bytes, at least one, and how many bytes they take.
fn fitting(ack: &Ack, left: usize) -> (usize, usize) {
    let (mut bytes, mut below) = (2, None);
    for (count, range) in ack.ranges.iter().enumerate() {
        let gap = below.map_or(range.end - 1, |below: u64| below - range.end - 1);
        let more = varint_size(gap) + varint_size(range.end - range.start - 1);
        if count > 0 && (bytes + more > left || count == RANGE_LIMIT) {
            return (count, bytes);
        }
        (bytes, below) = (bytes + more, Some(range.start));
    }
    (ack.ranges.len(), bytes)
}

/// The bitmap, or `None` if the ranges are at least as short.
fn bitmap(ack: &Ack, left: usize, count: usize, bytes: usize) -> Option<Vec<u8>> {
    let largest = ack.ranges[0].end - 1;
    let header = varint_size(largest) + 2;
    let span = |lowest: u64| (largest - lowest).div_ceil(8) as usize;
    if count < 3 || header + span(ack.ranges[count - 1].start) >= bytes {
        return None;
    }
    // The bitmap may use the rest of the room for lower numbers than the ranges reach.
    let most = BITMAP_LIMIT.min(left.saturating_sub(header));
    let length = span(ack.ranges[ack.ranges.len() - 1].start).min(most);
    let mut bits = vec![0u8; length];
    for range in &ack.ranges {
        for number in range.clone().rev() {
            let Some(bit) = (largest - number).checked_sub(1) else { continue };
            match bits.get_mut((bit / 8) as usize) {
                Some(byte) => *byte |= 1 << (bit % 8),
                None => return Some(bits),
            }
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(ranges: Vec<Range<u64>>) -> Ack {
        Ack { delay_micros: 5, stream_limit: 6, block_limit: 7, marked: 8, ranges }
    }

    fn read_back(ack: &Ack, room: usize) -> (u8, Ack, usize) {
        let mut out = Vec::new();
        push_ack(&mut out, ack, room);
        let mut r = Reader::new(&out[1..]);
        let read = if out[0] == FRAME_RANGES { read_ranges(&mut r) } else { read_bitmap(&mut r) };
        assert_eq!(r.remaining(), 0);
        (out[0], read.unwrap(), out.len())
    }

    /// Every `every`-th number below `end` is missing.
    fn holes(end: u64, every: u64) -> Vec<Range<u64>> {
        (0..end / every).rev().map(|n| n * every..n * every + every - 1).collect()
    }

    #[test]
    fn few_long_ranges_stay_ranges_and_many_short_ones_become_a_bitmap() {
        let long = ack(vec![9000..10_000, 500..8000, 0..1]);
        assert_eq!(read_back(&long, 500), (FRAME_RANGES, long.clone(), 17));
        let short = ack(holes(1000, 5));
        let (kind, read, bytes) = read_back(&short, 1000);
        assert_eq!((kind, &read), (FRAME_BITMAP, &short));
        assert!(bytes < 140, "{bytes}");
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_below() {
        for (every, room) in [(5, 60), (100, 60), (5, 400), (3, 200)] {
            let whole = ack(holes(50_000, every));
            let (_, read, bytes) = read_back(&whole, room);
            assert!(bytes <= room + 1, "{bytes} for {room}");
            let (last, known) = read.ranges.split_last().unwrap();
            assert!(whole.ranges.starts_with(known));
            let cut = &whole.ranges[known.len()];
            assert!(last.end == cut.end && last.start >= cut.start);
        }
    }

    #[test]
    fn a_bitmap_below_zero_or_too_long_is_refused() {
        assert!(read_bitmap(&mut Reader::new(&[0, 0, 0, 0, 3, 1, 0xff])).is_err());
        let mut long = vec![0, 0, 0, 0, 3, 0x40, 129];
        long.resize(200, 0);
        assert!(read_bitmap(&mut Reader::new(&long)).is_err());
    }
}
