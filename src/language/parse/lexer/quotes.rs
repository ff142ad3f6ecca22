//! What a double quote holds: text, escapes and references.

use compact_str::CompactString;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::{char, one_of};
use nom::combinator::{map, map_opt, opt, value};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use smallvec::SmallVec;

use super::parts::{Style, WordPart, reference};
use super::token::{Segment, push_text};
use crate::language::diagnostic::Diagnostic;

/// `"escapes \n and $name.field inside"`
pub(super) fn double(input: &str, at: usize, style: Style) -> Result<(&str, WordPart<'_>), Diagnostic> {
    let mut segments = SmallVec::new();
    let mut rest = &input[1..];
    loop {
        let here = at + (input.len() - rest.len());
        match rest.chars().next() {
            None => return Err(never_closed('"', input, at)),
            Some('"') => {
                if segments.is_empty() {
                    segments.push(Segment::Text(CompactString::default()));
                }
                return Ok((&rest[1..], WordPart::Quoted(segments)));
            }
            Some('$') => match reference(rest) {
                Ok((tail, path)) => {
                    segments.push(Segment::Reference(path, here..at + (input.len() - tail.len())));
                    rest = tail;
                }
                Err(_) if style == Style::Pattern => {
                    push_text(&mut segments, "$");
                    rest = &rest[1..];
                }
                Err(_) => return Err(no_name_follows(here).fix("\\$".to_owned())),
            },
            Some('\\') => {
                let (tail, text) = unescaped(rest, here, style)?;
                push_text(&mut segments, &text);
                rest = tail;
            }
            Some(_) => {
                let end = rest.find(['"', '$', '\\']).unwrap_or(rest.len());
                push_text(&mut segments, &rest[..end]);
                rest = &rest[end..];
            }
        }
    }
}

/// What an escape at the start of `input`, which is at `at`, stands for.
fn unescaped(input: &str, at: usize, style: Style) -> Result<(&str, CompactString), Diagnostic> {
    if style == Style::Pattern && is_of_pattern(input) {
        let length = 1 + input[1..].chars().next().map_or(0, char::len_utf8);
        return Ok((&input[length..], input[..length].into()));
    }
    match escaped(input) {
        Ok((tail, c)) => Ok((tail, c.map(String::from).unwrap_or_default().into())),
        Err(_) => Err(not_an_escape(input, at)),
    }
}

/// True for an escape that belongs to a regular expression: all but those of the language that mean the same there.
fn is_of_pattern(input: &str) -> bool {
    input[1..].starts_with(['x', 'u']) || escaped(input).is_err()
}

/// The error of a `\` at the start of `input`, which is at `at`.
fn not_an_escape(input: &str, at: usize) -> Diagnostic {
    let length = 1 + input[1..].chars().next().map_or(0, char::len_utf8);
    let possible = ["\\n", "\\t", "\\\\", "\\\"", "\\$", "\\xHH", "\\u{…}"].map(String::from);
    let read = &input[..length];
    Diagnostic::new(format!("`{read}` is not an escape"), at..at + length).expected(possible)
}

/// One escape in double quotes; `None` for a `\` that joins lines.
fn escaped(input: &str) -> IResult<&str, Option<char>> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let is_hex = |c: char| c.is_ascii_hexdigit();
    preceded(
        char('\\'),
        alt((
            value(Some('\n'), char('n')),
            value(Some('\t'), char('t')),
            value(Some('\r'), char('r')),
            value(Some('\0'), char('0')),
            map(one_of("\\\"$'"), Some),
            map_opt(preceded(char('x'), take_while_m_n(2, 2, is_hex)), move |d| hex(d).map(Some)),
            map_opt(delimited(tag("u{"), take_while_m_n(1, 6, is_hex), char('}')), move |d| hex(d).map(Some)),
            value(None, (opt(char('\r')), char('\n'))),
        )),
    )
    .parse(input)
}

/// The error of a quote at the start of `input`, which is at `at`.
pub(super) fn never_closed(quote: char, input: &str, at: usize) -> Diagnostic {
    let fix = format!("{}{quote}", input.lines().next().unwrap_or_default());
    Diagnostic::new(format!("the quote `{quote}` is never closed"), at..at + 1)
        .expected([format!("a `{quote}` after the text")])
        .fix(fix)
        .unfinished()
}

/// The error of a `$` at `at` that is not a reference.
pub(super) fn no_name_follows(at: usize) -> Diagnostic {
    Diagnostic::new("`$` begins a variable, and no name follows", at..at + 1)
}
