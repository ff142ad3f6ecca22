//! The tokens of one statement, read from the left. At their end the cursor records what the parser tried to read,
//! so the parser itself says what may come next.

use std::ops::Range;
use std::time::Duration;

use super::atom::{Parsed, duration, fail, literal};
use super::lexer::{Token, Word};
use super::next::Next;
use crate::language::diagnostic::Diagnostic;

/// A position in the tokens of one statement. Words are moved out of the tokens as they are read.
pub(crate) struct Cursor<'a> {
    tokens: &'a mut [Token],
    at: usize,
    /// What may follow the last token; `None` if that is not wanted.
    next: Option<&'a mut Vec<Next>>,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first token. `next` receives what may follow the last one.
    pub(crate) const fn new(tokens: &'a mut [Token], next: Option<&'a mut Vec<Next>>) -> Self {
        Self { tokens, at: 0, next }
    }

    /// The current position, for [`Cursor::back_to`].
    pub(crate) const fn place(&self) -> usize {
        self.at
    }

    /// Returns to an earlier position. Only words that `take`, `begins` or `skip` passed since then can be read again.
    pub(crate) const fn back_to(&mut self, place: usize) {
        self.at = place;
    }

    /// The next token; `None` at the end.
    #[inline]
    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// The token after the next one.
    pub(crate) fn peek_behind(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1)
    }

    /// The next token, if it is a word.
    #[inline]
    pub(crate) fn peek_word(&self) -> Option<&Word> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// The byte range of the next token, or the end of the statement.
    pub(crate) fn span(&self) -> Range<usize> {
        self.peek().map_or_else(|| self.end_span(), Token::span)
    }

    /// The empty range at the end of the statement.
    pub(crate) fn end_span(&self) -> Range<usize> {
        let end = self.tokens.last().map_or(0, |token| token.span().end);
        end..end
    }

    /// Records `what` as something that may come next, if the tokens are at their end.
    #[inline]
    fn look_for(&mut self, what: Next) {
        if self.at == self.tokens.len()
            && let Some(next) = &mut self.next
            && !next.contains(&what)
        {
            next.push(what);
        }
    }

    /// Takes the next word if it is `keyword`.
    #[inline]
    pub(crate) fn take(&mut self, keyword: &'static str) -> bool {
        self.look_for(Next::Word(keyword));
        self.skip(keyword)
    }

    /// Takes the next word if it is the first word of this statement.
    #[inline]
    pub(crate) fn begins(&mut self, statement: &'static str) -> bool {
        self.look_for(Next::Statement(statement));
        self.skip(statement)
    }

    /// Takes the next word if it is `text`, without offering it as something that may come next.
    #[inline]
    pub(crate) fn skip(&mut self, text: &str) -> bool {
        let found = self.peek_word().is_some_and(|word| word.is(text));
        self.at += usize::from(found);
        found
    }

    /// Takes the next word, which is a value; `expected` describes it for errors and hints.
    pub(crate) fn word(&mut self, expected: &'static str) -> Parsed<Word> {
        self.look_for(Next::Value(expected));
        self.any_word(expected)
    }

    /// Takes the next word, which is a path.
    pub(crate) fn path(&mut self) -> Parsed<Word> {
        self.look_for(Next::Path);
        self.any_word("a path")
    }

    /// Takes the next word, which is a verb.
    pub(crate) fn verb(&mut self) -> Parsed<Word> {
        self.look_for(Next::Verb);
        self.any_word("a command")
    }

    /// Takes the next word and parses it as a duration.
    pub(crate) fn duration(&mut self) -> Parsed<Duration> {
        let word = self.word("a duration such as 5s")?;
        duration(&word, &literal(&word, "a duration")?)
    }

    /// Takes the next word, without recording `expected` as something that may come next.
    pub(crate) fn any_word(&mut self, expected: &str) -> Parsed<Word> {
        if let Some(word) = self.take_word() {
            return Ok(word);
        }
        match self.peek() {
            Some(Token::Error(diagnostic)) => Err(diagnostic.clone()),
            Some(other) => {
                let read = other.text();
                fail(
                    Diagnostic::new(format!("unexpected `{read}`"), other.span()).expected([expected.into()]),
                )
            }
            None => fail(Diagnostic::new("the line ends too early", self.span()).expected([expected.into()])),
        }
    }

    /// Moves the next token out if it is a word; a `;` with its span takes its place.
    #[inline]
    fn take_word(&mut self) -> Option<Word> {
        let token = self.tokens.get_mut(self.at).filter(|token| matches!(token, Token::Word(_)))?;
        let taken = Token::Semicolon(token.span());
        let Token::Word(word) = std::mem::replace(token, taken) else { return None };
        self.at += 1;
        Some(word)
    }

    /// Takes all words that follow: those of a command, whose verb says what may come next.
    pub(crate) fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::with_capacity(self.tokens.len() - self.at);
        while let Some(word) = self.take_word() {
            words.push(word);
        }
        words
    }

    /// Takes the next token if it is `&`.
    pub(crate) fn ampersand(&mut self) -> bool {
        let found = matches!(self.peek(), Some(Token::Ampersand(_)));
        self.at += usize::from(found);
        found
    }

    /// An error unless all tokens have been read.
    pub(crate) fn end(&self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(Token::Error(diagnostic)) => Err(diagnostic.clone()),
            Some(token) => fail(
                Diagnostic::new(format!("`{}` cannot follow here", token.text()), token.span())
                    .expected(["the end of the line".into()]),
            ),
        }
    }
}
