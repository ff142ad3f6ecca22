//! Asks the parser what may follow a line that is being typed.

use super::command::Matcher;
use super::grammar::statement;
use super::lexer::Token;
use super::next::Next;
use crate::language::script::Body;
use crate::language::vocabulary::Vocabulary;

/// What may follow `tokens`, those of one statement before the cursor. Words are moved out of `tokens`.
pub fn behind(tokens: &mut [Token], vocabulary: &Vocabulary) -> Vec<Next> {
    let mut next = Vec::new();
    match statement(tokens, Some(&mut next)).map(|statement| statement.body) {
        Ok(Body::Command { verb, words, background: false }) => verb
            .literal()
            .and_then(|name| vocabulary.verb(&name))
            .map(|row| Matcher::walk(row, &words, &verb.span, vocabulary).next())
            .unwrap_or_default(),
        _ => next,
    }
}
