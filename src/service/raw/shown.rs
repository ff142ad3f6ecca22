//! What of a raw conversation is shown and logged: lines as they pass, and of a flood only its size.

use std::time::{Duration, Instant};

use crate::base::escape::{excerpt, hex_dump};
use crate::base::quantity;
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
}

impl Shown {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), count: 0, skipped: 0 }
    }

    /// What came from the peer. Returns its last line as text, if it is shown.
    pub(super) fn received(&mut self, session: &Handle, bytes: &[u8]) -> Option<String> {
        if !self.may_show(session, bytes.len()) {
            return None;
        }
        let lines = as_lines(bytes);
        if session.session().shows_hexadecimal() {
            let before = session.bytes_in().saturating_sub(bytes.len() as u64);
            show(session, '<', hex_dump(bytes, before));
        } else {
            show(session, '<', lines.iter().cloned());
        }
        lines.into_iter().next_back()
    }

    /// What was sent to the peer.
    pub(super) fn sent(&mut self, session: &Handle, bytes: &[u8]) {
        if !self.may_show(session, bytes.len()) {
            return;
        }
        if session.session().shows_hexadecimal() {
            let before = session.bytes_out().saturating_sub(bytes.len() as u64);
            return show(session, '>', hex_dump(bytes, before));
        }
        for line in as_lines(bytes).iter().take(LINES) {
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

/// Shows lines of one read; `side` is the sign of the side that they came from.
fn show(session: &Handle, side: char, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    let kind = if side == '<' { "received" } else { "sent" };
    for line in lines.by_ref().take(LINES) {
        session.inform(kind, format!("{side} {line}"));
    }
    let more = lines.count();
    if more > 0 {
        session.inform(kind, format!("… {more} more lines"));
    }
}

fn as_lines(bytes: &[u8]) -> Vec<String> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = whole.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.map(|line| excerpt(line, SHOWN)).collect()
}
