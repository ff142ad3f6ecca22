//! Single words: texts, names, durations.

use std::time::Duration;

use super::lexer::Word;
use crate::base::pattern::Pattern;
use crate::base::quantity;
use crate::language::diagnostic::Diagnostic;

/// Predefined names, which a script cannot bind.
pub const RESERVED_NAMES: [&str; 7] = ["tmp", "args", "seed", "last", "env", "test", "it"];

/// The result of a parsing step.
pub(crate) type Parsed<T> = Result<T, Box<Diagnostic>>;

/// A parsing step that failed with this error.
pub(crate) fn fail<T>(diagnostic: Diagnostic) -> Parsed<T> {
    Err(Box::new(diagnostic))
}

/// The text of a word. The error, if it contains a reference, names `what` the word should be.
pub(crate) fn literal(word: &Word, what: &str) -> Parsed<String> {
    match word.literal() {
        Some(text) => Ok(text.into_owned()),
        None => {
            fail(Diagnostic::new(format!("a variable cannot be used for {what} here"), word.span.clone()))
        }
    }
}

/// A word as a duration.
pub(crate) fn duration_of(word: &Word) -> Parsed<Duration> {
    let text = literal(word, "a duration")?;
    quantity::duration(&text).or_else(|bad| {
        fail(
            Diagnostic::new(format!("`{text}`: {}", bad.why), word.span.clone())
                .expected(["a duration such as 5s".into()])
                .fix(bad.fix),
        )
    })
}

/// The error for a word that is not a valid name.
pub(crate) fn not_a_name(word: &Word, text: &str) -> Diagnostic {
    Diagnostic::new(format!("`{text}` is not a name"), word.span.clone())
        .expected(["letters, digits and _, not starting with a digit".into()])
}

/// The error for a name that is predefined.
pub(crate) fn reserved(word: &Word, text: &str) -> Diagnostic {
    Diagnostic::new(format!("`{text}` is reserved"), word.span.clone()).expected(["another name".into()])
}

/// A name that a statement may bind: valid and not reserved.
pub(super) fn new_name(word: &Word) -> Parsed<String> {
    let text = literal(word, "a name")?;
    if !is_name(&text) {
        return fail(not_a_name(word, &text));
    }
    if RESERVED_NAMES.contains(&text.as_str()) {
        return fail(reserved(word, &text));
    }
    Ok(text)
}

/// A word that is known already must be a regular expression.
pub(super) fn regex(word: &Word) -> Parsed<Word> {
    checked_pattern(word, Pattern::regex)
}

/// … bytes in hexadecimal, where `??` is any.
pub(super) fn hex(word: &Word) -> Parsed<Word> {
    checked_pattern(word, Pattern::hex)
}

/// … a text that is not empty.
pub(super) fn not_empty(word: &Word) -> Parsed<Word> {
    checked_pattern(word, |text| Pattern::literal(text.as_bytes()))
}

fn checked_pattern(word: &Word, read: impl Fn(&str) -> Result<Pattern, String>) -> Parsed<Word> {
    let Some(text) = word.literal() else { return Ok(word.clone()) };
    match read(&text) {
        Ok(_) => Ok(word.clone()),
        Err(why) => fail(Diagnostic::new(format!("`{text}`: {why}"), word.span.clone())),
    }
}

/// True for a name that `as` and `let` can bind.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && !text.ends_with('-')
}
