//! The script so far. What a raw session received stands in it as bytes until the end: an expectation of the user that
//! comes later may take its place.

use std::collections::HashMap;
use std::ops::Range;

use super::heard::{PATIENCE, expectations};
use crate::language::script::SessionTest;
use crate::session::Session;

/// A place in a statement, and what stands there instead.
pub(super) type Edit = (Range<usize>, String);

/// What is written at one place.
#[derive(Debug)]
enum Line {
    Text(String),
    Heard(Heard),
}

/// What a raw session received between two statements.
#[derive(Debug)]
struct Heard {
    session: u64,
    /// As a statement names the session.
    name: String,
    /// Where in the stream the first byte stands.
    from: usize,
    bytes: Vec<u8>,
    /// Then its peer ended.
    ends: bool,
}

/// How much of what a raw session received is in the script.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Where what is not in it begins.
    next: usize,
    ended: bool,
}

/// The lines of a script.
#[derive(Debug, Default)]
pub(super) struct Script {
    lines: Vec<Line>,
    /// By the id of the session.
    known: HashMap<u64, Known>,
}

impl Script {
    pub(super) fn write(&mut self, line: String) {
        self.lines.push(Line::Text(line));
    }

    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for line in &self.lines {
            match line {
                Line::Text(line) => lines.push(line.clone()),
                Line::Heard(heard) => {
                    lines.extend(expectations(&heard.name, &heard.bytes));
                    let end = || format!("expect {} ends within {PATIENCE}", heard.name);
                    lines.extend(heard.ends.then(end));
                }
            }
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Adds what a raw session received and what is not in the script yet, and its end.
    pub(super) fn hear(&mut self, session: &Session, name: &str) {
        let known = self.known.get(&session.id).copied().unwrap_or_default();
        let Some((bytes, _)) = session.tapped(known.next) else { return };
        let ends = session.peer_has_ended() && !known.ended;
        self.add(session.id, name, bytes, ends);
    }

    fn add(&mut self, session: u64, name: &str, bytes: Vec<u8>, ends: bool) {
        let known = self.known.entry(session).or_default();
        let from = known.next;
        *known = Known { next: from + bytes.len(), ended: known.ended || ends };
        if !bytes.is_empty() || ends {
            let name = format!("${name}");
            self.lines.push(Line::Heard(Heard { session, name, from, bytes, ends }));
        }
    }

    /// An expectation of the user was met, and is written next: what it matched is expected by it, what came before the
    /// match is added before it, and what was added from there on is not expected twice.
    pub(super) fn expected(&mut self, session: &Session, name: &str, test: &SessionTest) {
        if *test == SessionTest::Ends {
            self.hear(session, name);
            self.heard_of(session.id).for_each(|heard| heard.ends = false);
            return;
        }
        let known = self.known.get(&session.id).copied().unwrap_or_default();
        let Some((bytes, matched)) = session.tapped(known.next) else { return };
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let (start, end) = (index(matched.start), index(matched.end));
        if start > known.next {
            let before = bytes[..bytes.len().min(start - known.next)].to_vec();
            self.add(session.id, name, before, false);
        }
        for heard in self.heard_of(session.id) {
            heard.bytes.truncate(start.saturating_sub(heard.from));
        }
        self.known.insert(session.id, Known { next: end, ended: known.ended });
    }

    fn heard_of(&mut self, session: u64) -> impl Iterator<Item = &mut Heard> {
        self.lines.iter_mut().filter_map(move |line| match line {
            Line::Heard(heard) if heard.session == session => Some(heard),
            _ => None,
        })
    }
}
