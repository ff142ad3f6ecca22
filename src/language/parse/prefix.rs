//! The prefixes of a statement: `expect error`, `retry`, `repeat`, `defer`. All but `defer` end in `:`, alone or at the end
//! of the word before it.

use std::time::Duration;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, value};
use nom::sequence::preceded;

use super::atom::{Parsed, duration_of, fail, literal};
use super::lexer::{Segment, Word};
use super::tokens::{Read, Tokens, begins, explained, keyword, unoffered, word};
use crate::language::diagnostic::Diagnostic;
use crate::language::script::Prefix;

/// Most repetitions of `retry` and `repeat`.
const REPEAT_LIMIT: u64 = 1_000_000;

/// One prefix.
pub(super) fn prefix(tokens: Tokens<'_>) -> Read<'_, Prefix> {
    alt((
        value(Prefix::Defer, begins("defer")),
        preceded(begins("retry"), cut(retry)),
        preceded(begins("repeat"), cut(repeat)),
        preceded(begins("expect"), expected_error),
    ))
    .parse(tokens)
}

fn retry(tokens: Tokens<'_>) -> Read<'_, Prefix> {
    let (rest, (times, closed)) = before_colon(tokens, count)?;
    if closed {
        return Ok((rest, Prefix::Retry { times, every: Duration::ZERO }));
    }
    let (rest, every) = alt((
        preceded(keyword("every"), cut(|tokens| closed_by_colon(tokens, duration_of))),
        value(Duration::ZERO, colon),
    ))
    .parse(rest)?;
    Ok((rest, Prefix::Retry { times, every }))
}

fn repeat(tokens: Tokens<'_>) -> Read<'_, Prefix> {
    map(|tokens| closed_by_colon(tokens, count), Prefix::Repeat).parse(tokens)
}

fn expected_error(tokens: Tokens<'_>) -> Read<'_, Prefix> {
    let reason = |tokens| {
        closed_by_colon_as(tokens, "a part of the message in quotes, then `:`", |word| Ok(word.clone()))
    };
    alt((
        value(Prefix::ExpectError(None), unoffered("error:")),
        preceded(
            keyword("error"),
            cut(alt((
                value(Prefix::ExpectError(None), keyword(":")),
                map(reason, |word| Prefix::ExpectError(Some(word))),
            ))),
        ),
    ))
    .parse(tokens)
}

fn count(word: &Word) -> Parsed<u64> {
    let text = literal(word, "this")?;
    match text.parse() {
        Ok(count) if (1..=REPEAT_LIMIT).contains(&count) => Ok(count),
        _ => fail(
            Diagnostic::new(format!("`{text}` is not a count"), word.span.clone())
                .expected([format!("a whole number from 1 to {REPEAT_LIMIT}")]),
        ),
    }
}

/// A value; true if its word ends in the `:` that closes the prefix.
fn before_colon<T>(tokens: Tokens<'_>, rule: impl Fn(&Word) -> Parsed<T>) -> Read<'_, (T, bool)> {
    before_colon_as(tokens, "a value, then `:`", rule)
}

fn before_colon_as<'a, T>(
    tokens: Tokens<'a>,
    expected: &'static str,
    rule: impl Fn(&Word) -> Parsed<T>,
) -> Read<'a, (T, bool)> {
    let (rest, word) = word(expected)(tokens)?;
    let (word, closed) = without_colon(word.clone());
    rule(&word).map(|value| (rest, (value, closed))).or_else(|message| tokens.failed(message))
}

/// A value and the `:` after it.
fn closed_by_colon<T>(tokens: Tokens<'_>, rule: impl Fn(&Word) -> Parsed<T>) -> Read<'_, T> {
    closed_by_colon_as(tokens, "a value, then `:`", rule)
}

fn closed_by_colon_as<'a, T>(
    tokens: Tokens<'a>,
    expected: &'static str,
    rule: impl Fn(&Word) -> Parsed<T>,
) -> Read<'a, T> {
    let (rest, (value, closed)) = before_colon_as(tokens, expected, rule)?;
    if closed {
        return Ok((rest, value));
    }
    colon(rest).map(|(rest, ())| (rest, value))
}

fn without_colon(mut word: Word) -> (Word, bool) {
    if let Some(Segment::Text(text)) = word.segments.last_mut()
        && text.ends_with(':')
    {
        text.pop();
        word.span.end -= 1;
        return (word, true);
    }
    (word, false)
}

fn colon(tokens: Tokens<'_>) -> Read<'_, ()> {
    explained(keyword(":"), |here| {
        let title = match here.first() {
            Some(token) => format!("a prefix must end in `:`, found `{}`", token.text()),
            None => "a prefix ends in `:`".into(),
        };
        Diagnostic::new(title, here.span()).expected(["`:`".into()])
    })(tokens)
}
