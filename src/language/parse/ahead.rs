//! Asks the parser what may follow a line that is being typed.

use super::command::Matcher;
use super::grammar;
use super::lexer::Token;
use super::next::Next;
use crate::language::script::Body;
use crate::language::vocabulary::Vocabulary;

/// What may follow `tokens`, those of one statement before the cursor.
pub fn behind(tokens: &[Token], vocabulary: &Vocabulary) -> Vec<Next> {
    match grammar::statement(&mut tokens.to_vec()).map(|statement| statement.body) {
        Ok(Body::Command { verb, words, background: false }) => verb
            .literal()
            .and_then(|name| vocabulary.verb(&name))
            .map(|row| Matcher::walk(row, &words, &verb.span, vocabulary).next())
            .unwrap_or_default(),
        _ => grammar::next(tokens),
    }
}
