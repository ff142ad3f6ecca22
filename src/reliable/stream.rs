//! The ordered stream of frames on both sides: unacknowledged data, and data that came out of order.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::segment::Again;
use crate::base::RangeSet;

/// Most ranges whose reason to be sent again is remembered.
const CAUSE_LIMIT: usize = 256;

/// The sending side of the stream.
#[derive(Debug, Default)]
pub(super) struct SendBuffer {
    /// Bytes from offset `base` on; those before it are acknowledged.
    data: VecDeque<u8>,
    base: u64,
    /// Nothing from this offset on was ever sent.
    fresh: u64,
    /// Ranges to send again.
    lost: RangeSet,
    /// Why, for those that were declared lost last.
    causes: VecDeque<(Range<u64>, Again)>,
    acked: RangeSet,
}

impl SendBuffer {
    /// Appends bytes to the stream.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.data.extend(bytes);
    }

    /// Offset after the last byte written.
    pub(super) fn end(&self) -> u64 {
        self.base + self.data.len() as u64
    }

    /// Bytes that are not acknowledged, or not even sent.
    pub(super) fn backlog(&self) -> usize {
        self.data.len()
    }

    /// True if there is a lost range to send, or new data below the offset `limit`.
    pub(super) fn wants(&self, limit: u64) -> bool {
        !self.lost.is_empty() || (self.fresh < self.end() && self.fresh < limit)
    }

    /// The next range to send, of at most `most` bytes: lost ones first, with the reason; new ones only up to the offset
    /// `limit` of the peer.
    pub(super) fn next(&mut self, most: usize, limit: u64) -> Option<(Range<u64>, Option<Again>)> {
        if let Some(range) = self.lost.pop_front(most as u64) {
            let overlaps = |of: &Range<u64>| of.start < range.end && of.end > range.start;
            let why = self.causes.iter().rev().find(|(of, _)| overlaps(of)).map(|(_, again)| *again);
            if self.lost.is_empty() {
                self.causes.clear();
            }
            return Some((range, why));
        }
        let end = self.end().min(limit).min(self.fresh + most as u64);
        (self.fresh < end).then(|| {
            let range = self.fresh..end;
            self.fresh = end;
            (range, None)
        })
    }

    /// The bytes of a range, which must not begin before the first unacknowledged byte.
    pub(super) fn copy(&self, range: &Range<u64>) -> Vec<u8> {
        let (start, end) = ((range.start - self.base) as usize, (range.end - self.base) as usize);
        self.data.range(start..end).copied().collect()
    }

    /// The peer has this range; what it has from the beginning on is dropped.
    pub(super) fn on_acked(&mut self, range: Range<u64>) {
        self.lost.remove_range(range.clone());
        self.acked.insert_range(range);
        let floor = self.acked.first_gap(self.base);
        if floor > self.base {
            self.data.drain(..(floor - self.base) as usize);
            self.base = floor;
            self.acked.forget_below(floor);
        }
    }

    /// Queues this range again, except for what the peer has.
    pub(super) fn on_lost(&mut self, range: Range<u64>, again: Again) {
        if self.causes.len() == CAUSE_LIMIT {
            self.causes.pop_front();
        }
        self.causes.push_back((range.clone(), again));
        self.lost.insert_range(range.start.max(self.base)..range.end);
        // What arrived in another packet meanwhile is not sent again.
        let arrived: Vec<_> =
            self.acked.iter().filter(|acked| acked.start < range.end && acked.end > range.start).collect();
        for acked in arrived {
            self.lost.remove_range(acked);
        }
    }
}

/// What a part that waits costs beside its bytes: its places in the tree and in memory.
const PIECE_COST: usize = 96;

/// The receiving side of the stream: puts parts in order.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    /// Everything before this offset was delivered.
    next: u64,
    /// Parts after a gap, by offset.
    waiting: BTreeMap<u64, Bytes>,
    waiting_bytes: usize,
}

impl ReceiveBuffer {
    /// Takes a part and appends to `out` whatever is in order now; returns the number of bytes appended.
    pub(super) fn accept(&mut self, offset: u64, bytes: Bytes, out: &mut BytesMut) -> usize {
        let end = offset + bytes.len() as u64;
        if end <= self.next || bytes.is_empty() {
            return 0;
        }
        if offset > self.next {
            let known = self.waiting.entry(offset).or_default();
            if known.len() < bytes.len() {
                self.waiting_bytes +=
                    bytes.len() - known.len() + if known.is_empty() { PIECE_COST } else { 0 };
                // Copied, since the datagram shares its memory with many others.
                *known = Bytes::copy_from_slice(&bytes);
            }
            return 0;
        }
        let before = out.len();
        self.append(offset, &bytes, out);
        while let Some((offset, bytes)) = self.waiting.first_key_value()
            && *offset <= self.next
        {
            let (offset, bytes) = (*offset, bytes.clone());
            self.waiting.pop_first();
            self.waiting_bytes -= bytes.len() + PIECE_COST;
            self.append(offset, &bytes, out);
        }
        out.len() - before
    }

    /// Number of parts that wait for one before them.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// True if this part waits for one before it.
    pub(super) fn is_after_gap(&self, offset: u64) -> bool {
        offset > self.next
    }

    /// Their bytes, and what each costs beside them; overlaps count twice.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn append(&mut self, offset: u64, bytes: &Bytes, out: &mut BytesMut) {
        let known = (self.next - offset) as usize;
        if known < bytes.len() {
            out.extend_from_slice(&bytes[known..]);
            self.next += (bytes.len() - known) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Cause;
    use crate::wire::PacketNumber;

    #[test]
    fn pieces_in_any_order_and_overlap_join_once() {
        let text: Vec<u8> = (0..100).collect();
        let mut incoming = ReceiveBuffer::default();
        let mut out = BytesMut::new();
        for (start, end) in [(50, 80), (10, 30), (5, 60), (0, 12), (70, 100), (0, 100)] {
            incoming.accept(start, Bytes::copy_from_slice(&text[start as usize..end]), &mut out);
        }
        assert_eq!(out.as_ref(), text);
    }

    #[test]
    fn lost_ranges_are_sent_again_unless_they_arrived() {
        let mut outgoing = SendBuffer::default();
        outgoing.write(&[7; 100]);
        let lost = Again { cause: Cause::Gap, number: PacketNumber(3) };
        assert_eq!(outgoing.next(60, 1000), Some((0..60, None)));
        assert_eq!(outgoing.next(60, 80), Some((60..80, None)));
        assert_eq!(outgoing.next(60, 80), None);
        outgoing.on_acked(20..40);
        outgoing.on_lost(0..60, lost);
        assert_eq!(outgoing.next(100, 80), Some((0..20, Some(lost))));
        assert_eq!(outgoing.next(100, 80), Some((40..60, Some(lost))));
        outgoing.on_acked(0..20);
        assert_eq!(outgoing.copy(&(40..60)).len(), 20);
        assert_eq!(outgoing.backlog(), 60);
    }
}
