//! Regular expressions, texts and bytes with gaps, searched for in a stream that is still arriving. The search says
//! whether a match is final, or whether more bytes could make it longer: so the result never depends on how the stream
//! was cut into packets.
//!
//! `.` is any byte of a line, `^` and `$` are the ends of a line, which ends with LF or CRLF; classes are those of ASCII.

mod sample;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, PatternID};

/// Most bytes of a pattern as it is written.
const WRITTEN_LIMIT: usize = 4096;
/// Most bytes of memory that the automaton of a pattern may take before it runs.
const NFA_LIMIT: usize = 1 << 20;
/// The same for a set.
const SET_LIMIT: usize = 32 << 20;
/// Bytes of memory for the states of an automaton that were reached so far.
const CACHE_SIZE: usize = 4 << 20;

/// A regular expression, a text, or bytes with gaps.
#[derive(Clone)]
pub struct Pattern {
    /// As a regular expression.
    source: String,
    finder: Finder,
}

/// What finds the place of a match.
#[derive(Clone)]
enum Finder {
    /// A regular expression.
    Regex(Regex),
    /// These bytes, `None` for any: scripts have thousands of texts, and a regular expression takes 30 µs to make.
    Bytes(Vec<Option<u8>>),
}

/// A regular expression over a text that is there as a whole: the value of a field, the name of a test. `^` and `$` are
/// the ends of the text, and characters are those of Unicode.
#[derive(Clone, Debug)]
pub struct TextPattern(Regex);

impl TextPattern {
    /// In the syntax of Rust's `regex`.
    ///
    /// # Errors
    /// It is no regular expression, or too large; the text says what is wrong.
    pub fn new(source: &str) -> Result<Self, String> {
        Regex::new(source).map(Self).map_err(|error| first_line(&error))
    }

    /// True if it matches somewhere.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A part of the searched bytes that matches, and its groups: 0 is the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Number in its set of the pattern that matched.
    pub pattern: usize,
    /// Byte ranges; `None` for a group that took no part.
    pub ranges: Vec<Option<Range<usize>>>,
}

impl Groups {
    /// The byte range of the whole match.
    pub fn whole(&self) -> Range<usize> {
        self.ranges.first().cloned().flatten().unwrap_or_default()
    }
}

/// The result of a search in what has arrived of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// The match; more bytes would not change it.
    Match(Groups),
    /// More bytes decide: it would match if nothing came any more, but the match could become longer or fail.
    Undecided(Groups),
    /// No match so far.
    Nothing,
    /// No match, and none has begun: what was searched is of no use any more.
    NothingBegun,
}

fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).multi_line(true).crlf(true)
}

impl Pattern {
    /// A regular expression in the syntax of Rust's `regex`.
    ///
    /// # Errors
    /// It is no regular expression, or too large; the text says what is wrong.
    pub fn regex(source: &str) -> Result<Self, String> {
        if source.len() > WRITTEN_LIMIT {
            return Err(format!("a pattern of more than {WRITTEN_LIMIT} bytes"));
        }
        Self::new(source.to_owned())
    }

    /// Exactly these bytes.
    ///
    /// # Errors
    /// It is too long.
    pub fn literal(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("nothing to look for".into());
        }
        if bytes.len() > WRITTEN_LIMIT {
            return Err(format!("a text of more than {WRITTEN_LIMIT} bytes"));
        }
        Ok(Self::bytes(bytes.iter().copied().map(Some).collect()))
    }

    /// Bytes in hexadecimal with any spacing; `??` is any byte.
    ///
    /// # Errors
    /// It is no such text; the text says what is wrong.
    pub fn hex(text: &str) -> Result<Self, String> {
        let digits: String = text.split_ascii_whitespace().collect();
        if digits.is_empty() {
            return Err("no bytes".into());
        }
        if digits.len() > 2 * WRITTEN_LIMIT {
            return Err(format!("more than {WRITTEN_LIMIT} bytes"));
        }
        let pairs = pairs(&digits)?;
        let byte = |pair: &&str| if *pair == "??" { Ok(None) } else { byte_of(pair).map(Some) };
        Ok(Self::bytes(pairs.iter().map(byte).collect::<Result<_, String>>()?))
    }

    fn bytes(bytes: Vec<Option<u8>>) -> Self {
        let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
        let mut source = String::with_capacity(bytes.len() * 4);
        for byte in &bytes {
            match byte {
                Some(byte) => source.extend(['\\', 'x', digit(byte >> 4), digit(*byte)]),
                None => source.push_str("(?s:.)"),
            }
        }
        Self { source, finder: Finder::Bytes(bytes) }
    }

    fn new(source: String) -> Result<Self, String> {
        let thompson = thompson::Config::new().nfa_size_limit(Some(NFA_LIMIT));
        let limited = NFA::compiler().syntax(syntax()).configure(thompson).build(&source);
        limited.map_err(|error| first_line(&error))?;
        let built = Regex::builder().syntax(syntax()).build(&source);
        let finder = built.map(Finder::Regex).map_err(|error| first_line(&error))?;
        Ok(Self { source, finder })
    }

    /// As a regular expression.
    pub fn written(&self) -> &str {
        &self.source
    }

    /// A short text that it matches; `None` if there is none, or only a very long one.
    pub fn sample(&self) -> Option<Vec<u8>> {
        sample::sample(&self.source)
    }

    /// True if it matches somewhere.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        match &self.finder {
            Finder::Regex(regex) => regex.is_match(bytes),
            Finder::Bytes(wanted) => {
                let same = |(byte, wanted): (&u8, &Option<u8>)| wanted.is_none_or(|wanted| wanted == *byte);
                bytes.windows(wanted.len()).any(|window| window.iter().zip(wanted).all(same))
            }
        }
    }

    /// Names of its groups, the whole first; `None` for those without.
    pub fn group_names(&self) -> Vec<Option<String>> {
        let Finder::Regex(regex) = &self.finder else { return vec![None] };
        regex.group_info().pattern_names(PatternID::ZERO).map(|name| name.map(Into::into)).collect()
    }

    /// The groups of a match that ends where `within` does.
    fn groups(&self, bytes: &[u8], within: Range<usize>, pattern: usize) -> Groups {
        let regex = match &self.finder {
            Finder::Regex(regex) => regex,
            Finder::Bytes(wanted) => {
                let whole = within.end.saturating_sub(wanted.len())..within.end;
                return Groups { pattern, ranges: vec![Some(whole)] };
            }
        };
        let mut captures = regex.create_captures();
        regex.search_captures(&Input::new(bytes).span(within), &mut captures);
        let ranges =
            (0..captures.group_len()).map(|group| captures.get_group(group).map(|span| span.range()));
        Groups { pattern, ranges: ranges.collect() }
    }
}

fn first_line(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

fn pairs(digits: &str) -> Result<Vec<&str>, String> {
    if !digits.is_ascii() {
        return Err(not_hex(digits));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("an odd number of hexadecimal digits ({})", digits.len()));
    }
    Ok((0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect())
}

fn byte_of(pair: &str) -> Result<u8, String> {
    // Rust takes a sign, too.
    let byte = u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'));
    byte.ok_or_else(|| not_hex(pair))
}

fn not_hex(text: &str) -> String {
    format!("`{text}` is not a byte in hexadecimal")
}

/// Bytes in hexadecimal with any spacing: `de ad be ef`.
///
/// # Errors
/// It is no such text.
pub fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_ascii_whitespace().collect();
    pairs(&digits)?.into_iter().map(byte_of).collect()
}

/// The same the other way round: `de ad be ef`.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.source).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Patterns that are searched for together, in one pass.
pub struct PatternSet {
    patterns: Vec<Pattern>,
    automaton: DFA,
    cache: Mutex<Cache>,
}

impl PatternSet {
    /// The one that begins first wins; of those that begin at the same byte, the first in the list.
    ///
    /// # Errors
    /// All together are too large.
    pub fn new(patterns: Vec<Pattern>) -> Result<Self, String> {
        let sources: Vec<&str> = patterns.iter().map(|pattern| pattern.source.as_str()).collect();
        let built = DFA::builder()
            .syntax(syntax())
            .thompson(thompson::Config::new().nfa_size_limit(Some(SET_LIMIT)))
            .configure(DFA::config().cache_capacity(CACHE_SIZE).skip_cache_capacity_check(true))
            .build_many(&sources);
        let automaton = built.map_err(|error| first_line(&error))?;
        let cache = Mutex::new(automaton.create_cache());
        Ok(Self { patterns, automaton, cache })
    }

    /// The patterns, in their order.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Searches `bytes` from `from` on; what stands before it is seen by `^` alone. `at_end`: nothing follows.
    pub fn search(&self, bytes: &[u8], from: usize, at_end: bool) -> Search {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let walk = Walk { automaton: &self.automaton, cache: &mut cache };
        // The automaton gives up only where it would need more memory than it may have.
        let (found, is_final) = walk.search(bytes, from, at_end).unwrap_or((None, false));
        drop(cache);
        let Some((pattern, end)) = found else {
            return if is_final { Search::NothingBegun } else { Search::Nothing };
        };
        let groups = self.patterns[pattern].groups(bytes, from..end, pattern);
        if is_final { Search::Match(groups) } else { Search::Undecided(groups) }
    }
}

/// A pass of the automaton over bytes.
struct Walk<'a> {
    automaton: &'a DFA,
    cache: &'a mut Cache,
}

/// A pattern and where its match ends.
type Ending = Option<(usize, usize)>;

impl Walk<'_> {
    /// The match, and whether it is final. `None`: the automaton gave up.
    fn search(mut self, bytes: &[u8], from: usize, at_end: bool) -> Option<(Ending, bool)> {
        let input = Input::new(bytes).range(from..).anchored(Anchored::No);
        let mut state = self.automaton.start_state_forward(self.cache, &input).ok()?;
        let mut last = None;
        for (at, &byte) in bytes.iter().enumerate().skip(from) {
            state = self.automaton.next_state(self.cache, state, byte).ok()?;
            if state.is_match() {
                // The automaton is one byte behind, so that it can look ahead.
                last = Some((self.pattern(state), at));
            } else if state.is_dead() {
                return Some((last, true));
            } else if state.is_quit() {
                return None;
            }
        }
        let end = self.automaton.next_eoi_state(self.cache, state).ok()?;
        let here = end.is_match().then(|| (self.pattern(end), bytes.len()));
        if at_end {
            return Some((here.or(last), true));
        }
        match here {
            Some(found) => Some((Some(found), self.is_final(state, found.0)?)),
            None if last.is_none() => Some((None, self.is_fresh(state, bytes)?)),
            None => Some((last, self.is_over(state)?)),
        }
    }

    /// True if this state after all of the bytes is the one in which a search behind them would begin.
    fn is_fresh(&mut self, state: LazyStateID, bytes: &[u8]) -> Option<bool> {
        let input = Input::new(bytes).range(bytes.len()..).anchored(Anchored::No);
        Some(self.automaton.start_state_forward(self.cache, &input).ok()? == state)
    }

    /// True if whatever byte follows, nothing more matches.
    fn is_over(&mut self, state: LazyStateID) -> Option<bool> {
        for byte in 0..=u8::MAX {
            if !self.automaton.next_state(self.cache, state, byte).ok()?.is_dead() {
                return Some(false);
            }
        }
        Some(true)
    }

    /// True if whatever byte follows, the match of `pattern` ends here.
    fn is_final(&mut self, state: LazyStateID, pattern: usize) -> Option<bool> {
        let mut seen = Vec::new();
        for byte in 0..=u8::MAX {
            let next = self.automaton.next_state(self.cache, state, byte).ok()?;
            if seen.contains(&next) {
                continue;
            }
            if !next.is_match() || self.pattern(next) != pattern {
                return Some(false);
            }
            if !self.is_over(next)? {
                return Some(false);
            }
            seen.push(next);
        }
        Some(true)
    }

    fn pattern(&self, state: LazyStateID) -> usize {
        self.automaton.match_pattern(self.cache, state, 0).as_usize()
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.patterns).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(sources: &[&str]) -> PatternSet {
        PatternSet::new(sources.iter().map(|source| Pattern::regex(source).unwrap()).collect()).unwrap()
    }

    fn words<'a>(bytes: &'a [u8], groups: &Groups) -> Vec<&'a str> {
        let text = |range: &Option<Range<usize>>| {
            range.clone().map_or("-", |range| std::str::from_utf8(&bytes[range]).unwrap())
        };
        groups.ranges.iter().map(text).collect()
    }

    #[test]
    fn a_match_that_could_become_longer_is_undecided_until_a_byte_ends_it() {
        let set = set(&[r"HTTP/1\.1 (\d+) (?<reason>.*)"]);
        let whole = b"HTTP/1.1 200 OK\r\nServer: x\r\n";
        for cut in 0..whole.len() {
            let found = set.search(&whole[..cut], 0, false);
            match cut {
                ..13 => assert!(matches!(found, Search::Nothing | Search::NothingBegun), "{cut}"),
                13..=15 => assert!(matches!(found, Search::Undecided(_)), "{cut}"),
                _ => {
                    let Search::Match(groups) = found else { panic!("{cut}") };
                    assert_eq!(words(whole, &groups), ["HTTP/1.1 200 OK", "200", "OK"]);
                }
            }
        }
        assert_eq!(set.patterns()[0].group_names(), [None, None, Some("reason".into())]);
    }

    #[test]
    fn a_text_is_decided_with_its_last_byte() {
        let text = PatternSet::new(vec![Pattern::literal(b"login: ").unwrap()]).unwrap();
        assert_eq!(text.search(b"login:", 0, false), Search::Nothing);
        assert_eq!(text.search(b"a line\n", 0, false), Search::NothingBegun);
        assert!(matches!(text.search(b"login: ", 0, false), Search::Match(_)));
    }

    #[test]
    fn the_first_to_begin_wins_and_then_the_first_in_the_list() {
        let set = set(&["PONG", "PING", "PIN"]);
        let Search::Match(groups) = set.search(b"xx PING PONG", 0, false) else { panic!() };
        assert_eq!((groups.pattern, groups.whole()), (1, 3..7));
        let Search::Match(groups) = set.search(b"xx PING PONG", 7, false) else { panic!() };
        assert_eq!((groups.pattern, groups.whole()), (0, 8..12));
    }

    #[test]
    fn bytes_with_gaps_match_any_byte_there() {
        let set = PatternSet::new(vec![Pattern::hex("00 01 ?? 0a").unwrap()]).unwrap();
        assert!(
            matches!(set.search(b"\xff\x00\x01\xfe\x0a", 0, false), Search::Match(g) if g.whole() == (1..5))
        );
        assert!(matches!(set.search(b"\x00\x01\x0a\x0a", 0, false), Search::Match(_)));
        assert!(!matches!(set.search(b"\x00\x01\x0a", 0, true), Search::Match(_)));
        let pattern = Pattern::hex("00 01 ?? 0a").unwrap();
        assert!(pattern.is_match(b"\xff\x00\x01\xfe\x0a") && !pattern.is_match(b"\x00\x01\x0a\x0b"));
        assert_eq!(pattern.written(), r"\x00\x01(?s:.)\x0a");
        assert_eq!(pattern.group_names(), [None]);
        for wrong in ["", "0", "0g", "00 1", "é0", "+f"] {
            assert!(Pattern::hex(wrong).is_err(), "{wrong}");
        }
        assert_eq!(from_hex("de adBE\tef"), Ok(vec![0xde, 0xad, 0xbe, 0xef]));
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_end_of_the_stream_ends_one_too() {
        let set = set(&["^a$"]);
        assert!(matches!(set.search(b"a", 0, false), Search::Undecided(_)));
        assert!(matches!(set.search(b"a", 0, true), Search::Match(_)));
        assert!(matches!(set.search(b"xa\r\na\r", 0, false), Search::Match(g) if g.whole() == (4..5)));
        // What was consumed before still stands there: this is no beginning of a line.
        assert!(!matches!(set.search(b"xa\r\n", 1, true), Search::Match(_)));
    }

    #[test]
    fn what_is_too_large_or_no_pattern_is_refused_with_a_reason() {
        assert!(Pattern::regex("(").unwrap_err().contains("unclosed group"));
        assert!(Pattern::regex("((a{999}){999}){999}").is_err());
        assert!(Pattern::regex(&"a".repeat(5000)).is_err());
        assert!(Pattern::literal(b"").is_err());
    }
}
