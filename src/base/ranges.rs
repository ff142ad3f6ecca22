//! A set of half-open ranges of `u64`: received packet numbers, bytes of a file already present.
//!
//! Memory grows with the number of gaps, not with the values covered; callers limit the number of gaps.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint, non-touching, sorted ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// start → end
    ranges: BTreeMap<u64, u64>,
    covered: u64,
}

impl RangeSet {
    /// An empty set.
    pub const fn new() -> Self {
        Self { ranges: BTreeMap::new(), covered: 0 }
    }

    /// Number of values in the set.
    pub const fn covered(&self) -> u64 {
        self.covered
    }

    /// Number of separate ranges in the set.
    pub fn pieces(&self) -> usize {
        self.ranges.len()
    }

    /// True if `value` is in the set.
    pub fn contains(&self, value: u64) -> bool {
        self.ranges.range(..=value).next_back().is_some_and(|(_, &end)| value < end)
    }

    /// True if every value of `range` is in the set; an empty range always is.
    pub fn contains_range(&self, range: &Range<u64>) -> bool {
        range.is_empty()
            || self.ranges.range(..=range.start).next_back().is_some_and(|(_, &end)| range.end <= end)
    }

    /// True if some value of `range` is in the set.
    pub fn contains_any(&self, range: &Range<u64>) -> bool {
        !range.is_empty()
            && (self.contains(range.start)
                || self.next_start(range.start).is_some_and(|next| next < range.end))
    }

    /// Adds `value`; false if it was already in the set.
    pub fn insert(&mut self, value: u64) -> bool {
        self.insert_range(value..value.saturating_add(1)) > 0
    }

    /// Adds a range and returns how many of its values are new.
    pub fn insert_range(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let (mut start, mut end) = (range.start, range.end);
        let mut already = 0;
        if let Some((&s, &e)) = self.ranges.range(..=start).next_back()
            && e >= start
        {
            if e >= end {
                return 0;
            }
            already += e - start;
            start = s;
            self.ranges.remove(&s);
        }
        while let Some((&s, &e)) = self.ranges.range(start..).next()
            && s <= end
        {
            already += e.min(range.end) - s.min(range.end);
            end = end.max(e);
            self.ranges.remove(&s);
        }
        self.ranges.insert(start, end);
        let new = range.end - range.start - already;
        self.covered += new;
        new
    }

    /// Removes every value of `range`.
    pub fn remove_range(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some((&start, &end)) = self.ranges.range(..range.start).next_back()
            && end > range.start
        {
            self.ranges.insert(start, range.start);
            self.covered -= end.min(range.end) - range.start;
            if end > range.end {
                self.ranges.insert(range.end, end);
                return;
            }
        }
        while let Some((&start, &end)) = self.ranges.range(range.clone()).next() {
            self.ranges.remove(&start);
            self.covered -= end.min(range.end) - start;
            if end > range.end {
                self.ranges.insert(range.end, end);
            }
        }
    }

    /// Removes and returns at most `most` values from the lowest range; `None` if the set is empty.
    pub fn pop_front(&mut self, most: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.ranges.first_key_value()?;
        let cut = end.min(start.saturating_add(most));
        self.remove_range(start..cut);
        Some(start..cut)
    }

    /// True if the set holds no value.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Removes every value below `floor`.
    pub fn forget_below(&mut self, floor: u64) {
        while let Some((&start, &end)) = self.ranges.first_key_value()
            && start < floor
        {
            self.ranges.pop_first();
            self.covered -= end.min(floor) - start;
            if end > floor {
                self.ranges.insert(floor, end);
                break;
            }
        }
    }

    /// The ranges, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// The exclusive end of the range that holds `value`: up to there nothing is missing. `None` if `value` is not in
    /// the set.
    pub fn end_of(&self, value: u64) -> Option<u64> {
        self.ranges.range(..=value).next_back().map(|(_, &end)| end).filter(|&end| value < end)
    }

    /// The first value at or after `from` that is not in the set.
    pub fn first_gap(&self, from: u64) -> u64 {
        self.end_of(from).unwrap_or(from)
    }

    /// The start of the first range that begins after `value`; `None` if there is none.
    pub fn next_start(&self, value: u64) -> Option<u64> {
        self.ranges.range(value.saturating_add(1)..).next().map(|(&start, _)| start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_and_overlapping_ranges_merge() {
        let mut set = RangeSet::new();
        assert_eq!(set.insert_range(10..20), 10);
        assert_eq!(set.insert_range(30..40), 10);
        assert_eq!(set.insert_range(20..30), 10);
        assert_eq!(set.pieces(), 1);
        assert_eq!(set.insert_range(5..50), 15);
        assert_eq!(set.insert_range(12..13), 0);
        assert_eq!(set.iter().collect::<Vec<_>>(), vec![5..50]);
    }

    #[test]
    fn agrees_with_a_bitmap_on_random_insertions() {
        let mut state = 7u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for _ in 0..200 {
            let (mut set, mut bits) = (RangeSet::new(), [false; 128]);
            for _ in 0..40 {
                let start = next(120);
                let end = start + next(9);
                let new = (start..end.min(128))
                    .filter(|&i| !std::mem::replace(&mut bits[i as usize], true))
                    .count();
                assert_eq!(set.insert_range(start..end.min(128)), new as u64);
            }
            assert!((0..128).all(|i| set.contains(i) == bits[i as usize]));
            assert_eq!(set.covered(), bits.iter().filter(|&&b| b).count() as u64);
            let (start, end) = (next(128), next(128));
            set.remove_range(start..end);
            (start..end.max(start)).for_each(|i| bits[i as usize] = false);
            assert_eq!(set.covered(), bits.iter().filter(|&&b| b).count() as u64);
            let gap = (5..128).find(|&i| !bits[i as usize]).unwrap_or(128);
            assert_eq!(set.first_gap(5), gap);
            set.forget_below(64);
            assert!((0..128).all(|i| set.contains(i) == (i >= 64 && bits[i as usize])));
        }
    }
}
