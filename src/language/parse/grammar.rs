//! Tokens → [`Statement`]s, as a grammar of nom's combinators over [`Tokens`]. A statement is a logical line, or a part of
//! one between `;`. An error ends its own statement only and parsing continues after it, so every error of a file is
//! found at once.
//!
//! ```text
//! stmt   = "test" STRING { "serial" | "timeout" DUR | "tag" NAME }
//!        | { prefix } ( simple | "!" TEXT ) ;
//! prefix = "expect" "error" [ STRING ] ":" | "retry" INT [ "every" DUR ] ":" | "repeat" INT ":" | "defer" ;
//! simple = "let" NAME "=" value | "expect" [ "not" ] value [ CMP value ] [ "within" DUR ]
//!        | "expect" [ "not" ] "file" PATH ( "exists" | "same" "as" PATH | "contains" TEXT ) [ "within" DUR ] | "secret" NAME
//!        | "skip" STRING [ "unless" value ] | "timeout" DUR | "source" PATH | command ;
//! ```
//! [`super::statement`] describes what each statement does; the rules for prefixes are in [`super::prefix`], those for
//! `expect` in [`super::expectation`].

use std::ops::Range;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, opt, value};
use nom::sequence::{preceded, terminated};
use smallvec::SmallVec;

use super::atom::{Parsed, fail, literal, new_name};
use super::expectation::{condition, expectation};
use super::lexer::{Token, Word, logical_lines, tokens_into};
use super::next::Next;
use super::prefix::prefix;
use super::tokens::{
    Failure, Purpose, Read, Tokens, ampersand, begins, checked, duration, end, explained, keyword, many_then,
    path, system_command, text, verb, word, words,
};
use crate::language::diagnostic::Diagnostic;
use crate::language::script::{Body, Heading, Prefix, Statement};

/// Most prefixes before one statement.
const PREFIX_LIMIT: usize = 8;

/// The statements of a text in order, each parsed or as the error in it.
pub fn statements(text: &str) -> impl Iterator<Item = Result<Statement, Box<Diagnostic>>> + '_ {
    let mut tokens = Vec::new();
    logical_lines(text).flat_map(move |line| {
        tokens.clear();
        tokens_into(&text[line.clone()], line.start, &mut tokens);
        let parts = tokens.split_mut(|token| matches!(token, Token::Semicolon(_)));
        let read: SmallVec<[_; 1]> = parts.filter(|part| !part.is_empty()).map(statement).collect();
        read
    })
}

/// Parses one statement. The words of a command are moved out of `tokens`.
pub(crate) fn statement(tokens: &mut [Token]) -> Parsed<Statement> {
    let shape = {
        let read = |purpose| whole(Tokens::new(tokens, purpose)).map(|(_, shape)| shape);
        read(Purpose::Statement).or_else(|_| read(Purpose::Message)).map_err(|error| {
            let unreadable = || Diagnostic::new("this cannot be read", 0..0);
            let message = |failure: Failure| failure.message(Tokens::new(tokens, Purpose::Message));
            Box::new(failure(error).map_or_else(unreadable, message))
        })?
    };
    Ok(shape.filled(tokens))
}

/// A statement as the grammar yields it.
struct Shape {
    span: Range<usize>,
    prefixes: Vec<Prefix>,
    body: BodyShape,
}

/// The words of a command need not be copied: they are moved once it is clear that it is one.
enum BodyShape {
    /// A command: where its verb is.
    Command {
        at: usize,
        background: bool,
    },
    Other(Box<Body>),
}

impl Shape {
    fn filled(self, tokens: &mut [Token]) -> Statement {
        let Self { span, prefixes, body } = self;
        let body = match body {
            BodyShape::Other(body) => *body,
            BodyShape::Command { at, background } => {
                let mut words = tokens[at..].iter_mut().map_while(Token::take_word);
                let verb = words.next().unwrap_or_default();
                Body::Command { verb, words: words.collect(), background }
            }
        };
        Statement { span, prefixes, body }
    }
}

/// What may follow `tokens`, whether they are a whole statement or the beginning of one.
pub(crate) fn next(tokens: &[Token]) -> Vec<Next> {
    let tokens = Tokens::new(tokens, Purpose::Next);
    whole(tokens).err().and_then(failure).map_or_else(Vec::new, |failure| failure.next(tokens))
}

/// The error of a rule. Nothing is ever incomplete: all tokens of a statement are there.
fn failure(error: nom::Err<Failure>) -> Option<Failure> {
    match error {
        nom::Err::Error(failure) | nom::Err::Failure(failure) => Some(failure),
        nom::Err::Incomplete(_) => None,
    }
}

fn whole(tokens: Tokens<'_>) -> Read<'_, Shape> {
    let span = tokens.span().start..tokens.end_span().end;
    let plain = |body| Shape { span: span.clone(), prefixes: Vec::new(), body };
    alt((
        map(command, plain),
        map(preceded(begins("test"), cut(heading)), |heading| {
            plain(BodyShape::Other(Box::new(Body::Test(heading))))
        }),
        |tokens| prefixed(tokens, &span),
    ))
    .parse(tokens)
}

fn prefixed<'a>(tokens: Tokens<'a>, span: &Range<usize>) -> Read<'a, Shape> {
    let mut prefixes = Vec::new();
    let body = alt((map(simple, |body| BodyShape::Other(Box::new(body))), command));
    let (rest, body) = many_then(prefix, body, |prefix| {
        if prefixes.len() == PREFIX_LIMIT {
            let title = format!("more than {PREFIX_LIMIT} prefixes before one command");
            return Err(Diagnostic::new(title, span.clone()));
        }
        prefixes.push(prefix);
        Ok(())
    })(tokens)?;
    Ok((rest, Shape { span: span.clone(), prefixes, body }))
}

fn simple(tokens: Tokens<'_>) -> Read<'_, Body> {
    alt((
        preceded(begins("let"), cut(assignment)),
        preceded(begins("expect"), cut(expectation)),
        preceded(begins("secret"), cut(terminated(map(secret, Body::Secret), end))),
        preceded(begins("skip"), cut(skip)),
        preceded(begins("timeout"), cut(terminated(map(duration, Body::Timeout), end))),
        preceded(begins("source"), cut(terminated(map(path, |path| Body::Source(path.clone())), end))),
        map(system_command, Body::Shell),
    ))
    .parse(tokens)
}

fn command(tokens: Tokens<'_>) -> Read<'_, BodyShape> {
    let (rest, _) = verb(tokens)?;
    let (rest, ()) = words(rest)?;
    let (rest, background) = opt(ampersand).parse(rest)?;
    let (rest, ()) = cut(end).parse(rest)?;
    Ok((rest, BodyShape::Command { at: tokens.place(), background: background.is_some() }))
}

fn heading(tokens: Tokens<'_>) -> Read<'_, Heading> {
    #[derive(Clone)]
    enum Choice {
        Serial,
        Timeout(std::time::Duration),
        Tag(String),
    }
    let option = alt((
        value(Choice::Serial, keyword("serial")),
        map(preceded(keyword("timeout"), cut(duration)), Choice::Timeout),
        map(preceded(keyword("tag"), cut(text("a name", "a tag"))), Choice::Tag),
    ));
    let (rest, name) = text("the name of the test, in quotes", "the name of a test")(tokens)?;
    let mut heading = Heading { name, serial: false, timeout: None, tags: Vec::new() };
    let (rest, ()) = many_then(option, explained(end, not_an_option), |option| {
        match option {
            Choice::Serial => heading.serial = true,
            Choice::Timeout(limit) => heading.timeout = Some(limit),
            Choice::Tag(tag) => heading.tags.push(tag),
        }
        Ok(())
    })(rest)?;
    Ok((rest, heading))
}

fn not_an_option(here: Tokens<'_>) -> Diagnostic {
    here.misread("cannot follow the name of a test")
        .expected(["serial", "timeout D", "tag NAME"].map(String::from))
        .fix(here.nearest(["serial", "timeout", "tag"]))
}

fn secret(tokens: Tokens<'_>) -> Read<'_, String> {
    checked(word("the name of an environment variable"), new_name)(tokens)
}

fn skip(tokens: Tokens<'_>) -> Read<'_, Body> {
    let variable = "a variable such as $env.HOME";
    let (rest, reason) = word("the reason, in quotes")(tokens)?;
    let unless =
        checked(word("a value such as $env.HOME"), |word| condition(word, variable).map(|()| word.clone()));
    let (rest, unless) =
        alt((map(preceded(keyword("unless"), cut(terminated(unless, end))), Some), value(None, end)))
            .parse(rest)?;
    Ok((rest, Body::Skip { reason: reason.clone(), unless }))
}

fn assignment(tokens: Tokens<'_>) -> Read<'_, Body> {
    let (rest, name) = checked(word("a name"), |word| unspaced(word).and_then(|()| new_name(word)))(tokens)?;
    let (rest, ()) = explained(keyword("="), |here| {
        let before = here.first().map(|token| format!(" before `{}`", token.text())).unwrap_or_default();
        Diagnostic::new(format!("`let` needs `=`{before}"), here.span()).expected(["`=`".into()])
    })(rest)?;
    let (rest, value) = terminated(word("a value"), end).parse(rest)?;
    Ok((rest, Body::Let { name, value: value.clone() }))
}

/// An error for `let a=3`.
fn unspaced(word: &Word) -> Parsed<()> {
    let text = literal(word, "a name")?;
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => fail(
            Diagnostic::new(format!("`{text}`: `=` needs a space on both sides"), word.span.clone())
                .expected(["a name, then `=`, then a value".into()])
                .fix(format!("{name} = {value}")),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
