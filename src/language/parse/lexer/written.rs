//! A text as a word: the way back.

use std::borrow::Cow;

use nom::Parser as _;
use nom::character::complete::{anychar, none_of};
use nom::multi::many0_count;

use crate::base::escape::escape_line;

/// True if `text` would be read back as one bare word equal to itself, and can be shown as it is.
pub fn is_bare(text: &str) -> bool {
    let mut check = many0_count(none_of::<_, _, nom::error::Error<&str>>(" \t\r\n;\"'$#&\\~*?["));
    !text.is_empty()
        && check.parse(text).is_ok_and(|(rest, _): (&str, usize)| rest.is_empty())
        && !text.starts_with('!')
        && matches!(escape_line(text), Cow::Borrowed(_))
        && anychar::<_, nom::error::Error<&str>>(text).is_ok()
}

/// Writes `text` as one word: bare if possible, else in quotes.
pub fn as_word(text: String) -> String {
    if is_bare(&text) { text } else { quoted(&text) }
}

/// Writes `text` in double quotes, with escapes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            // What would disguise the text, or control the terminal.
            c => out += &escape_line(c.encode_utf8(&mut [0; 4])),
        }
    }
    out + "\""
}
