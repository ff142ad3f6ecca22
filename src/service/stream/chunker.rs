//! Chunks of random size, uniformly from 1000 to 2000 bytes, and the order in which they go: from where the
//! viewer looks, each byte once. Pure; the sizes follow from the seed.

use std::ops::Range;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::base::RangeSet;
use crate::wire::stream::CHUNK_SIZES;

/// What is still to be sent of one file to one viewer.
#[derive(Debug)]
pub(super) struct Chunker {
    size: u64,
    cursor: u64,
    sent: RangeSet,
    random: Xoshiro256PlusPlus,
    chunks: u64,
}

impl Chunker {
    pub(super) fn new(size: u64, seed: u64) -> Self {
        Self {
            size,
            cursor: 0,
            sent: RangeSet::new(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            chunks: 0,
        }
    }

    /// From here first: clamped to the file (FAULTS row 76).
    pub(super) fn seek(&mut self, offset: u64) {
        self.cursor = offset.min(self.size);
    }

    pub(super) const fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The next chunk; `None` when all were sent. It ends early only at the end of the file or of a gap.
    pub(super) fn next(&mut self) -> Option<Range<u64>> {
        if self.sent.covered() == self.size {
            return None;
        }
        let mut start = self.sent.first_gap(self.cursor);
        if start >= self.size {
            start = self.sent.first_gap(0);
        }
        let stop = self.sent.next_start(start).unwrap_or(self.size).min(self.size);
        let end = (start + self.draw()).min(stop);
        self.sent.insert_range(start..end);
        self.cursor = end;
        self.chunks += 1;
        Some(start..end)
    }

    /// Uniform: draws above the largest multiple are drawn again.
    fn draw(&mut self) -> u64 {
        let (low, high) = (u64::from(*CHUNK_SIZES.start()), u64::from(*CHUNK_SIZES.end()));
        let span = high - low + 1;
        loop {
            let bits = self.random.next_u64();
            if bits < u64::MAX - u64::MAX % span {
                return low + bits % span;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_uniform_between_1000_and_2000_and_follow_the_seed() {
        let sizes = |seed| {
            let mut chunker = Chunker::new(30_000_000, seed);
            std::iter::from_fn(|| chunker.next()).map(|range| range.end - range.start).collect::<Vec<_>>()
        };
        let drawn = sizes(1);
        let (last, all) = drawn.split_last().unwrap();
        assert!(*last <= 2000 && all.iter().all(|size| (1000..=2000).contains(size)));
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        assert!((mean - 1500.0).abs() < 10.0, "{mean}");
        assert!(all.contains(&1000) && all.contains(&2000));
        assert_eq!(drawn, sizes(1));
        assert_ne!(drawn, sizes(2));
    }

    #[test]
    fn after_a_jump_every_byte_is_still_sent_once() {
        let size = 1_000_000;
        let mut chunker = Chunker::new(size, 7);
        let mut seen = RangeSet::new();
        let mut first_after_jump = None;
        for n in 0.. {
            if n == 100 {
                chunker.seek(900_000);
            }
            let Some(range) = chunker.next() else { break };
            if n == 100 {
                first_after_jump = Some(range.start);
            }
            assert_eq!(seen.insert_range(range.clone()), range.end - range.start);
        }
        assert_eq!(seen.covered(), size);
        assert_eq!(first_after_jump, Some(900_000));
    }

    #[test]
    fn row_76_a_seek_beyond_the_end_is_clamped_and_an_empty_file_ends() {
        let mut chunker = Chunker::new(5000, 1);
        chunker.seek(u64::MAX);
        assert!(chunker.next().is_some());
        assert_eq!(Chunker::new(0, 1).next(), None);
    }
}
