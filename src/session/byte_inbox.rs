//! The bytes that a raw session received, until an expectation consumes them.

use std::ops::Range;

use crate::base::pattern::{Groups, PatternSet, Search};

/// Bytes that are kept at most; beyond that the oldest are forgotten.
pub const KEPT_LIMIT: usize = 1 << 20;

/// What has come in, and how much of it was matched already.
#[derive(Debug, Default)]
pub struct ByteInbox {
    bytes: Vec<u8>,
    /// What stands before was consumed.
    from: usize,
    /// Bytes that were dropped and never consumed.
    forgotten: u64,
    /// Nothing more will come.
    ended: bool,
}

/// A match that was consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Number of the pattern in its set.
    pub pattern: usize,
    /// The whole, then each group; `None` for a group that took no part.
    pub groups: Vec<Option<Vec<u8>>>,
    /// What came before the match and was skipped.
    pub before: Vec<u8>,
}

impl ByteInbox {
    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        // What was consumed goes when it is the larger part, but for the byte that `^` looks at.
        if self.from > 4096 && self.from * 2 > self.bytes.len() {
            self.bytes.drain(..self.from - 1);
            self.from = 1;
        }
        self.bytes.extend_from_slice(bytes);
        let over = self.bytes.len().saturating_sub(KEPT_LIMIT);
        if over > 0 {
            self.forgotten += over.saturating_sub(self.from) as u64;
            self.bytes.drain(..over);
            self.from = self.from.saturating_sub(over);
        }
    }

    /// The stream is over.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Bytes that were dropped and never consumed.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What was not consumed yet.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Consumes a whole line, with its end.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        let length = self.rest().iter().position(|byte| *byte == b'\n')? + 1;
        let line = self.rest()[..length].to_vec();
        self.from += length;
        Some(line)
    }

    /// Consumes up to the end of the first match. `now`: a match that could become longer counts as it is.
    pub fn take(&mut self, patterns: &PatternSet, now: bool) -> Option<Taken> {
        let groups = match patterns.search(&self.bytes, self.from, self.ended) {
            Search::Match(groups) => groups,
            Search::Undecided(groups) if now => groups,
            Search::Undecided(_) | Search::Nothing => return None,
        };
        let Groups { pattern, ranges } = &groups;
        let cut = |range: &Option<Range<usize>>| range.clone().map(|range| self.bytes[range].to_vec());
        let whole = groups.whole();
        let before = self.bytes[self.from..whole.start].to_vec();
        let taken = Taken { pattern: *pattern, groups: ranges.iter().map(cut).collect(), before };
        self.from = whole.end;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::Pattern;

    fn set(source: &str) -> PatternSet {
        PatternSet::new(vec![Pattern::regex(source).unwrap()]).unwrap()
    }

    #[test]
    fn what_was_matched_is_consumed_with_all_before_it() {
        let mut inbox = ByteInbox::default();
        inbox.push(b"220 ready\r\n250 ok\r\n");
        let taken = inbox.take(&set(r"^(\d+) o"), false).unwrap();
        assert_eq!(taken.groups[1].as_deref(), Some(&b"250"[..]));
        assert_eq!((inbox.rest(), taken.before.as_slice()), (&b"k\r\n"[..], &b"220 ready\r\n"[..]));
        assert_eq!(inbox.take(&set("^k"), true), None);
    }

    #[test]
    fn memory_is_bounded_and_what_was_dropped_is_counted() {
        let mut inbox = ByteInbox::default();
        (0..40).for_each(|_| inbox.push(&vec![b'x'; 100_000]));
        assert_eq!((inbox.rest().len(), inbox.forgotten()), (KEPT_LIMIT, 4_000_000 - KEPT_LIMIT as u64));
        let mut read = ByteInbox::default();
        for _ in 0..100 {
            read.push(b"0123456789 a line of a protocol 0123456789 0123456789 0123456789 0123456789\n");
            while read.take(&set(".*\n"), false).is_some() {}
        }
        assert!(read.bytes.len() < 10_000 && read.forgotten() == 0);
    }
}
