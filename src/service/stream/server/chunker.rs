//! Chunks of random size, uniformly from 1000 to 2000 bytes, and their order: from where the viewer reads, each byte
//! once. Pure; the seed determines the sizes.

use std::ops::Range;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::base::RangeSet;
use crate::service::stream::client::plan::GAP_LIMIT;
use crate::service::stream::protocol::CHUNK_SIZES;

/// Buckets of the histogram of sizes: 1000 to 1099 bytes, and so on; 2000 belongs to the last.
const CLASSES: usize = 10;

/// Histogram of the sizes of the chunks sent.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    classes: [u64; CLASSES],
    /// Chunks below 1000 bytes: at the end of the file or of a gap, or because of the cap.
    shorter: u64,
    smallest: Option<u64>,
    largest: u64,
    total: u64,
}

impl Sizes {
    fn count(&mut self, length: u64) {
        let low = u64::from(*CHUNK_SIZES.start());
        match length.checked_sub(low) {
            Some(over) => self.classes[(over as usize / 100).min(CLASSES - 1)] += 1,
            None => self.shorter += 1,
        }
        self.smallest = Some(self.smallest.map_or(length, |smallest| smallest.min(length)));
        self.largest = self.largest.max(length);
        self.total += length;
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.classes.iter().sum::<u64>() + self.shorter
    }
}

/// `12 chunks of 1003 to 1987 bytes, 1490 on average`
impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (chunks, largest) = (self.chunks(), self.largest);
        let mean = self.total.checked_div(chunks).unwrap_or(0);
        write!(f, "{chunks} chunks of {} to {largest} bytes, {mean} on average", self.smallest.unwrap_or(0))
    }
}

impl Sizes {
    /// Percentage of chunks in each bucket: `1000+ 9.8%, 1100+ 10.1%, …, shorter 0.1%`.
    pub(crate) fn distribution(&self) -> String {
        let all = self.chunks().max(1) as f64;
        let names =
            (0..CLASSES).map(|class| format!("{}+", u64::from(*CHUNK_SIZES.start()) + 100 * class as u64));
        let parts = names.chain(["shorter".to_owned()]).zip(self.classes.iter().chain([&self.shorter]));
        parts
            .map(|(name, count)| format!("{name} {:.1}%", *count as f64 * 100.0 / all))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Decides which part of a file is sent next to one viewer.
#[derive(Debug)]
pub(crate) struct Chunker {
    size: u64,
    cursor: u64,
    /// End of the range that is wanted; `u64::MAX`: the whole file is wanted in the end.
    until: u64,
    sent: RangeSet,
    /// Like `sent`, but with what the viewer has discarded since.
    ever_sent: RangeSet,
    random: Xoshiro256PlusPlus,
    sizes: Sizes,
    /// Maximum bytes of a chunk.
    cap: u64,
    capped: u64,
}

impl Chunker {
    /// `cap`: maximum bytes of a chunk, whatever size was drawn.
    pub(crate) fn new(size: u64, seed: u64, cap: u64) -> Self {
        Self {
            size,
            cursor: 0,
            until: u64::MAX,
            sent: RangeSet::new(),
            ever_sent: RangeSet::new(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            sizes: Sizes::default(),
            cap,
            capped: 0,
        }
    }

    /// Goes on at `offset`, clamped to the file (faults.md row 76), and stops at `until`. True if that is a jump: the next
    /// chunk is another one than before.
    pub(crate) fn seek(&mut self, offset: u64, until: u64) -> bool {
        let before = self.place();
        self.cursor = offset.min(self.size);
        self.until = until;
        self.place() != before
    }

    /// The viewer has discarded this range for lack of space; it is sent again if it is wanted again.
    pub(crate) fn forget(&mut self, range: Range<u64>) {
        self.sent.remove_range(range);
    }

    /// Offset of the next chunk.
    pub(crate) fn place(&self) -> u64 {
        self.sent.first_gap(self.cursor)
    }

    /// True if some byte of the range was sent and is not discarded.
    pub(crate) fn has_sent_of(&self, range: &Range<u64>) -> bool {
        self.sent.contains_any(range)
    }

    /// Skips the first unsent part of `range`, up to where something was sent: it counts as sent. Returns that part.
    pub(crate) fn leave_out(&mut self, range: &Range<u64>) -> Range<u64> {
        let start = self.sent.first_gap(range.start);
        let stop = self.sent.next_start(start).unwrap_or(self.size).min(self.size);
        let left_out = start..range.end.min(stop).max(start);
        self.sent.insert_range(left_out.clone());
        self.ever_sent.insert_range(left_out.clone());
        left_out
    }

    pub(crate) const fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Number of chunks drawn longer than the cap.
    pub(crate) const fn capped(&self) -> u64 {
        self.capped
    }

    /// True if what was sent is in more separate ranges than any real viewer makes, and costs too much memory.
    pub(crate) fn is_scattered(&self) -> bool {
        self.sent.pieces().max(self.ever_sent.pieces()) > GAP_LIMIT
    }

    /// True if every byte was sent at least once, or skipped.
    pub(crate) const fn all_sent(&self) -> bool {
        self.ever_sent.covered() == self.size
    }

    /// The next chunk; `None` when all that is wanted was sent. It is shorter than drawn only because of the cap, or at
    /// the end of the file or of a gap.
    pub(crate) fn next(&mut self) -> Option<Range<u64>> {
        let mut start = self.place();
        if start >= self.size && self.until == u64::MAX {
            start = self.sent.first_gap(0);
        }
        if start >= self.until.min(self.size) {
            return None;
        }
        let stop = self.sent.next_start(start).unwrap_or(self.size).min(self.size);
        let drawn = self.draw();
        self.capped += u64::from(drawn > self.cap);
        let end = (start + drawn.min(self.cap)).min(stop);
        self.sent.insert_range(start..end);
        self.ever_sent.insert_range(start..end);
        self.cursor = end;
        self.sizes.count(end - start);
        Some(start..end)
    }

    /// A uniform size by rejection sampling: draws above the largest multiple of the span are repeated.
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
            let mut chunker = Chunker::new(30_000_000, seed, u64::MAX);
            std::iter::from_fn(|| chunker.next()).map(|range| range.end - range.start).collect::<Vec<_>>()
        };
        let drawn = sizes(1);
        let (last, all) = drawn.split_last().unwrap();
        assert!(*last <= 2000 && all.iter().all(|size| (1000..=2000).contains(size)));
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        assert!((mean - 1500.0).abs() < 10.0, "{mean}");
        assert!(all.contains(&1000) && all.contains(&2000));
        let mut chunker = Chunker::new(30_000_000, 1, u64::MAX);
        while chunker.next().is_some() {}
        let shares = chunker.sizes().distribution();
        let shares: Vec<f64> = shares
            .split(", ")
            .map(|part| part.rsplit(' ').next().unwrap().trim_end_matches('%').parse().unwrap())
            .collect();
        assert!(shares[..10].iter().all(|share| (9.0..11.0).contains(share)), "{shares:?}");
        let text = chunker.sizes().to_string();
        assert!(
            text.starts_with(&format!("{} chunks of ", drawn.len())) && text.contains(" to 2000 bytes"),
            "{text}"
        );
        assert_eq!(drawn, sizes(1));
        assert_ne!(drawn, sizes(2));
    }

    #[test]
    fn after_a_jump_every_byte_is_still_sent_once() {
        let size = 1_000_000;
        let mut chunker = Chunker::new(size, 7, u64::MAX);
        let mut seen = RangeSet::new();
        let mut first_after_jump = None;
        for n in 0.. {
            if n == 100 {
                assert!(chunker.seek(900_000, u64::MAX));
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
        let mut chunker = Chunker::new(5000, 1, u64::MAX);
        chunker.seek(u64::MAX, u64::MAX);
        assert!(chunker.next().is_some());
        assert_eq!(Chunker::new(0, 1, u64::MAX).next(), None);
    }

    #[test]
    fn only_what_is_wanted_is_sent_and_what_was_forgotten_is_sent_again() {
        let mut chunker = Chunker::new(1_000_000, 3, u64::MAX);
        chunker.seek(0, 100_000);
        let count = |chunker: &mut Chunker| {
            std::iter::from_fn(|| chunker.next()).map(|r| r.end - r.start).sum::<u64>()
        };
        let first = count(&mut chunker);
        assert!((100_000..102_000).contains(&first), "{first}");
        assert!(!chunker.seek(50_000, 100_000), "no jump: the next one is the same");
        assert_eq!(count(&mut chunker), 0);
        chunker.forget(10_000..20_000);
        assert!(chunker.seek(10_000, 100_000));
        assert_eq!(count(&mut chunker), 10_000);
    }

    #[test]
    fn row_77_what_is_skipped_is_not_sent_and_nothing_else_is_left_out() {
        let mut chunker = Chunker::new(1_000_000, 3, u64::MAX);
        chunker.seek(500_000, u64::MAX);
        let first = chunker.next().unwrap();
        chunker.seek(0, u64::MAX);
        assert_eq!(chunker.leave_out(&(0..300_000)), 0..300_000);
        assert_eq!(chunker.next().unwrap().start, 300_000);
        let next = chunker.place();
        assert_eq!(chunker.leave_out(&(350_000..900_000)), 350_000..500_000, "what was sent is under way");
        assert_eq!(chunker.next().unwrap().start, next, "what lies before it is not left out");
        let rest: Vec<_> = std::iter::from_fn(|| chunker.next()).collect();
        assert!(
            rest.iter().any(|range| range.end == 350_000)
                && rest.iter().any(|range| range.start == first.end)
        );
        assert!(chunker.all_sent());
        assert_eq!(chunker.leave_out(&(900_000..2_000_000)), 1_000_000..1_000_000);
    }

    #[test]
    fn row_76_a_viewer_that_scatters_its_wishes_is_noticed() {
        let size = 100_000_000;
        let mut chunker = Chunker::new(size, 3, u64::MAX);
        let (mut at, mut wishes) = (0, 0);
        while !chunker.is_scattered() {
            chunker.seek(at, u64::MAX);
            assert!(chunker.next().is_some());
            at += 5000;
            wishes += 1;
        }
        assert_eq!(wishes, GAP_LIMIT + 1);
    }

    #[test]
    fn a_cap_bounds_every_chunk_and_is_counted() {
        let mut chunker = Chunker::new(1_000_000, 3, 1400);
        let all: Vec<u64> =
            std::iter::from_fn(|| chunker.next()).map(|range| range.end - range.start).collect();
        assert_eq!(all.iter().max(), Some(&1400));
        let capped = all.iter().filter(|&&length| length == 1400).count() as u64;
        assert!(chunker.capped().abs_diff(capped) < 10, "{} and {capped}", chunker.capped());
    }
}
