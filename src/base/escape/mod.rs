//! The one sanitiser: text that came from a peer, a file name or a child process passes here before it
//! reaches a terminal, a table, a log line or a message (faults.md N6 and row 79).
//!
//! Shown as visible escapes: C0 except newline and tab, DEL, C1, bidirectional controls, zero-width and other
//! format controls. Everything else stays as it is. JSON output does not pass here: it has its own escapes.
//!
//! | file | holds |
//! |---|---|
//! | `html` | pages that need nothing but a browser |
//! | `width` | how many columns of a terminal a text takes |

pub mod html;
pub mod width;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// Text that is safe to show on a terminal; newline and tab are kept.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_when(text, |c| c != '\n' && c != '\t' && is_hostile(c))
}

/// Like [`escape`], for text that must stay on one line: newline and tab are escaped too.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape_when(text, is_hostile)
}

/// The first `limit` characters of untrusted bytes, escaped for one line, with an ellipsis if more was cut off.
pub fn excerpt(bytes: &[u8], limit: usize) -> String {
    // A character has at most four bytes: nobody looks at what is behind so many, and one more.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * limit + 4)]);
    let cut: String = text.chars().take(limit).collect();
    let more = if text.chars().nth(limit).is_some() { "…" } else { "" };
    format!("{}{more}", escape_line(&cut))
}

/// Bytes in a line of a dump.
pub const ROW: usize = 16;

/// The lines of a dump: `00001000  68 69 0d 0a …  hi..`. `offset`: of the first byte; `hidden`: which bytes are shown as
/// `**`.
pub fn hex_dump(bytes: &[u8], offset: u64, hidden: &[Range<usize>]) -> impl Iterator<Item = String> {
    bytes.chunks(ROW).enumerate().map(move |(row, part)| {
        let (mut hex, mut letters) = (String::new(), String::new());
        for (at, &byte) in (row * ROW..).zip(part) {
            if hidden.iter().any(|place| place.contains(&at)) {
                hex += " **";
                letters.push('*');
                continue;
            }
            hex += &format!(" {byte:02x}");
            letters.push(if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' });
        }
        let at = offset + (row * ROW) as u64;
        format!("{at:08x} {hex:<48}  {letters}")
    })
}

fn escape_when(text: &str, hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !hostile(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x80 => drop(write!(out, "\\x{:02x}", c as u32)),
            c => drop(write!(out, "\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(out)
}

/// Control, bidirectional, zero-width and tag characters: they can disguise text or control the terminal.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_79_terminal_sequences_become_visible() {
        assert_eq!(escape("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
        assert_eq!(escape("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(escape("over\rwrite"), "over\\rwrite");
        assert_eq!(escape("zero\u{200b}width"), "zero\\u{200b}width");
    }

    #[test]
    fn ordinary_text_is_borrowed_unchanged() {
        assert!(matches!(escape("héllo\n\t世界 🙂"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_control_character_survives_any_scalar_value() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            assert!(escape_line(&text).chars().all(|c| !is_hostile(c)), "U+{:x}", c as u32);
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(b"GET / HTTP/1.1\r\nHost", 14), "GET / HTTP/1.1…");
        assert_eq!(excerpt(b"\xff\x00", 8), "\u{fffd}\\x00");
    }
}
