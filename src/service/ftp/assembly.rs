//! Blocks in any order → whole groups. Pure: no file, no socket. Each block is checked against what was declared;
//! memory is bounded by the groups that are open, and those by a limit.

use std::collections::{BTreeMap, HashMap};

use super::tree::GROUP;
use crate::base::RangeSet;

/// Groups that may be half full at once: over TCP it is one or two, over UDP those that are reached while one datagram
/// is sent again and again. A healthy transfer stays far below; 32 MiB are the most that one can hold.
const OPEN_GROUP_LIMIT: usize = 128;
/// Islands in a group, and chunks that came in part.
const SCATTER_LIMIT: usize = 4096;

/// A group that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
}

/// What is wrong with a block (FAULTS row 29).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    BeyondEnd { offset: u64 },
    Overlap { offset: u64 },
    TooScattered,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BeyondEnd { offset } => {
                write!(f, "the peer sent more than it declared, at offset {offset}")
            }
            Self::Overlap { offset } => write!(f, "the peer sent bytes twice, at offset {offset}"),
            Self::TooScattered => f.write_str("the peer scatters its blocks over too many places"),
        }
    }
}

/// A group that waits for bytes: a front without gaps, and islands behind it.
#[derive(Debug, Default)]
struct Open {
    bytes: Vec<u8>,
    front: usize,
    islands: RangeSet,
}

impl Open {
    /// Puts bytes at their place; false if some were there.
    fn put(&mut self, at: usize, bytes: &[u8]) -> bool {
        let end = at + bytes.len();
        if at == self.front && self.islands.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.front = end;
            return true;
        }
        if at < self.front || self.islands.insert_range(at as u64..end as u64) < bytes.len() as u64 {
            return false;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        self.front = self.islands.first_gap(self.front as u64) as usize;
        self.islands.forget_below(self.front as u64);
        true
    }
}

/// The receiving side of one file.
#[derive(Debug)]
pub(super) struct Assembly {
    size: u64,
    chunk: u64,
    open: BTreeMap<u64, Open>,
    closed: RangeSet,
    received: u64,
    chunks: u64,
    /// Chunks that came in pieces: bytes that are still missing.
    partial: HashMap<u64, u64>,
    spare: Vec<Vec<u8>>,
}

impl Assembly {
    pub(super) fn new(size: u64, chunk: u32) -> Self {
        Self {
            size,
            chunk: u64::from(chunk),
            open: BTreeMap::new(),
            closed: RangeSet::new(),
            received: 0,
            chunks: 0,
            partial: HashMap::new(),
            spare: Vec::new(),
        }
    }

    /// Bytes that are here.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Chunks that are here as a whole.
    pub(super) const fn chunks(&self) -> u64 {
        self.chunks
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.received == self.size
    }

    /// A buffer that is written and can be used again.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare.push(buffer);
    }

    /// Takes a block; groups that it completes go to `whole`.
    pub(super) fn accept(
        &mut self,
        offset: u64,
        bytes: &[u8],
        whole: &mut Vec<Group>,
    ) -> Result<(), Trouble> {
        let end = offset
            .checked_add(bytes.len() as u64)
            .filter(|&end| end <= self.size)
            .ok_or(Trouble::BeyondEnd { offset })?;
        let mut at = offset;
        while at < end {
            let index = at / GROUP;
            let stop = ((index + 1) * GROUP).min(end);
            self.put(index, at, &bytes[(at - offset) as usize..(stop - offset) as usize], whole)?;
            at = stop;
        }
        self.received += bytes.len() as u64;
        self.count_chunks(offset, end);
        Ok(())
    }

    fn put(&mut self, index: u64, at: u64, bytes: &[u8], whole: &mut Vec<Group>) -> Result<(), Trouble> {
        if self.closed.contains(index) {
            return Err(Trouble::Overlap { offset: at });
        }
        if !self.open.contains_key(&index) {
            if self.open.len() >= OPEN_GROUP_LIMIT {
                return Err(Trouble::TooScattered);
            }
            let bytes = self.spare.pop().unwrap_or_default();
            self.open.insert(index, Open { bytes, ..Open::default() });
        }
        let length = GROUP.min(self.size - index * GROUP) as usize;
        let open = self.open.get_mut(&index).expect("it was put there above");
        if open.bytes.capacity() < length {
            open.bytes.reserve_exact(length - open.bytes.len());
        }
        if !open.put((at - index * GROUP) as usize, bytes) {
            return Err(Trouble::Overlap { offset: at });
        }
        if open.islands.pieces() > SCATTER_LIMIT || self.partial.len() > SCATTER_LIMIT {
            return Err(Trouble::TooScattered);
        }
        if open.front == length
            && let Some(open) = self.open.remove(&index)
        {
            self.closed.insert(index);
            whole.push(Group { index, bytes: open.bytes });
        }
        Ok(())
    }

    fn count_chunks(&mut self, offset: u64, end: u64) {
        let mut at = offset;
        while at < end {
            let index = at / self.chunk;
            let (start, stop) = (index * self.chunk, ((index + 1) * self.chunk).min(self.size));
            let part = stop.min(end) - at;
            if at == start && stop <= end {
                self.chunks += 1;
            } else {
                let missing = self.partial.entry(index).or_insert(stop - start);
                *missing -= part;
                if *missing == 0 {
                    self.partial.remove(&index);
                    self.chunks += 1;
                }
            }
            at += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn file(size: u64) -> Vec<u8> {
        (0..size).map(|n| (n * 7 % 253) as u8).collect()
    }

    #[test]
    fn blocks_in_any_order_and_of_any_size_make_the_file() {
        let mut state = 11u64;
        for size in [1, 1000, GROUP, GROUP + 1, 3 * GROUP + 777] {
            for piece in [1u64 << 12, 1000, 999_999] {
                let bytes = file(size);
                let mut offsets: Vec<u64> = (0..size).step_by(piece as usize).collect();
                for n in (1..offsets.len()).rev() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    offsets.swap(n, (state >> 33) as usize % (n + 1));
                }
                let mut assembly = Assembly::new(size, 4096);
                let (mut whole, mut out) = (Vec::new(), vec![0; size as usize]);
                for offset in offsets {
                    let end = (offset + piece).min(size);
                    assembly.accept(offset, &bytes[offset as usize..end as usize], &mut whole).unwrap();
                    for group in whole.drain(..) {
                        let start = (group.index * GROUP) as usize;
                        out[start..start + group.bytes.len()].copy_from_slice(&group.bytes);
                        assembly.recycle(group.bytes);
                    }
                }
                assert!(assembly.is_complete() && out == bytes);
                assert_eq!(assembly.chunks(), size.div_ceil(4096));
                assert!(assembly.partial.is_empty());
            }
        }
    }

    #[test]
    fn row_29_too_much_twice_or_wrapped_is_an_error() {
        let mut whole = Vec::new();
        let mut assembly = Assembly::new(1000, 100);
        assert_eq!(assembly.accept(950, &[0; 51], &mut whole), Err(Trouble::BeyondEnd { offset: 950 }));
        assert_eq!(
            assembly.accept(u64::MAX, &[0; 2], &mut whole),
            Err(Trouble::BeyondEnd { offset: u64::MAX })
        );
        assembly.accept(100, &[0; 100], &mut whole).unwrap();
        assert_eq!(assembly.accept(150, &[0; 100], &mut whole), Err(Trouble::Overlap { offset: 150 }));
        let mut done = Assembly::new(10, 10);
        done.accept(0, &[1; 10], &mut whole).unwrap();
        assert_eq!(done.accept(0, &[1; 10], &mut whole), Err(Trouble::Overlap { offset: 0 }));
    }

    #[test]
    fn scattered_bytes_cannot_fill_memory() {
        let mut assembly = Assembly::new(u64::MAX, 1);
        let mut whole = Vec::new();
        let mut result = Ok(());
        for n in 0..200 {
            result = assembly.accept(n * GROUP, &[0], &mut whole);
            if result.is_err() {
                break;
            }
        }
        assert_eq!(result, Err(Trouble::TooScattered));
    }

    #[test]
    fn scattered_datagrams_make_a_file_with_its_plain_hash() {
        let size = 5 * GROUP + 12_345;
        let file: Vec<u8> = (0..size).map(|n| (n * 13 % 249) as u8).collect();
        let mut assembly = Assembly::new(size, 65_536);
        let mut tree = Tree::new(size);
        let (mut whole, mut state) = (Vec::new(), 3u64);
        let mut pieces: Vec<u64> = (0..size).step_by(1158).collect();
        while !pieces.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Reordering within what may be under way.
            let offset = pieces.remove((state >> 33) as usize % pieces.len().min(600));
            let end = (offset + 1158).min(size);
            assembly.accept(offset, &file[offset as usize..end as usize], &mut whole).unwrap();
            whole.drain(..).for_each(|group| tree.add(group.index, &group.bytes, size));
        }
        assert!(assembly.is_complete());
        assert_eq!(assembly.chunks(), size.div_ceil(65_536));
        assert_eq!(tree.root(), Some(blake3::hash(&file)));
    }
}
