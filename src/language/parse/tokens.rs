//! The tokens of one statement as the input of nom's parsers, the error that these parsers return, and the parsers of
//! single tokens.
//!
//! The error keeps the furthest place that any alternative reached and merges what was expected there. So one grammar
//! answers both "what is this" and "what may come next": the second is the error of parsing on at the end.

use std::iter::Enumerate;
use std::ops::Range;
use std::slice::Iter;
use std::time::Duration;

use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Input, Needed, Parser};

use super::atom::{Parsed, duration_of, literal};
use super::lexer::{Token, Word};
use super::next::Next;
use crate::language::diagnostic::{Diagnostic, nearest};

/// What a rule of the grammar returns: the tokens after it and its value.
pub(super) type Read<'a, T> = IResult<Tokens<'a>, T, Failure>;

/// The tokens of one statement from a place on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    all: &'a [Token],
    at: usize,
    purpose: Purpose,
}

/// Why the tokens are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For the statement. What was expected is not collected: most statements have no error.
    Statement,
    /// For the message about an error that was found.
    Message,
    /// For what may come next: no statement is complete, something always may follow.
    Next,
}

impl<'a> Tokens<'a> {
    /// All tokens of a statement.
    pub(super) const fn new(all: &'a [Token], purpose: Purpose) -> Self {
        Self { all, at: 0, purpose }
    }

    /// The next token; `None` at the end.
    #[inline]
    pub(super) fn first(&self) -> Option<&'a Token> {
        self.all.get(self.at)
    }

    /// The next token, if it is a word.
    #[inline]
    pub(super) fn first_word(&self) -> Option<&'a Word> {
        self.first().and_then(Token::word)
    }

    /// True if the lexer could not read the next token: its error is the message.
    fn is_unreadable(&self) -> bool {
        matches!(self.first(), Some(Token::Error(_)))
    }

    /// "`word` TROUBLE" for the next token; at the end, that more is needed.
    pub(super) fn misread(&self, trouble: &str) -> Diagnostic {
        let title = match self.first() {
            Some(token) => format!("`{}` {trouble}", token.text()),
            None => "the line ends too early".into(),
        };
        Diagnostic::new(title, self.span())
    }

    /// The one of `words` that the next token was probably meant to be.
    pub(super) fn nearest(&self, words: impl IntoIterator<Item = &'static str>) -> Option<String> {
        self.first().and_then(|token| nearest(&token.text(), words)).map(Into::into)
    }

    /// The byte range of the next token, or the empty range at the end of the statement.
    pub(super) fn span(&self) -> Range<usize> {
        self.first().map_or_else(|| self.end_span(), Token::span)
    }

    /// The empty range at the end of the statement.
    pub(super) fn end_span(&self) -> Range<usize> {
        let end = self.all.last().map_or(0, |token| token.span().end);
        end..end
    }

    /// Index of the next token in the statement.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    #[inline]
    fn skip(self, count: usize) -> Self {
        Self { at: self.at + count, ..self }
    }

    /// The error that `what` was expected here.
    #[inline]
    fn lacks<T>(self, what: Next) -> Read<'a, T> {
        let mut failure = self.mismatch();
        if self.purpose != Purpose::Statement {
            failure.expected.push(what);
        }
        Err(Err::Error(failure))
    }

    /// The error that nothing fits here, where the rule does not say what would.
    pub(super) const fn mismatch(self) -> Failure {
        Failure { at: self.at, expected: Vec::new(), message: None }
    }

    /// The error with this message, at this place.
    pub(super) fn fails<T>(self, message: Diagnostic) -> Read<'a, T> {
        self.failed(Box::new(message))
    }

    /// The same, for a message that a rule for single words made.
    pub(super) fn failed<T>(self, message: Box<Diagnostic>) -> Read<'a, T> {
        Err(Err::Failure(Failure { at: self.at, expected: Vec::new(), message: Some(message) }))
    }
}

impl<'a> Input for Tokens<'a> {
    type Item = &'a Token;
    type Iter = Iter<'a, Token>;
    type IterIndices = Enumerate<Iter<'a, Token>>;

    fn input_len(&self) -> usize {
        self.all.len() - self.at
    }

    fn take(&self, index: usize) -> Self {
        Self { all: &self.all[..self.at + index], ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        self.skip(index)
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.iter_elements().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.all[self.at..].iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        let lacking = count.saturating_sub(self.input_len());
        if lacking == 0 { Ok(count) } else { Err(Needed::new(lacking)) }
    }
}

/// Why tokens are not a statement.
#[derive(Debug)]
pub(super) struct Failure {
    /// Index of the token that does not fit; the number of tokens if more were expected.
    at: usize,
    /// What would fit there; stays empty for [`Purpose::Statement`].
    expected: Vec<Next>,
    /// The message of the rule, where it knows more than what was expected.
    message: Option<Box<Diagnostic>>,
}

impl Failure {
    /// What may come next, if the tokens are the beginning of a statement; else nothing.
    pub(super) fn next(self, tokens: Tokens<'_>) -> Vec<Next> {
        if self.at == tokens.all.len() { self.expected } else { Vec::new() }
    }

    /// The error as it is shown.
    pub(super) fn message(self, tokens: Tokens<'_>) -> Diagnostic {
        let here = Tokens { at: self.at, ..tokens };
        if let (None, Some(Token::Error(unreadable))) = (&self.message, here.first()) {
            return Diagnostic::clone(unreadable);
        }
        self.message.map_or_else(|| misfit(here, &self.expected), |message| *message)
    }
}

/// The message for a token that fits none of the alternatives.
fn misfit(here: Tokens<'_>, expected: &[Next]) -> Diagnostic {
    let words = expected.iter().filter_map(|next| match next {
        Next::Word(word) => Some(*word),
        _ => None,
    });
    here.misread("cannot follow here").fix(here.nearest(words)).expected(expected.iter().map(Next::describe))
}

impl<'a> ParseError<Tokens<'a>> for Failure {
    fn from_error_kind(input: Tokens<'a>, _: ErrorKind) -> Self {
        input.mismatch()
    }

    fn append(_: Tokens<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Keeps the one that came further; merges two at the same place.
    #[inline]
    fn or(mut self, other: Self) -> Self {
        match self.at.cmp(&other.at) {
            std::cmp::Ordering::Less => return other,
            std::cmp::Ordering::Greater => return self,
            std::cmp::Ordering::Equal => {}
        }
        for next in other.expected {
            if !self.expected.contains(&next) {
                self.expected.push(next);
            }
        }
        self.message = self.message.or(other.message);
        self
    }
}

/// A keyword of a statement.
#[inline]
pub(super) fn keyword<'a>(word: &'static str) -> impl Fn(Tokens<'a>) -> Read<'a, ()> {
    move |tokens| the(word, Next::Word(word), tokens)
}

/// A word that is accepted, and is not said to be possible: another way to write a keyword.
pub(super) fn unoffered<'a>(word: &'static str) -> impl Fn(Tokens<'a>) -> Read<'a, ()> {
    move |tokens| keyword(word)(tokens).map_err(|_| Err::Error(tokens.mismatch()))
}

/// The first word of a statement.
#[inline]
pub(super) fn begins<'a>(statement: &'static str) -> impl Fn(Tokens<'a>) -> Read<'a, ()> {
    move |tokens| the(statement, Next::Statement(statement), tokens)
}

#[inline]
fn the<'a>(word: &str, next: Next, tokens: Tokens<'a>) -> Read<'a, ()> {
    match tokens.first_word() {
        Some(read) if read.is(word) => Ok((tokens.skip(1), ())),
        _ => tokens.lacks(next),
    }
}

/// One of several keywords, and what it stands for.
pub(super) fn one_of<'a, T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(Tokens<'a>) -> Read<'a, T> {
    move |tokens| {
        let named = |text: &str| words.iter().find(|(name, _)| *name == text);
        if let Some((_, meaning)) = tokens.first_word().and_then(Word::bare).and_then(named) {
            return Ok((tokens.skip(1), *meaning));
        }
        let lacking = |(name, _): &(&'static str, T)| Next::Word(name);
        let expected = match tokens.purpose {
            Purpose::Statement => Vec::new(),
            Purpose::Message | Purpose::Next => words.iter().map(lacking).collect(),
        };
        Err(Err::Error(Failure { at: tokens.at, expected, message: None }))
    }
}

/// A word that is a value; `expected` describes it for errors and hints.
pub(super) fn word<'a>(expected: &'static str) -> impl Fn(Tokens<'a>) -> Read<'a, &'a Word> {
    move |tokens| any(Next::Value(expected), tokens)
}

/// A word that is a path.
pub(super) fn path(tokens: Tokens<'_>) -> Read<'_, &Word> {
    any(Next::Path, tokens)
}

/// A word that is a verb: any that no statement begins with.
pub(super) fn verb(tokens: Tokens<'_>) -> Read<'_, &Word> {
    match tokens.first_word() {
        Some(word) if !crate::language::statement::begins_one(word) => Ok((tokens.skip(1), word)),
        _ => tokens.lacks(Next::Verb),
    }
}

#[inline]
fn any(expected: Next, tokens: Tokens<'_>) -> Read<'_, &Word> {
    match tokens.first_word() {
        Some(word) => Ok((tokens.skip(1), word)),
        None => tokens.lacks(expected),
    }
}

/// Passes all words that follow: those of a command, whose verb says what each is.
pub(super) fn words(tokens: Tokens<'_>) -> Read<'_, ()> {
    let count = tokens.iter_elements().take_while(|token| token.word().is_some()).count();
    Ok((tokens.skip(count), ()))
}

/// `&`
pub(super) fn ampersand(tokens: Tokens<'_>) -> Read<'_, ()> {
    match tokens.first() {
        Some(Token::Ampersand(_)) => Ok((tokens.skip(1), ())),
        _ => tokens.lacks(Next::Background),
    }
}

/// `!CMD`: the command line for the system's shell.
pub(super) fn system_command(tokens: Tokens<'_>) -> Read<'_, String> {
    match tokens.first() {
        Some(Token::Bang(text, span)) if text.is_empty() => tokens.fails(
            Diagnostic::new("`!` runs a system command, and none follows", span.clone())
                .expected(["a command such as !ls".into()]),
        ),
        Some(Token::Bang(text, _)) => Ok((tokens.skip(1), text.clone())),
        _ => Err(Err::Error(tokens.mismatch())),
    }
}

/// The text of a word; `what` names it for the error if a variable stands there.
pub(super) fn text<'a>(
    expected: &'static str,
    what: &'static str,
) -> impl Fn(Tokens<'a>) -> Read<'a, String> {
    move |tokens| checked(word(expected), |word| literal(word, what))(tokens)
}

/// A length of time.
pub(super) fn duration(tokens: Tokens<'_>) -> Read<'_, Duration> {
    checked(word("a duration such as 5s"), duration_of)(tokens)
}

/// A word that must satisfy a rule for single words.
pub(super) fn checked<'a, T>(
    parser: impl Fn(Tokens<'a>) -> Read<'a, &'a Word>,
    rule: impl Fn(&Word) -> Parsed<T>,
) -> impl Fn(Tokens<'a>) -> Read<'a, T> {
    move |tokens| {
        let (rest, word) = parser(tokens)?;
        rule(word).map(|value| (rest, value)).or_else(|message| tokens.failed(message))
    }
}

/// The end of the statement.
pub(super) fn end(tokens: Tokens<'_>) -> Read<'_, ()> {
    match (tokens.first(), tokens.purpose) {
        (None, Purpose::Statement | Purpose::Message) => Ok((tokens, ())),
        (None, Purpose::Next) => Err(Err::Error(tokens.mismatch())),
        (Some(_), _) => tokens.lacks(Next::End),
    }
}

/// `parser`; where it fails at its first token, or for want of one, `message` tells why.
pub(super) fn explained<'a, T>(
    mut parser: impl Parser<Tokens<'a>, Output = T, Error = Failure>,
    message: impl Fn(Tokens<'a>) -> Diagnostic,
) -> impl FnMut(Tokens<'a>) -> Read<'a, T> {
    move |tokens| {
        let explain = |failure: Failure| {
            if failure.at != tokens.at || failure.message.is_some() || tokens.is_unreadable() {
                return failure;
            }
            Failure { message: Some(Box::new(message(tokens))), ..failure }
        };
        parser.parse(tokens).map_err(|error| error.map(explain))
    }
}

/// `item`s up to a `last`, at most `limit`. Where neither fits, what both expected is merged.
pub(super) fn many_then<'a, T, U>(
    mut item: impl Parser<Tokens<'a>, Output = T, Error = Failure>,
    mut last: impl Parser<Tokens<'a>, Output = U, Error = Failure>,
    mut collect: impl FnMut(T) -> Result<(), Diagnostic>,
) -> impl FnMut(Tokens<'a>) -> Read<'a, U> {
    move |mut tokens| {
        loop {
            let missed = match item.parse(tokens) {
                Ok((rest, value)) => {
                    if let Err(message) = collect(value) {
                        return tokens.fails(message);
                    }
                    tokens = rest;
                    continue;
                }
                Err(Err::Error(missed)) => missed,
                Err(error) => return Err(error),
            };
            return last.parse(tokens).map_err(|error| error.map(|failure| missed.or(failure)));
        }
    }
}
