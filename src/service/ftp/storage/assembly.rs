//! Assembles blocks, at any offset and in any order, into complete groups. Pure: no file, no socket. The reader of the
//! connection puts bytes directly where they belong ([`Assembly::room`], then [`Assembly::landed`]), so nothing is
//! copied twice; each place is checked against the declared size. Memory is bounded by the limit of open groups.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::buffers;
use crate::base::{Held, RangeSet};

/// Most incomplete groups at once: over TCP it is one or two, over UDP those that arrive in part while one datagram is
/// retransmitted repeatedly. A healthy transfer stays far below; one transfer can hold 64 MiB at most.
const OPEN_GROUP_LIMIT: usize = 256;
/// Most islands (separate ranges of bytes) in a group.
const SCATTER_LIMIT: usize = 4096;
/// Most chunks that have arrived in part.
const PARTIAL_LIMIT: usize = 1 << 16;

/// A complete group. Its buffer may be longer than the group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) index: u64,
    pub(crate) buffer: Vec<u8>,
    pub(crate) length: usize,
    /// Its share of the memory that peers may use, released when the group is written.
    pub(crate) held: Option<Held>,
    /// A hole of the source file: zeros that need not be written here either.
    pub(crate) hole: bool,
}

impl Group {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

/// What is wrong with a block (faults.md row 29).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssemblyError {
    BeyondEnd {
        offset: u64,
    },
    Overlap {
        offset: u64,
    },
    TooScattered,
    /// All peers together hold too much memory ([`BLOCKS`](crate::service::ftp::budgets::BLOCKS)).
    TooMuch,
}

/// An incomplete group: a front without gaps, and islands after it.
#[derive(Debug, Default)]
struct Open {
    buffer: Vec<u8>,
    held: Option<Held>,
    front: usize,
    islands: RangeSet,
    /// The group was here before and is sent again: its chunks do not count a second time.
    anew: bool,
}

impl Open {
    fn is_free(&self, range: &Range<usize>) -> bool {
        let (start, end) = (range.start as u64, range.end as u64);
        range.start >= self.front
            && self.islands.end_of(start).is_none()
            && self.islands.next_start(start).is_none_or(|next| next >= end)
    }

    fn fill(&mut self, range: Range<usize>) {
        if range.start == self.front && self.islands.is_empty() {
            self.front = range.end;
            return;
        }
        self.islands.insert_range(range.start as u64..range.end as u64);
        self.front = self.islands.first_gap(self.front as u64) as usize;
        self.islands.forget_below(self.front as u64);
    }
}

/// The buffer of an incomplete group goes back to the pool.
impl Drop for Open {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.buffer));
    }
}

/// The receiving side of one file.
#[derive(Debug)]
pub(crate) struct Assembly {
    size: u64,
    group: u64,
    chunk: u64,
    open: BTreeMap<u64, Open>,
    closed: RangeSet,
    /// Groups that were there at the start; the sender may replace each once.
    offered: RangeSet,
    /// Groups that were here and are being sent again.
    anew: RangeSet,
    /// Bytes of offered groups that the sender replaced.
    replaced: u64,
    /// Ranges (start → end) that travel for the first time; chunks are counted from the start of each.
    runs: BTreeMap<u64, u64>,
    missing: u64,
    chunks: u64,
    /// Chunks that arrived in part: their missing bytes, by the offset of the chunk.
    partial: HashMap<u64, u64>,
}

impl Assembly {
    /// For a file of which the receiver has the groups `have`, sorted.
    pub(crate) fn new(size: u64, group: u64, chunk: u32, have: &[u64]) -> Self {
        let mut closed = RangeSet::new();
        for &index in have {
            closed.insert(index);
        }
        let (mut runs, mut at, mut missing) = (BTreeMap::new(), 0, size);
        for range in closed.iter() {
            let (start, end) = (range.start * group, (range.end * group).min(size));
            missing -= end - start;
            if at < start {
                runs.insert(at, start);
            }
            at = end;
        }
        if at < size {
            runs.insert(at, size);
        }
        Self {
            size,
            group,
            chunk: u64::from(chunk),
            open: BTreeMap::new(),
            offered: closed.clone(),
            closed,
            anew: RangeSet::new(),
            replaced: 0,
            runs,
            missing,
            chunks: 0,
            partial: HashMap::new(),
        }
    }

    /// Bytes that are here, including those from an earlier attempt.
    pub(crate) const fn received(&self) -> u64 {
        self.size - self.missing
    }

    /// Chunks that have arrived completely.
    pub(crate) const fn chunks(&self) -> u64 {
        self.chunks
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    fn length(&self, index: u64) -> usize {
        self.group.min(self.size.saturating_sub(index * self.group)) as usize
    }

    /// Bytes that were here at the start and that the sender replaced.
    pub(crate) const fn replaced(&self) -> u64 {
        self.replaced
    }

    /// ANEW: the group here differs from the sender's, and is sent again. Its blocks may have overtaken that message.
    /// False if the group was not here.
    pub(crate) fn replace(&mut self, index: u64) -> bool {
        if self.offered.contains(index) {
            self.offered.remove_range(index..index + 1);
            self.replaced += self.length(index) as u64;
            return self.reopen(index);
        }
        self.anew.contains(index) || self.closed.contains(index)
    }

    /// Expects a group again whose data was wrong. False if the group is not complete here.
    pub(crate) fn reopen(&mut self, index: u64) -> bool {
        if !self.closed.contains(index) {
            return false;
        }
        self.closed.remove_range(index..index + 1);
        self.anew.insert(index);
        self.missing += self.length(index) as u64;
        true
    }

    /// The place for the first of `length` bytes at `offset`: at least one byte, at most up to the end of the group.
    pub(crate) fn room(&mut self, offset: u64, length: usize) -> Result<&mut [u8], AssemblyError> {
        let end = offset.checked_add(length as u64).filter(|&end| end <= self.size);
        let end = end.ok_or(AssemblyError::BeyondEnd { offset })?;
        let index = offset / self.group;
        if self.closed.contains(index) && !(self.offered.contains(index) && self.replace(index)) {
            return Err(AssemblyError::Overlap { offset });
        }
        let (start, whole) = (index * self.group, self.length(index));
        if !self.open.contains_key(&index) {
            if self.open.len() >= OPEN_GROUP_LIMIT {
                return Err(AssemblyError::TooScattered);
            }
            let held = Some(buffers::hold(self.open.is_empty()).ok_or(AssemblyError::TooMuch)?);
            let buffer = buffers::take();
            let anew = self.anew.contains(index);
            self.open.insert(index, Open { buffer, held, anew, front: 0, islands: RangeSet::new() });
        }
        let open = self.open.get_mut(&index).expect("it was put there above");
        if open.buffer.len() < whole {
            open.buffer.resize(whole, 0);
        }
        let range = (offset - start) as usize..((end - start) as usize).min(whole);
        if open.is_free(&range) {
            Ok(&mut open.buffer[range])
        } else {
            Err(AssemblyError::Overlap { offset })
        }
    }

    /// Records that `length` bytes were put where [`Self::room`] said; a group that they complete goes to `whole`.
    pub(crate) fn landed(
        &mut self,
        offset: u64,
        length: usize,
        whole: &mut Vec<Group>,
    ) -> Result<(), AssemblyError> {
        let index = offset / self.group;
        let Some(open) = self.open.get_mut(&index) else { return Err(AssemblyError::Overlap { offset }) };
        let at = (offset - index * self.group) as usize;
        open.fill(at..at + length);
        self.missing -= length as u64;
        let (front, anew, pieces) = (open.front, open.anew, open.islands.pieces());
        if !anew {
            self.count_chunks(offset, offset + length as u64);
        }
        if pieces > SCATTER_LIMIT || self.partial.len() > PARTIAL_LIMIT {
            return Err(AssemblyError::TooScattered);
        }
        let length = self.length(index);
        if front == length
            && let Some(mut open) = self.open.remove(&index)
        {
            self.closed.insert(index);
            self.anew.remove_range(index..index + 1);
            let (buffer, held) = (std::mem::take(&mut open.buffer), open.held.take());
            whole.push(Group { index, buffer, length, held, hole: false });
        }
        Ok(())
    }

    /// Records a group of zeros that does not travel: it is complete at once. False if some of it is here already.
    pub(crate) fn hole(&mut self, index: u64, whole: &mut Vec<Group>) -> bool {
        if index >= self.size.div_ceil(self.group)
            || self.closed.contains(index)
            || self.open.contains_key(&index)
        {
            return false;
        }
        let length = self.length(index);
        let buffer = buffers::zeros(length);
        self.closed.insert(index);
        self.anew.remove_range(index..index + 1);
        self.missing -= length as u64;
        let start = index * self.group;
        self.count_chunks(start, start + length as u64);
        whole.push(Group { index, buffer, length, held: None, hole: true });
        true
    }

    fn count_chunks(&mut self, offset: u64, end: u64) {
        let Some((&run, &run_end)) = self.runs.range(..=offset).next_back() else { return };
        let mut at = offset;
        while at < end {
            let start = run + (at - run) / self.chunk * self.chunk;
            let stop = (start + self.chunk).min(run_end);
            let part = stop.min(end) - at;
            if at == start && stop <= end {
                self.chunks += 1;
            } else {
                let missing = self.partial.entry(start).or_insert(stop - start);
                *missing -= part;
                if *missing == 0 {
                    self.partial.remove(&start);
                    self.chunks += 1;
                }
            }
            at += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ftp::storage::hashes::tree::{GROUP, HashTree};

    impl Assembly {
        /// Places a block that arrived in one piece.
        fn accept(
            &mut self,
            mut offset: u64,
            mut bytes: &[u8],
            whole: &mut Vec<Group>,
        ) -> Result<(), AssemblyError> {
            while !bytes.is_empty() {
                let room = self.room(offset, bytes.len())?;
                let (now, later) = bytes.split_at(room.len());
                room.copy_from_slice(now);
                self.landed(offset, now.len(), whole)?;
                offset += now.len() as u64;
                bytes = later;
            }
            Ok(())
        }
    }

    /// How many chunks a sender makes of the missing runs.
    fn count_chunks(runs: impl Iterator<Item = Range<u64>>, chunk: u32) -> u64 {
        runs.map(|run| (run.end - run.start).div_ceil(u64::from(chunk))).sum()
    }

    fn file(size: u64) -> Vec<u8> {
        (0..size).map(|n| (n * 7 % 253) as u8).collect()
    }

    /// A shuffle that is the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % n
        }
    }

    #[test]
    fn blocks_in_any_order_and_of_any_size_make_the_file() {
        let mut dice = Dice(11);
        for size in [1, 1000, GROUP, GROUP + 1, 3 * GROUP + 777] {
            for piece in [1u64 << 12, 1000, 999_999] {
                let bytes = file(size);
                let mut offsets: Vec<u64> = (0..size).step_by(piece as usize).collect();
                for n in (1..offsets.len()).rev() {
                    offsets.swap(n, dice.below(n + 1));
                }
                let mut assembly = Assembly::new(size, GROUP, 4096, &[]);
                let (mut whole, mut out) = (Vec::new(), vec![0; size as usize]);
                for offset in offsets {
                    let end = (offset + piece).min(size);
                    assembly.accept(offset, &bytes[offset as usize..end as usize], &mut whole).unwrap();
                    for group in whole.drain(..) {
                        let start = (group.index * GROUP) as usize;
                        out[start..start + group.length].copy_from_slice(group.bytes());
                        buffers::give(group.buffer);
                    }
                }
                assert!(assembly.is_complete() && out == bytes);
                assert_eq!(assembly.chunks(), size.div_ceil(4096));
                assert!(assembly.partial.is_empty());
            }
        }
    }

    #[test]
    fn what_is_there_is_not_expected_and_chunks_count_from_the_start_of_each_run() {
        let size = 10 * 1024;
        let mut assembly = Assembly::new(size, 1024, 1000, &[0, 4, 5]);
        assert_eq!(assembly.received(), 3 * 1024);
        let (bytes, mut whole) = (file(size), Vec::new());
        for run in [1024..4096, 6144..size] {
            let mut at = run.start;
            while at < run.end {
                let end = (at + 1000).min(run.end);
                assembly.accept(at, &bytes[at as usize..end as usize], &mut whole).unwrap();
                at = end;
            }
        }
        assert!(assembly.is_complete() && whole.len() == 7);
        assert_eq!(assembly.chunks(), count_chunks([1024..4096, 6144..size].into_iter(), 1000));
    }

    #[test]
    fn a_group_that_is_sent_anew_is_expected_once_more_and_counts_no_chunks() {
        let (bytes, mut whole) = (file(4096), Vec::new());
        let mut assembly = Assembly::new(4096, 1024, 512, &[3]);
        assert!(!assembly.reopen(0), "it is not here");
        assert!(!assembly.replace(0), "it was not there");
        assert!(assembly.replace(3));
        assert_eq!(assembly.replaced(), 1024);
        assembly.accept(0, &bytes, &mut whole).unwrap();
        assert!(assembly.is_complete() && assembly.chunks() == 6 && whole.len() == 4);
        assert!(assembly.reopen(1) && !assembly.is_complete());
        assembly.accept(1024, &bytes[1024..2048], &mut whole).unwrap();
        assert!(assembly.is_complete() && assembly.chunks() == 6);
    }

    #[test]
    fn blocks_of_a_group_that_differs_may_overtake_the_word_that_says_so_but_only_once() {
        let (bytes, mut whole) = (file(4096), Vec::new());
        let mut assembly = Assembly::new(4096, 1024, 512, &[1, 2]);
        assembly.accept(1024, &bytes[1024..1536], &mut whole).unwrap();
        assert!(assembly.replace(1), "it is late, and right");
        assembly.accept(1536, &bytes[1536..2048], &mut whole).unwrap();
        assert_eq!((whole.len(), assembly.replaced()), (1, 1024));
        assert!(assembly.accept(1024, &bytes[1024..1536], &mut whole).is_err());
        assert!(assembly.replace(1), "it says nothing new");
        assert!(assembly.accept(1024, &bytes[1024..1536], &mut whole).is_err());
    }

    #[test]
    fn row_29_too_much_twice_or_wrapped_is_an_error() {
        let mut whole = Vec::new();
        let mut assembly = Assembly::new(1000, GROUP, 100, &[]);
        assert_eq!(assembly.accept(950, &[0; 51], &mut whole), Err(AssemblyError::BeyondEnd { offset: 950 }));
        assert_eq!(
            assembly.accept(u64::MAX, &[0; 2], &mut whole),
            Err(AssemblyError::BeyondEnd { offset: u64::MAX })
        );
        assembly.accept(100, &[0; 100], &mut whole).unwrap();
        for (offset, length) in [(150, 100), (50, 100), (100, 1), (0, 1000), (199, 1)] {
            let twice = assembly.accept(offset, &vec![0; length], &mut whole);
            assert_eq!(twice, Err(AssemblyError::Overlap { offset }));
        }
        let mut done = Assembly::new(10, GROUP, 10, &[]);
        done.accept(0, &[1; 10], &mut whole).unwrap();
        assert_eq!(done.accept(0, &[1; 10], &mut whole), Err(AssemblyError::Overlap { offset: 0 }));
    }

    #[test]
    fn scattered_bytes_cannot_fill_memory() {
        let mut assembly = Assembly::new(u64::MAX, GROUP, 1, &[]);
        let mut whole = Vec::new();
        let result =
            (0..=OPEN_GROUP_LIMIT as u64).try_for_each(|n| assembly.accept(n * GROUP, &[0], &mut whole));
        assert_eq!(result, Err(AssemblyError::TooScattered));
    }

    #[test]
    fn scattered_datagrams_make_a_file_with_its_plain_hash() {
        let size = 5 * GROUP + 12_345;
        let file: Vec<u8> = (0..size).map(|n| (n * 13 % 249) as u8).collect();
        let mut assembly = Assembly::new(size, GROUP, 65_536, &[]);
        let mut tree = HashTree::new(size, GROUP);
        let (mut whole, mut dice) = (Vec::new(), Dice(3));
        let mut pieces: Vec<u64> = (0..size).step_by(1158).collect();
        while !pieces.is_empty() {
            // Reorders within what may be in flight.
            let offset = pieces.remove(dice.below(pieces.len().min(600)));
            let end = (offset + 1158).min(size);
            assembly.accept(offset, &file[offset as usize..end as usize], &mut whole).unwrap();
            whole.drain(..).for_each(|group| tree.set(group.index, tree.hash(group.index, group.bytes())));
        }
        assert!(assembly.is_complete());
        assert_eq!(assembly.chunks(), size.div_ceil(65_536));
        assert_eq!(tree.root(), Some(blake3::hash(&file)));
    }
}
