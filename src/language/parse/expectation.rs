//! `expect` with a comparison, a condition, or a file.

use std::time::Duration;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, value};
use nom::sequence::{preceded, terminated};

use super::atom::{Parsed, fail, hex, new_name, not_empty, regex};
use super::lexer::Word;
use super::tokens::{
    Read, Tokens, checked, duration, end, explained, keyword, many_then, one_of, path, word,
};
use crate::language::diagnostic::Diagnostic;
use crate::language::script::{
    Body, Comparison, Expectation, FileExpectation, FileTest, SessionExpectation, SessionTest,
};

/// The words for what a session receives.
const SESSION_WORDS: [&str; 5] = ["says", "hex", "ends", "silent", "traced"];

/// What follows `expect`.
pub(super) fn expectation(tokens: Tokens<'_>) -> Read<'_, Body> {
    alt((preceded(keyword("not"), cut(|tokens| assertion(tokens, true))), |tokens| assertion(tokens, false)))
        .parse(tokens)
}

fn assertion(tokens: Tokens<'_>, negated: bool) -> Read<'_, Body> {
    alt((
        map(preceded(file, cut(move |tokens| of_a_file(tokens, negated))), Body::ExpectFile),
        move |tokens| of_a_value(tokens, negated),
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

fn of_a_value(tokens: Tokens<'_>, negated: bool) -> Read<'_, Body> {
    let (rest, left) = word("a value such as $files.clients")(tokens)?;
    let value = |test, within| Body::Expect(Expectation { negated, left: left.clone(), test, within });
    let compared = |tokens| {
        let (rest, comparison) = one_of(&Comparison::WORDS)(tokens)?;
        let (rest, right) = cut(word("a value")).parse(rest)?;
        if let Some(message) = [left, right].into_iter().find_map(|side| not_an_operand(side, comparison)) {
            return tokens.failed(message);
        }
        let (rest, within) = cut(within).parse(rest)?;
        Ok((rest, value(Some((comparison, right.clone())), within)))
    };
    let of_session = |tokens| {
        let (rest, test) = session_test(tokens)?;
        let (rest, (within, binding)) = cut(|rest| waits_and_binds(rest, &test)).parse(rest)?;
        let session = left.clone();
        Ok((rest, Body::ExpectSession(SessionExpectation { negated, session, test, within, binding })))
    };
    let bare = |rest| {
        let (rest, within) = until_end(rest)?;
        let checked = unspaced(left).map_or(Ok(()), Err);
        match checked.and_then(|()| condition(left, "a comparison such as $files.clients == 0")) {
            Ok(()) => Ok((rest, value(None, within))),
            Err(message) => tokens.failed(message),
        }
    };
    let tested = |tokens| alt((compared, of_session, bare)).parse(tokens);
    explained(tested, |here| not_a_comparison(left, here))(rest)
}

/// What a session is expected to receive.
fn session_test(tokens: Tokens<'_>) -> Read<'_, SessionTest> {
    let matching = preceded(keyword("matching"), cut(checked(word("a regular expression"), regex)));
    let text = checked(word("a text"), not_empty);
    let said = alt((map(matching, SessionTest::Matching), map(text, SessionTest::Says)));
    let bytes = checked(word("bytes in hexadecimal"), hex);
    alt((
        preceded(keyword("says"), cut(said)),
        map(preceded(keyword("hex"), cut(bytes)), SessionTest::Hex),
        value(SessionTest::Ends, keyword("ends")),
        map(
            preceded(keyword("traced"), cut(checked(word("a filter in quotes"), not_empty))),
            SessionTest::Traced,
        ),
        map(preceded((keyword("silent"), cut(keyword("for"))), cut(duration)), SessionTest::Silent),
    ))
    .parse(tokens)
}

/// `within D` and `as NAME`, in any order.
fn waits_and_binds<'a>(
    tokens: Tokens<'a>,
    test: &SessionTest,
) -> Read<'a, (Option<Duration>, Option<String>)> {
    #[derive(Clone)]
    enum Tail {
        Within(Duration),
        As(String),
    }
    let (mut within, mut binding) = (None, None);
    // Silence has its time already, and only a match has parts.
    let waits = !matches!(test, SessionTest::Silent(_));
    let binds = test.word().is_some() && !matches!(test, SessionTest::Traced(_));
    let tail = |tokens: Tokens<'a>| -> Read<'a, Tail> {
        let waiting = map(preceded(keyword("within"), cut(duration)), Tail::Within);
        let naming = map(preceded(keyword("as"), cut(checked(word("a name"), new_name))), Tail::As);
        match (waits, binds) {
            (true, true) => alt((waiting, naming)).parse(tokens),
            (true, false) => {
                let mut waiting = waiting;
                waiting.parse(tokens)
            }
            _ => Err(nom::Err::Error(tokens.mismatch())),
        }
    };
    let (rest, ()) = many_then(tail, explained(end, cannot_follow), |tail| {
        match tail {
            Tail::Within(limit) => within = Some(limit),
            Tail::As(name) => binding = Some(name),
        }
        Ok(())
    })(tokens)?;
    Ok((rest, (within, binding)))
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

/// The error for a side of a comparison that is more than a value: `(9 < 5)`, `1==2 != false`. A text that contains such
/// signs is put in quotes.
fn not_an_operand(word: &Word, comparison: Comparison) -> Option<Box<Diagnostic>> {
    let text = word.written();
    let of_text = matches!(comparison, Comparison::Contains | Comparison::Matches);
    if word.quoted || of_text || crate::base::endpoint::parse(&text).is_ok() {
        return None;
    }
    let is_sign = |c: char| "()[],".contains(c);
    let bare = text.trim_matches(is_sign);
    if bare != text {
        let title = format!("`{text}` is not a value: a comparison has no brackets and no commas");
        let fix = if bare.is_empty() { None } else { Some(bare.to_owned()) };
        let expected = ["a value, or a text in quotes".into()];
        return Some(Box::new(Diagnostic::new(title, word.span.clone()).expected(expected).fix(fix)));
    }
    let compares = ["==", "!=", "<=", ">="].iter().any(|operator| text.contains(operator));
    let begins_or_ends = text.starts_with(['<', '>', '=', '!']) || text.ends_with(['<', '>', '=']);
    if compares || begins_or_ends { unspaced(word) } else { None }
}

fn not_a_comparison(left: &Word, here: Tokens<'_>) -> Diagnostic {
    let Some(word) = here.first_word() else { return cannot_follow(here) };
    if let Some(unspaced) = unspaced(left).or_else(|| unspaced(word)) {
        return *unspaced;
    }
    let names = || Comparison::WORDS.iter().map(|(word, _)| *word).chain(SESSION_WORDS);
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
