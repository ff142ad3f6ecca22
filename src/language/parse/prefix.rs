//! The prefixes of a statement: `expect error`, `retry`, `repeat`, `on`, `defer`. All but `defer` end in `:`, alone or at the end
//! of the word before it.

use std::time::Duration;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, value};
use nom::sequence::preceded;

use super::atom::{Parsed, duration_of, fail, literal, not_empty, regex};
use super::lexer::{Segment, Word};
use super::tokens::{Read, Tokens, begins, explained, keyword, unoffered, word};
use crate::language::diagnostic::Diagnostic;
use crate::language::script::{Prefix, Trigger, TriggerEvent};

/// Most repetitions of `retry` and `repeat`.
const REPEAT_LIMIT: u64 = 1_000_000;

/// One prefix.
pub(super) fn prefix(tokens: Tokens<'_>) -> Read<'_, Prefix> {
    alt((
        value(Prefix::Defer, begins("defer")),
        preceded(begins("retry"), cut(retry)),
        preceded(begins("repeat"), cut(repeat)),
        preceded(begins("expect"), expected_error),
        map(preceded(begins("on"), cut(trigger)), |trigger| Prefix::On(Box::new(trigger))),
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

/// What follows `on`, up to the `:`.
fn trigger(tokens: Tokens<'_>) -> Read<'_, Trigger> {
    let (rest, session) = word("a raw session or server")(tokens)?;
    let text = |tokens| before_colon_as(tokens, "a text, then `:`", not_empty);
    let pattern = |tokens| before_colon_as(tokens, "a regular expression, then `:`", regex);
    let plain = |event: TriggerEvent, words: [&'static str; 2]| {
        let closed = event.clone();
        alt((value((event, false), keyword(words[0])), value((closed, true), unoffered(words[1]))))
    };
    let said = |tokens| {
        alt((
            map(preceded(keyword("matching"), cut(pattern)), |(word, closed)| {
                (TriggerEvent::Matching(word), closed)
            }),
            map(text, |(word, closed)| (TriggerEvent::Says(word), closed)),
        ))
        .parse(tokens)
    };
    let (rest, (event, closed)) = alt((
        preceded(keyword("says"), cut(said)),
        map(preceded(keyword("matching"), cut(pattern)), |(word, closed)| {
            (TriggerEvent::Matching(word), closed)
        }),
        plain(TriggerEvent::Joins, ["joins", "joins:"]),
        plain(TriggerEvent::Ends, ["ends", "ends:"]),
        plain(TriggerEvent::Otherwise, ["otherwise", "otherwise:"]),
    ))
    .parse(rest)?;
    let mut trigger = Trigger { session: session.clone(), event, delay: Duration::ZERO, times: None };
    let rest = if closed { rest } else { trigger_options(rest, &mut trigger)? };
    Ok((rest, trigger))
}

/// `delay D` and `times N`, in any order, up to the `:`.
fn trigger_options<'a>(
    tokens: Tokens<'a>,
    trigger: &mut Trigger,
) -> Result<Tokens<'a>, nom::Err<super::tokens::Failure>> {
    let mut rest = tokens;
    loop {
        let delay = preceded(
            keyword("delay"),
            cut(|tokens| before_colon_as(tokens, "a duration, then `:`", duration_of)),
        );
        let times =
            preceded(keyword("times"), cut(|tokens| before_colon_as(tokens, "a count, then `:`", count)));
        let option = alt((
            map(delay, |(delay, closed)| (Some(delay), None, closed)),
            map(times, |(times, closed)| (None, Some(times), closed)),
            value((None, None, true), colon),
        ));
        let mut option = option;
        let (after, (delay, times, closed)) = option.parse(rest)?;
        trigger.delay = delay.unwrap_or(trigger.delay);
        trigger.times = times.or(trigger.times);
        rest = after;
        if closed {
            return Ok(rest);
        }
    }
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
