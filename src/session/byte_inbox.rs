//! The bytes that a raw session received, until an expectation consumes them.

use std::ops::Range;

use crate::base::Value;
use crate::base::pattern::{Groups, PatternSet, Search, to_hex};

/// Bytes that are kept at most; beyond that the oldest are forgotten.
pub const KEPT_LIMIT: usize = 1 << 20;
/// The same for each client of a server: many of them do their worst at once.
pub const CLIENT_KEPT_LIMIT: usize = 256 << 10;

/// Bytes of a stream that are copied for a recording.
pub const TAP_LIMIT: usize = 1 << 20;

/// Bytes that a match which is not complete may have.
pub const PENDING_LIMIT: usize = 64 << 10;

/// What has come in, and how much of it was matched already.
#[derive(Debug)]
pub struct ByteInbox {
    /// Bytes that are kept at most.
    limit: usize,
    bytes: Vec<u8>,
    /// What stands before was consumed.
    from: usize,
    /// Bytes that were dropped and never consumed.
    forgotten: u64,
    /// Bytes that are no longer in `bytes`.
    gone: u64,
    /// Where in the whole stream the last match stands.
    matched: Range<u64>,
    /// A copy of the stream for a recording, from its first byte on.
    tap: Option<Vec<u8>>,
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

impl Taken {
    /// The groups by number and name, as text, and each by number in hexadecimal: `1`, `reason`, `1.hex`.
    pub fn parts(&self, patterns: &PatternSet) -> Vec<(String, Value)> {
        let names = patterns.patterns()[self.pattern].group_names();
        let mut parts = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let bytes = group.as_deref().unwrap_or_default();
            let value = Value::Text(String::from_utf8_lossy(bytes).into_owned());
            if let Some(name) = names.get(number).cloned().flatten() {
                parts.push((name, value.clone()));
            }
            parts.push((number.to_string(), value));
            parts.push((format!("{number}.hex"), Value::Text(to_hex(bytes))));
        }
        parts
    }
}

impl Default for ByteInbox {
    fn default() -> Self {
        Self::new(KEPT_LIMIT)
    }
}

impl ByteInbox {
    /// Keeps this number of bytes at most.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: Vec::new(),
            from: 0,
            forgotten: 0,
            gone: 0,
            matched: 0..0,
            tap: None,
            ended: false,
        }
    }

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(tap) = &mut self.tap {
            let room = TAP_LIMIT - tap.len();
            tap.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        let over = (self.rest().len() + bytes.len()).saturating_sub(self.limit);
        self.forgotten += over as u64;
        let (old, new) = (over.min(self.rest().len()), over.saturating_sub(self.rest().len()));
        self.from += old;
        if new > 0 {
            // Nothing of what was here stays.
            self.gone += (self.bytes.len() + new) as u64;
            (self.bytes, self.from) = (Vec::new(), 0);
        }
        self.make_room();
        self.bytes.extend_from_slice(&bytes[new..]);
    }

    /// Drops what was consumed or forgotten, but for the byte that `^` looks at. Not each time: the rest has to be moved.
    fn make_room(&mut self) {
        let is_worth_it = self.from * 2 > self.bytes.len() || self.from > self.limit / 2;
        if self.from > 4096 && is_worth_it {
            self.gone += self.from as u64 - 1;
            self.bytes.drain(..self.from - 1);
            self.from = 1;
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

    /// From now on, keeps a copy of the first [`TAP_LIMIT`] bytes of the stream, if it still has all that came so far.
    pub fn tap(&mut self) {
        if self.gone == 0 && self.tap.is_none() {
            self.tap = Some(self.bytes[..self.bytes.len().min(TAP_LIMIT)].to_vec());
        }
    }

    /// That copy.
    pub fn tapped(&self) -> Option<&[u8]> {
        self.tap.as_deref()
    }

    /// Where in the whole stream the last match stands.
    pub fn matched(&self) -> Range<u64> {
        self.matched.clone()
    }

    /// What was not consumed yet.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Consumes this number of bytes, or as many as there are.
    pub fn skip(&mut self, count: usize) {
        self.from += count.min(self.rest().len());
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
            Search::Undecided(_) | Search::Nothing | Search::NothingBegun => return None,
        };
        Some(self.taken(groups))
    }

    /// The same for one who wants every match: what can no more become a part of one is dropped, and of the rest no more
    /// than [`PENDING_LIMIT`] is kept.
    pub fn take_or_drop(&mut self, patterns: &PatternSet) -> Option<Taken> {
        match patterns.search(&self.bytes, self.from, self.ended) {
            Search::Match(groups) => return Some(self.taken(groups)),
            Search::NothingBegun => self.from = self.bytes.len(),
            Search::Undecided(_) | Search::Nothing => {
                self.from = self.from.max(self.bytes.len().saturating_sub(PENDING_LIMIT));
            }
        }
        None
    }

    fn taken(&mut self, groups: Groups) -> Taken {
        let Groups { pattern, ranges } = &groups;
        let cut = |range: &Option<Range<usize>>| range.clone().map(|range| self.bytes[range].to_vec());
        let whole = groups.whole();
        self.matched = self.gone + whole.start as u64..self.gone + whole.end as u64;
        let before = self.bytes[self.from..whole.start].to_vec();
        let taken = Taken { pattern: *pattern, groups: ranges.iter().map(cut).collect(), before };
        self.from = whole.end;
        taken
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
        assert!(inbox.bytes.len() < 2 * KEPT_LIMIT, "what is forgotten goes");
        inbox.push(&vec![b'y'; 3 * KEPT_LIMIT]);
        assert!(inbox.rest().len() == KEPT_LIMIT && inbox.rest().iter().all(|byte| *byte == b'y'));
        assert_eq!(inbox.forgotten(), 4_000_000 + 2 * KEPT_LIMIT as u64);
        inbox.push(b"z\n");
        assert!(inbox.take(&set("^y"), true).is_none(), "what was forgotten was in the same line");
        assert_eq!(inbox.take(&set("z"), true).unwrap().before.len(), KEPT_LIMIT - 2);
        assert_eq!(inbox.matched(), 4_000_000 + 3 * KEPT_LIMIT as u64..4_000_001 + 3 * KEPT_LIMIT as u64);

        let mut read = ByteInbox::default();
        for _ in 0..100 {
            read.push(b"0123456789 a line of a protocol 0123456789 0123456789 0123456789 0123456789\n");
            while read.take(&set(".*\n"), false).is_some() {}
        }
        assert!(read.bytes.len() < 10_000 && read.forgotten() == 0);
    }

    /// Every match of a stream that comes in these pieces.
    fn matches(pieces: &[&[u8]], patterns: &PatternSet) -> Vec<(usize, Option<Vec<u8>>)> {
        let (mut inbox, mut found) = (ByteInbox::new(PENDING_LIMIT), Vec::new());
        let mut note = |taken: Taken| found.push((taken.pattern, taken.groups[0].clone()));
        for piece in pieces {
            inbox.push(piece);
            while let Some(taken) = inbox.take_or_drop(patterns) {
                note(taken);
            }
        }
        inbox.end();
        while let Some(taken) = inbox.take(patterns, true) {
            note(taken);
        }
        found
    }

    #[test]
    fn what_is_matched_does_not_depend_on_how_the_stream_was_cut() {
        let sources =
            ["PING", r"^GET (\S+) HTTP/1\.1$", r"(\d+) ok", r"(?s)\x00(.)\xff", r"^end\b.*", "PINGPONG"];
        let patterns = sources.iter().map(|source| Pattern::regex(source).unwrap()).collect();
        let patterns = PatternSet::new(patterns).unwrap();
        let words: [&[u8]; 12] = [
            b"PING",
            b"PINGPONG",
            b"GET /a HTTP/1.1",
            b" ",
            b"\r\n",
            b"\n",
            b"12345 ok",
            b"7 o",
            b"\x00\n\xff",
            b"end of it",
            b"ended",
            b"P",
        ];
        let mut state = 7u64;
        for _ in 0..200 {
            let dialogue: Vec<u8> = (0..12)
                .flat_map(|_| {
                    state = crate::base::mix(state);
                    words[(state % words.len() as u64) as usize].to_vec()
                })
                .collect();
            let whole = matches(&[&dialogue], &patterns);
            let bytes: Vec<&[u8]> = dialogue.chunks(1).collect();
            assert_eq!(matches(&bytes, &patterns), whole, "{}", dialogue.escape_ascii());
            for cut in 1..dialogue.len() {
                let (one, two) = dialogue.split_at(cut);
                assert_eq!(matches(&[one, two], &patterns), whole, "{} at {cut}", dialogue.escape_ascii());
            }
        }
    }
}
