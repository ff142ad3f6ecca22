//! What of a raw conversation is shown and logged: lines as they pass, and of a flood only its size.

use std::time::{Duration, Instant};

use memchr::{memchr, memchr_iter, memrchr};

use crate::base::escape::{ROW, excerpt, hex_dump};
use crate::base::{Secrets, quantity};
use crate::session::Handle;

/// Characters of what passed that are shown.
const SHOWN: usize = 400;
/// Lines of one read that are shown.
const LINES: usize = 20;
/// Pieces that are shown within [`WINDOW`]; of more, only the number of bytes.
const MOST: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts what is shown.
#[derive(Debug)]
pub(super) struct Shown {
    since: Instant,
    count: u32,
    /// Bytes that passed and were not shown.
    skipped: u64,
    /// In a dump a secret is on more than one line: it is masked here.
    secrets: Secrets,
}

impl Shown {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { since: Instant::now(), count: 0, skipped: 0, secrets }
    }

    /// What came from the peer. Returns its last line as text, if it is shown.
    pub(super) fn received(&mut self, session: &Handle, bytes: &[u8]) -> Option<String> {
        if !self.may_show(session, bytes.len()) {
            return None;
        }
        if session.session().shows_hexadecimal() {
            let before = session.bytes_in().saturating_sub(bytes.len() as u64);
            let hidden = self.secrets.places(bytes);
            let rows = hex_dump(bytes, before, &hidden);
            show(session, '<', rows, bytes.len().div_ceil(ROW));
        } else {
            show(session, '<', as_lines(bytes), memchr_iter(b'\n', without_end(bytes)).count() + 1);
        }
        let begin = memrchr(b'\n', without_end(bytes)).map_or(0, |end| end + 1);
        as_lines(&bytes[begin..]).next()
    }

    /// What was sent to the peer.
    pub(super) fn sent(&mut self, session: &Handle, bytes: &[u8]) {
        if !self.may_show(session, bytes.len()) {
            return;
        }
        if session.session().shows_hexadecimal() {
            let before = session.bytes_out().saturating_sub(bytes.len() as u64);
            let hidden = self.secrets.places(bytes);
            let rows = hex_dump(bytes, before, &hidden);
            return show(session, '>', rows, bytes.len().div_ceil(ROW));
        }
        for line in as_lines(bytes).take(LINES) {
            session.log("sent", format!("> {line}"));
        }
    }

    fn may_show(&mut self, session: &Handle, bytes: usize) -> bool {
        if self.since.elapsed() >= WINDOW {
            self.tell_skipped(session);
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        if self.count > MOST {
            self.skipped += bytes as u64;
        }
        self.count <= MOST
    }

    /// Tells how much was not shown, if any.
    pub(super) fn tell_skipped(&mut self, session: &Handle) {
        let skipped = std::mem::take(&mut self.skipped);
        if skipped > 0 {
            session.inform(
                "skipped",
                format!("… {} more passed and are not shown", quantity::show_size(skipped)),
            );
        }
    }
}

/// Shows the first of the `count` lines of one read; `side` is the sign of the side that they came from.
fn show(session: &Handle, side: char, lines: impl Iterator<Item = String>, count: usize) {
    let kind = if side == '<' { "received" } else { "sent" };
    for line in lines.take(LINES) {
        session.inform(kind, format!("{side} {line}"));
    }
    if count > LINES {
        session.inform(kind, format!("… {} more lines", count - LINES));
    }
}

fn without_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn as_lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    let mut rest = Some(without_end(bytes));
    std::iter::from_fn(move || {
        let all = rest?;
        let end = memchr(b'\n', all);
        rest = end.map(|end| &all[end + 1..]);
        let line = &all[..end.unwrap_or(all.len())];
        Some(excerpt(line.strip_suffix(b"\r").unwrap_or(line), SHOWN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_without_their_ends() {
        let lines = |bytes: &[u8]| as_lines(bytes).collect::<Vec<_>>();
        assert_eq!(lines(b"a\r\n\nb\x1b\n"), ["a", "", "b\\x1b"]);
        assert_eq!(lines(b"a\nb"), ["a", "b"]);
        assert_eq!(
            (lines(b""), lines(b"\n"), lines(b"\n\n")),
            (vec![String::new()], vec![String::new()], vec![String::new(); 2])
        );
    }
}
