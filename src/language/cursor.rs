//! The tokens of one statement, read from the left. Where they end, the cursor writes down what was looked for:
//! so the parser itself says what may come next.

use std::ops::Range;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::grammar::{duration, literal};
use super::lexer::{Token, Word};
use super::next::Next;

pub(super) type Parsed<T> = Result<T, Box<Diagnostic>>;

pub(super) fn fail<T>(diagnostic: Diagnostic) -> Parsed<T> {
    Err(Box::new(diagnostic))
}

/// The words of a command are taken out of the tokens.
pub(super) struct Cursor<'a> {
    tokens: &'a mut [Token],
    at: usize,
    /// What may stand behind the last token; `None` if nobody asks.
    next: Option<&'a mut Vec<Next>>,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(tokens: &'a mut [Token], next: Option<&'a mut Vec<Next>>) -> Self {
        Self { tokens, at: 0, next }
    }

    pub(super) const fn place(&self) -> usize {
        self.at
    }

    pub(super) const fn back_to(&mut self, place: usize) {
        self.at = place;
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// The token behind the next one.
    pub(super) fn peek_behind(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1)
    }

    #[inline]
    pub(super) fn peek_word(&self) -> Option<&Word> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Where the next token is, or the end of the statement.
    pub(super) fn span(&self) -> Range<usize> {
        self.peek().map_or_else(|| self.end_span(), Token::span)
    }

    pub(super) fn end_span(&self) -> Range<usize> {
        let end = self.tokens.last().map_or(0, |token| token.span().end);
        end..end
    }

    /// Something is looked for here: if the tokens are at their end, it may come next.
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
    pub(super) fn take(&mut self, keyword: &'static str) -> bool {
        self.look_for(Next::Word(keyword));
        self.skip(keyword)
    }

    /// Takes the next word if a statement of this name begins with it.
    #[inline]
    pub(super) fn begins(&mut self, statement: &'static str) -> bool {
        self.look_for(Next::Statement(statement));
        self.skip(statement)
    }

    /// Takes the next word if it is `text`, another way to write what is looked for elsewhere.
    #[inline]
    pub(super) fn skip(&mut self, text: &str) -> bool {
        let found = self.peek_word().is_some_and(|word| word.is(text));
        self.at += usize::from(found);
        found
    }

    pub(super) fn word(&mut self, expected: &'static str) -> Parsed<Word> {
        self.look_for(Next::Value(expected));
        self.any_word(expected)
    }

    pub(super) fn path(&mut self) -> Parsed<Word> {
        self.look_for(Next::Path);
        self.any_word("a path")
    }

    pub(super) fn verb(&mut self) -> Parsed<Word> {
        self.look_for(Next::Verb);
        self.any_word("a command")
    }

    pub(super) fn duration(&mut self) -> Parsed<Duration> {
        let word = self.word("a duration such as 5s")?;
        duration(&word, &literal(&word, "a duration")?)
    }

    /// The next word, where what may stand here was already looked for.
    pub(super) fn any_word(&mut self, expected: &str) -> Parsed<Word> {
        if let Some(word) = self.take_word() {
            return Ok(word);
        }
        match self.peek() {
            Some(Token::Error(diagnostic)) => Err(diagnostic.clone()),
            Some(other) => {
                let read = other.text();
                fail(
                    Diagnostic::new(format!("`{read}` cannot stand here"), other.span())
                        .expected([expected.into()]),
                )
            }
            None => fail(Diagnostic::new("the line ends too early", self.span()).expected([expected.into()])),
        }
    }

    /// The next token, moved out, if it is a word.
    #[inline]
    fn take_word(&mut self) -> Option<Word> {
        let token = self.tokens.get_mut(self.at).filter(|token| matches!(token, Token::Word(_)))?;
        let taken = Token::Semicolon(token.span());
        let Token::Word(word) = std::mem::replace(token, taken) else { return None };
        self.at += 1;
        Some(word)
    }

    /// All words that follow: those of a command, whose own table says what may come next.
    pub(super) fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::with_capacity(self.tokens.len() - self.at);
        while let Some(word) = self.take_word() {
            words.push(word);
        }
        words
    }

    pub(super) fn ampersand(&mut self) -> bool {
        let found = matches!(self.peek(), Some(Token::Ampersand(_)));
        self.at += usize::from(found);
        found
    }

    pub(super) fn end(&self) -> Parsed<()> {
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
