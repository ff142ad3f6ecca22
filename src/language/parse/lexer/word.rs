//! One word: bare text, quotes and references without blanks between them.

use compact_str::CompactString;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::sequence::delimited;
use nom::{IResult, Parser};
use smallvec::{SmallVec, smallvec};

use super::parts::{Style, WordPart, ends_word, reference};
use super::quotes::{double, never_closed, no_name_follows};
use super::token::{Segment, Token, Word, push_text};
use crate::language::diagnostic::Diagnostic;

/// The style of the word after this one.
pub(super) fn style_after(token: Option<&Token>) -> Style {
    match token {
        Some(Token::Word(word)) if word.is("matching") || word.is("matches") => Style::Pattern,
        _ => Style::Text,
    }
}

/// Reads the word at the start of `input`, which begins at byte `at` of the text.
pub(super) fn word(input: &str, at: usize, style: Style) -> Result<(&str, Word), Diagnostic> {
    let mut word = Word { segments: SmallVec::new(), quoted: false, span: at..at };
    let mut rest = input;
    while !rest.is_empty()
        && !rest.starts_with(|c: char| c.is_whitespace() || c == ';')
        && !rest.starts_with("\\\n")
        && !rest.starts_with("\\\r\n")
    {
        if rest.starts_with('&') && ends_word(&rest[1..]) {
            break;
        }
        let here = at + (input.len() - rest.len());
        let (tail, piece) = piece(rest, here, style)?;
        let end = at + (input.len() - tail.len());
        match piece {
            WordPart::Bare(text) => push_text(&mut word.segments, text),
            WordPart::Quoted(segments) => {
                word.quoted = true;
                for segment in segments {
                    match segment {
                        Segment::Text(text) => push_text(&mut word.segments, &text),
                        reference @ Segment::Reference(..) => word.segments.push(reference),
                    }
                }
            }
            WordPart::Reference(path) => word.segments.push(Segment::Reference(path, here..end)),
        }
        rest = tail;
    }
    if word.segments.is_empty() {
        word.segments.push(Segment::Text(CompactString::default()));
    }
    word.span.end = at + (input.len() - rest.len());
    Ok((rest, word))
}

fn piece(input: &str, at: usize, style: Style) -> Result<(&str, WordPart<'_>), Diagnostic> {
    match input.chars().next() {
        Some('\'') => raw(input)
            .map(|(rest, text)| (rest, WordPart::Quoted(smallvec![Segment::Text(text.into())])))
            .map_err(|_| never_closed('\'', input, at)),
        Some('"') => double(input, at, style),
        Some('$') => reference(input).map(|(rest, path)| (rest, WordPart::Reference(path))).map_err(|_| {
            no_name_follows(at).expected(["a name such as $files.port".into(), "'$' in single quotes".into()])
        }),
        _ => bare(input)
            .map(|(rest, text)| (rest, WordPart::Bare(text)))
            .map_err(|_| Diagnostic::new("this cannot be read", at..at + 1)),
    }
}

/// Unquoted text up to a blank, `;`, quote or `$`.
fn bare(input: &str) -> IResult<&str, &str> {
    let (_, text) =
        take_while1(|c: char| !c.is_whitespace() && !matches!(c, ';' | '"' | '\'' | '$')).parse(input)?;
    // A `&` at the end of a word puts the command in the background; a `\` at the end of a line joins lines.
    let behind = &input[text.len()..];
    let kept = match text.strip_suffix('&') {
        Some(kept) if !kept.is_empty() && kept != "&" && ends_word(behind) => kept,
        _ => text,
    };
    let kept = match kept.strip_suffix('\\') {
        Some(front) if !front.is_empty() && (behind.starts_with('\n') || behind.starts_with("\r\n")) => front,
        _ => kept,
    };
    Ok((&input[kept.len()..], kept))
}

/// `'raw'`
fn raw(input: &str) -> IResult<&str, &str> {
    delimited(char('\''), take_while(|c| c != '\''), char('\'')).parse(input)
}
