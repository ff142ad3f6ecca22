//! A word that does not fit its kind, as an error: what is wrong, what is possible, the likely fix.

use super::lexer::Word;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::kind::{Kind, Mismatch};

/// The error for `word`. `options`: the keywords that it may be instead, misspelt, where the argument can be left out.
pub(super) fn diagnostic(mismatch: Mismatch, kind: Kind, word: &Word, options: &[&str]) -> Diagnostic {
    let read = word.literal().unwrap_or_default();
    let title =
        if mismatch.why.contains(&*read) { mismatch.why } else { format!("`{read}`: {}", mismatch.why) };
    let mut expected = if mismatch.expected.is_empty() { vec![kind.describe()] } else { mismatch.expected };
    let mut fix = mismatch.fix;
    if fix.is_none() && !options.is_empty() {
        fix = nearest(&read, options.iter().copied()).map(Into::into);
        expected.extend(options.iter().map(|word| (*word).to_owned()));
    }
    Diagnostic::new(title, word.span.clone()).expected(expected).fix(fix)
}
