//! `expect` with a comparison, a condition, or a file.

use std::time::Duration;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, value};
use nom::sequence::{preceded, terminated};

use super::atom::{Parsed, fail};
use super::lexer::Word;
use super::tokens::{Read, Tokens, duration, end, explained, keyword, one_of, path, word};
use crate::language::diagnostic::Diagnostic;
use crate::language::script::{Body, Comparison, Expectation, FileExpectation, FileTest};

/// What follows `expect`.
pub(super) fn expectation(tokens: Tokens<'_>) -> Read<'_, Body> {
    alt((preceded(keyword("not"), cut(|tokens| assertion(tokens, true))), |tokens| assertion(tokens, false)))
        .parse(tokens)
}

fn assertion(tokens: Tokens<'_>, negated: bool) -> Read<'_, Body> {
    alt((
        map(preceded(file, cut(move |tokens| of_a_file(tokens, negated))), Body::ExpectFile),
        map(move |tokens| of_a_value(tokens, negated), Body::Expect),
    ))
    .parse(tokens)
}

/// The word `file`, unless a comparison follows: `expect file == $x` compares the word.
fn file(tokens: Tokens<'_>) -> Read<'_, ()> {
    let (rest, ()) = keyword("file")(tokens)?;
    match rest.first_word() {
        Some(word) if Comparison::is_word(word) => Err(nom::Err::Error(tokens.mismatch())),
        _ => Ok((rest, ())),
    }
}

fn of_a_value(tokens: Tokens<'_>, negated: bool) -> Read<'_, Expectation> {
    let (rest, left) = word("a value such as $files.clients")(tokens)?;
    let compared = |tokens| {
        let (rest, comparison) = one_of(&Comparison::WORDS)(tokens)?;
        let (rest, right) = cut(word("a value")).parse(rest)?;
        let (rest, within) = cut(within).parse(rest)?;
        Ok((rest, (Some((comparison, right.clone())), within)))
    };
    let bare = |rest| {
        let (rest, within) = until_end(rest)?;
        let checked = unspaced(left).map_or(Ok(()), Err);
        match checked.and_then(|()| condition(left, "a comparison such as $files.clients == 0")) {
            Ok(()) => Ok((rest, (None, within))),
            Err(message) => tokens.failed(message),
        }
    };
    let tested = |tokens| alt((compared, bare)).parse(tokens);
    let (rest, (test, within)) = explained(tested, |here| not_a_comparison(left, here))(rest)?;
    Ok((rest, Expectation { negated, left: left.clone(), test, within }))
}

/// A bare value must be a reference: a constant would make an expectation that can never fail.
pub(super) fn condition(word: &Word, possible: &str) -> Parsed<()> {
    if word.reference().is_some() && !word.quoted {
        return Ok(());
    }
    let title = format!("`{}` is not a condition", word.written());
    fail(
        Diagnostic::new(title, word.span.clone())
            .expected([possible.into(), "a field or variable that is true or false".into()])
            .unfinished(),
    )
}

/// The error for a comparison written without blanks: `1==2`, `$x>7`.
fn unspaced(word: &Word) -> Option<Box<Diagnostic>> {
    let text = word.written();
    let operators = ["==", "!=", "<=", ">=", "<", ">", "="];
    let (at, operator) = text.char_indices().find_map(|(at, _)| {
        let found = operators.into_iter().find(|operator| text[at..].starts_with(operator))?;
        Some((at, found))
    })?;
    if word.quoted || text == operator {
        return None;
    }
    let (left, right) = (&text[..at], &text[at + operator.len()..]);
    let operator = if operator == "=" { "==" } else { operator };
    let fix = format!("{left} {operator} {right}");
    let title = format!("`{text}` is one word: an operator needs a space on both sides");
    Some(Box::new(
        Diagnostic::new(title, word.span.clone())
            .expected(["VALUE == VALUE".into()])
            .fix(fix.trim().to_owned()),
    ))
}

fn not_a_comparison(left: &Word, here: Tokens<'_>) -> Diagnostic {
    let Some(word) = here.first_word() else { return cannot_follow(here) };
    if let Some(unspaced) = unspaced(left).or_else(|| unspaced(word)) {
        return *unspaced;
    }
    let names = || Comparison::WORDS.iter().map(|(word, _)| *word);
    let fix = if word.is("=") { Some("==".into()) } else { here.nearest(names().chain(["within"])) };
    here.misread("is not a comparison")
        .expected(names().map(str::to_owned).chain(["within D".into()]))
        .fix(fix)
}

/// `within D` or nothing, and the end of the expectation.
fn within(tokens: Tokens<'_>) -> Read<'_, Option<Duration>> {
    explained(until_end, cannot_follow)(tokens)
}

fn until_end(tokens: Tokens<'_>) -> Read<'_, Option<Duration>> {
    alt((map(preceded(keyword("within"), cut(terminated(duration, end))), Some), value(None, end)))
        .parse(tokens)
}

fn cannot_follow(here: Tokens<'_>) -> Diagnostic {
    here.misread("cannot follow here")
        .expected(["within D".into(), "the end of the line".into()])
        .fix(here.nearest(["within"]))
}

fn of_a_file(tokens: Tokens<'_>, negated: bool) -> Read<'_, FileExpectation> {
    let (rest, path) = path(tokens)?;
    let (rest, test) = explained(file_test, not_a_file_test)(rest)?;
    let (rest, within) = within(rest)?;
    Ok((rest, FileExpectation { negated, path: path.clone(), test, within }))
}

fn file_test(tokens: Tokens<'_>) -> Read<'_, FileTest> {
    let same = preceded(explained(keyword("as"), not_as), path);
    alt((
        value(FileTest::Exists, keyword("exists")),
        map(preceded(keyword("contains"), cut(word("a text"))), |text| FileTest::Contains(text.clone())),
        map(preceded(keyword("same"), cut(same)), |path| FileTest::SameAs(path.clone())),
    ))
    .parse(tokens)
}

fn not_as(here: Tokens<'_>) -> Diagnostic {
    Diagnostic::new("`same` is followed by `as`", here.span()).expected(["as PATH".into()])
}

fn not_a_file_test(here: Tokens<'_>) -> Diagnostic {
    here.misread("is not a condition for a file")
        .expected(["exists", "same as PATH", "contains TEXT"].map(String::from))
        .fix(here.nearest(["exists", "same", "contains"]))
}
