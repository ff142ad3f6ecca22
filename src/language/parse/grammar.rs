//! Tokens → [`Statement`]s. A statement is a logical line, or a part of one between `;`. An error ends its own
//! statement only and parsing continues after it, so every error of a file is found at once.
//!
//! ```text
//! stmt   = "test" STRING { "serial" | "timeout" DUR | "tag" NAME }
//!        | { prefix } ( simple | "!" TEXT ) ;
//! prefix = "expect" "error" [ STRING ] ":" | "retry" INT [ "every" DUR ] ":" | "repeat" INT ":" | "defer" ;
//! simple = "let" NAME "=" value | "expect" [ "not" ] value [ CMP value ] [ "within" DUR ]
//!        | "expect" [ "not" ] "file" PATH ( "exists" | "same" "as" PATH | "contains" TEXT ) [ "within" DUR ] | "secret" NAME
//!        | "skip" STRING [ "unless" value ] | "timeout" DUR | "source" PATH | command ;
//! ```
//! [`super::statement`] describes what each statement does.

use std::time::Duration;

use smallvec::SmallVec;

use super::atom::{Parsed, duration, fail, is_name, literal, not_a_name};
use super::cursor::Cursor;
use super::lexer::{Segment, Token, Word, logical_lines, tokens_into};
use super::next::Next;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::script::{
    Body, Comparison, Expectation, FileExpectation, FileTest, Heading, Prefix, Statement,
};

/// Predefined names, which `let` and `secret` cannot redefine.
pub const RESERVED_NAMES: [&str; 6] = ["tmp", "args", "seed", "last", "env", "test"];
/// Most repetitions of `retry` and `repeat`.
const REPEAT_LIMIT: u64 = 1_000_000;
/// Most prefixes before one statement.
const PREFIX_LIMIT: usize = 8;

/// The statements of a text in order, each parsed or as the error in it.
pub fn statements(text: &str) -> impl Iterator<Item = Result<Statement, Box<Diagnostic>>> + '_ {
    let mut tokens = Vec::new();
    logical_lines(text).flat_map(move |line| {
        tokens.clear();
        tokens_into(&text[line.clone()], line.start, &mut tokens);
        let parts = tokens.split_mut(|token| matches!(token, Token::Semicolon(_)));
        let read: SmallVec<[_; 1]> =
            parts.filter(|part| !part.is_empty()).map(|part| statement(part, None)).collect();
        read
    })
}

/// Parses one statement; `next` receives what may follow its tokens, whether they form a complete statement or not.
pub(crate) fn statement(tokens: &mut [Token], next: Option<&mut Vec<Next>>) -> Parsed<Statement> {
    let mut cursor = Cursor::new(tokens, next);
    let span = cursor.span().start..cursor.end_span().end;
    if cursor.begins("test") {
        let heading = heading(&mut cursor)?;
        return Ok(Statement { span, prefixes: Vec::new(), body: Body::Test(heading) });
    }
    let mut prefixes = Vec::new();
    while let Some(prefix) = prefix(&mut cursor)? {
        prefixes.push(prefix);
        if prefixes.len() > PREFIX_LIMIT {
            return fail(Diagnostic::new(
                format!("more than {PREFIX_LIMIT} prefixes before one command"),
                span,
            ));
        }
    }
    let body = simple(&mut cursor)?;
    Ok(Statement { span, prefixes, body })
}

fn count(word: &Word, text: &str) -> Parsed<u64> {
    match text.parse() {
        Ok(count) if (1..=REPEAT_LIMIT).contains(&count) => Ok(count),
        _ => fail(
            Diagnostic::new(format!("`{text}` is not a count"), word.span.clone())
                .expected([format!("a whole number from 1 to {REPEAT_LIMIT}")]),
        ),
    }
}

fn heading(cursor: &mut Cursor<'_>) -> Parsed<Heading> {
    let name = cursor.word("the name of the test, in quotes")?;
    let mut heading = Heading {
        name: literal(&name, "the name of a test")?,
        serial: false,
        timeout: None,
        tags: Vec::new(),
    };
    loop {
        if cursor.take("serial") {
            heading.serial = true;
        } else if cursor.take("timeout") {
            heading.timeout = Some(cursor.duration()?);
        } else if cursor.take("tag") {
            let word = cursor.word("a name")?;
            heading.tags.push(literal(&word, "a tag")?);
        } else if cursor.peek().is_none() {
            return Ok(heading);
        } else {
            let word = cursor.any_word("serial, timeout or tag")?;
            let fix =
                word.literal().and_then(|text| nearest(&text, ["serial", "timeout", "tag"]).map(Into::into));
            let possible = ["serial", "timeout D", "tag NAME"].map(String::from);
            return fail(
                Diagnostic::new(
                    format!("`{}` cannot follow the name of a test", word.literal().unwrap_or_default()),
                    word.span.clone(),
                )
                .expected(possible)
                .fix(fix),
            );
        }
    }
}

/// Parses one prefix; `None` if there is none.
fn prefix(cursor: &mut Cursor<'_>) -> Parsed<Option<Prefix>> {
    let start = cursor.place();
    if cursor.begins("defer") {
        return Ok(Some(Prefix::Defer));
    }
    if cursor.begins("retry") {
        let (times, mut closed) = colon(cursor, count)?;
        let mut every = Duration::ZERO;
        if !closed && cursor.take("every") {
            (every, closed) = colon(cursor, duration)?;
        }
        require_colon(cursor, closed)?;
        return Ok(Some(Prefix::Retry { times, every }));
    }
    if cursor.begins("repeat") {
        let (times, closed) = colon(cursor, count)?;
        require_colon(cursor, closed)?;
        return Ok(Some(Prefix::Repeat(times)));
    }
    if cursor.begins("expect") {
        if cursor.skip("error:") {
            return Ok(Some(Prefix::ExpectError(None)));
        }
        if cursor.take("error") {
            if cursor.take(":") {
                return Ok(Some(Prefix::ExpectError(None)));
            }
            let word = cursor.word("a part of the message in quotes, then `:`")?;
            let (word, closed) = without_colon(word);
            require_colon(cursor, closed)?;
            return Ok(Some(Prefix::ExpectError(Some(word))));
        }
    }
    cursor.back_to(start);
    Ok(None)
}

/// Reads a word that may end in the `:` which closes a prefix; true if it does.
fn colon<T>(cursor: &mut Cursor<'_>, read: impl Fn(&Word, &str) -> Parsed<T>) -> Parsed<(T, bool)> {
    let word = cursor.word("a value, then `:`")?;
    let (word, closed) = without_colon(word);
    let text = literal(&word, "this")?;
    Ok((read(&word, &text)?, closed))
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

fn require_colon(cursor: &mut Cursor<'_>, closed: bool) -> Parsed<()> {
    if closed || cursor.take(":") {
        return Ok(());
    }
    let title = match cursor.peek() {
        Some(token) => format!("a prefix must end in `:`, found `{}`", token.text()),
        None => "a prefix ends in `:`".into(),
    };
    fail(Diagnostic::new(title, cursor.span()).expected(["`:`".into()]))
}

fn simple(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    if let Some(Token::Bang(text, span)) = cursor.peek() {
        if text.is_empty() {
            return fail(
                Diagnostic::new("`!` runs a system command, and none follows", span.clone())
                    .expected(["a command such as !ls".into()]),
            );
        }
        return Ok(Body::Shell(text.clone()));
    }
    let body = if cursor.begins("let") {
        assignment(cursor)?
    } else if cursor.begins("expect") {
        expectation(cursor)?
    } else if cursor.begins("secret") {
        let word = cursor.word("the name of an environment variable")?;
        Body::Secret(new_name(&word, literal(&word, "a name")?)?)
    } else if cursor.begins("skip") {
        let reason = cursor.word("the reason, in quotes")?;
        let unless =
            if cursor.take("unless") { Some(cursor.word("a value such as $env.HOME")?) } else { None };
        unless.as_ref().map_or(Ok(()), |unless| condition(unless, "a variable such as $env.HOME"))?;
        Body::Skip { reason, unless }
    } else if cursor.begins("timeout") {
        Body::Timeout(cursor.duration()?)
    } else if cursor.begins("source") {
        Body::Source(cursor.path()?)
    } else {
        return command(cursor);
    };
    cursor.end()?;
    Ok(body)
}

fn command(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let verb = cursor.verb()?;
    let words = cursor.words();
    let background = cursor.ampersand();
    cursor.end()?;
    Ok(Body::Command { verb, words, background })
}

fn assignment(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let word = cursor.word("a name")?;
    let text = literal(&word, "a name")?;
    if let Some((name, value)) =
        text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())
    {
        return fail(
            Diagnostic::new(format!("`{text}`: `=` needs a space on both sides"), word.span.clone())
                .expected(["a name, then `=`, then a value".into()])
                .fix(format!("{name} = {value}")),
        );
    }
    let name = new_name(&word, text)?;
    if !cursor.take("=") {
        let read = cursor.peek().map(|token| format!(" before `{}`", token.text())).unwrap_or_default();
        return fail(
            Diagnostic::new(format!("`let` needs `=`{read}"), cursor.span()).expected(["`=`".into()]),
        );
    }
    Ok(Body::Let { name, value: cursor.word("a value")? })
}

/// A name that a statement may bind: valid and not reserved.
fn new_name(word: &Word, text: String) -> Parsed<String> {
    if !is_name(&text) {
        return fail(not_a_name(word, &text));
    }
    if RESERVED_NAMES.contains(&text.as_str()) {
        let diagnostic = Diagnostic::new(format!("`{text}` is reserved"), word.span.clone());
        return fail(diagnostic.expected(["another name".into()]));
    }
    Ok(text)
}

fn expectation(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    let negated = cursor.take("not");
    // `expect file == $x` compares the word `file`; otherwise a path follows `file`.
    let compared = matches!(cursor.peek_behind(), Some(Token::Word(word)) if Comparison::is_word(word));
    if !compared && cursor.take("file") {
        return file_expectation(cursor, negated).map(Body::ExpectFile);
    }
    let left = cursor.word("a value such as $files.clients")?;
    let test = match comparison(cursor, &left)? {
        Some(comparison) => Some((comparison, cursor.word("a value")?)),
        None => None,
    };
    let within = within(cursor)?;
    if test.is_none() {
        unspaced(&left).map_or(Ok(()), Err)?;
        condition(&left, "a comparison such as $files.clients == 0")?;
    }
    Ok(Body::Expect(Expectation { negated, left, test, within }))
}

/// A bare value must be a reference: a constant would make an expectation that can never fail.
fn condition(word: &Word, possible: &str) -> Parsed<()> {
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

/// The comparison operator after `left`; `None` if the expectation has none.
fn comparison(cursor: &mut Cursor<'_>, left: &Word) -> Parsed<Option<Comparison>> {
    if let Some((_, comparison)) = Comparison::WORDS.iter().find(|(name, _)| cursor.take(name)) {
        return Ok(Some(*comparison));
    }
    let Some(word) = cursor.peek_word().filter(|word| !word.is("within")) else { return Ok(None) };
    if let Some(unspaced) = unspaced(left).or_else(|| unspaced(word)) {
        return Err(unspaced);
    }
    let text = word.literal().unwrap_or_default();
    let fix = match &*text {
        "=" => Some("=="),
        other => nearest(other, Comparison::WORDS.iter().map(|(word, _)| *word).chain(["within"])),
    };
    let possible = Comparison::WORDS.iter().map(|(word, _)| (*word).to_owned()).chain(["within D".into()]);
    fail(
        Diagnostic::new(format!("`{text}` is not a comparison"), word.span.clone())
            .expected(possible)
            .fix(fix.map(Into::into)),
    )
}

/// Parses `within D` or the end of an expectation.
fn within(cursor: &mut Cursor<'_>) -> Parsed<Option<Duration>> {
    if cursor.take("within") {
        return cursor.duration().map(Some);
    }
    let Some(word) = cursor.peek_word() else { return Ok(None) };
    let text = word.literal().unwrap_or_default();
    fail(
        Diagnostic::new(format!("`{text}` cannot follow here"), word.span.clone())
            .expected(["within D".into(), "the end of the line".into()])
            .fix(nearest(&text, ["within"]).map(Into::into)),
    )
}

/// Parses what follows `expect file`.
fn file_expectation(cursor: &mut Cursor<'_>, negated: bool) -> Parsed<FileExpectation> {
    let path = cursor.path()?;
    let possible = ["exists", "same as PATH", "contains TEXT"];
    let test = if cursor.take("exists") {
        FileTest::Exists
    } else if cursor.take("contains") {
        FileTest::Contains(cursor.word("a text")?)
    } else if cursor.take("same") {
        if !cursor.take("as") {
            return fail(
                Diagnostic::new("`same` is followed by `as`", cursor.span()).expected(["as PATH".into()]),
            );
        }
        FileTest::SameAs(cursor.path()?)
    } else {
        let word = cursor.any_word("exists, same as PATH, or contains TEXT")?;
        let text = word.literal().unwrap_or_default();
        let fix = nearest(&text, ["exists", "same", "contains"]).map(Into::into);
        return fail(
            Diagnostic::new(format!("`{text}` is not a condition for a file"), word.span.clone())
                .expected(possible.map(String::from))
                .fix(fix),
        );
    };
    let within = within(cursor)?;
    Ok(FileExpectation { negated, path, test, within })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<Body>, Vec<String>) {
        let (mut bodies, mut errors) = (Vec::new(), Vec::new());
        for statement in statements(text) {
            match statement {
                Ok(statement) => bodies.push(statement.body),
                Err(diagnostic) => errors.push(diagnostic.title.into()),
            }
        }
        (bodies, errors)
    }

    #[test]
    fn the_five_lines_are_commands() {
        let five = "listen tcp 9000 ftp\nsend file.bin to host:9000 chunk 1024\ncalc 7 % 3\nchat udp host:9001\nstream movie.mp4 play";
        let (bodies, errors) = parsed(five);
        assert!(errors.is_empty());
        assert_eq!(bodies.len(), 5);
        assert!(bodies.iter().all(|body| matches!(body, Body::Command { .. })));
    }

    #[test]
    fn prefixes_stack_and_end_in_a_colon() {
        let text = "retry 5 every 200ms: expect error \"no\": get x from :1\ndefer !rm x\nrepeat 3: print hi";
        let read: Vec<Statement> = statements(text).map(Result::unwrap).collect();
        assert_eq!(read[0].prefixes.len(), 2);
        assert_eq!(read[1].body, Body::Shell("rm x".into()));
        assert_eq!(read[2].prefixes, [Prefix::Repeat(3)]);
    }

    #[test]
    fn expectations_read_like_sentences() {
        let (bodies, errors) = parsed(
            "expect $up.chunks > 1\nexpect not $a.b == 3 within 2s\nexpect $x says \"hello\" within 2s\nexpect $y",
        );
        assert!(errors.is_empty(), "{errors:?}");
        assert!(
            matches!(&bodies[1], Body::Expect(e) if e.negated && e.within == Some(Duration::from_secs(2)))
        );
        assert!(matches!(&bodies[3], Body::Expect(e) if e.test.is_none()));
    }

    #[test]
    fn every_error_of_a_text_is_found() {
        let (bodies, errors) = parsed(
            "expect $a = 3\nprint ok\nretry x: print\nlet 9 = 3\nlet a=3\ntest \"x\" seral\nexpect $a within 5",
        );
        assert_eq!(bodies.len(), 1);
        assert_eq!(errors.len(), 6);
    }
}
