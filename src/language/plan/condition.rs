//! Checks the conditions of `expect` and `skip … unless`, as far as the dimensions of the values are known before
//! anything runs.

use super::scope::{Known, Scope};
use crate::base::{Dimension, Value, quantity};
use crate::language::diagnostic::Diagnostic;
use crate::language::parse::lexer::Word;
use crate::language::script::Expectation;

/// The dimension of a word's value; `None` if it is known only at run time.
pub(crate) fn dimension(word: &Word, scope: &Scope) -> Option<Dimension> {
    match (word.reference(), word.literal()) {
        (Some([name]), _) => match scope.known(name)? {
            Known::Scalar(dimension) => *dimension,
            Known::Record(_) | Known::Any => None,
        },
        (Some([name, field]), _) => {
            let field = scope.fields(name)?.find(field)?;
            // A text may hold a number: that is known only at run time.
            Some(field.dimension).filter(|dimension| *dimension != Dimension::Text)
        }
        (_, Some(text)) if word.quoted => Some(Value::text(text).dimension()),
        (_, Some(text)) => Some(Value::from_word(&text).dimension()),
        _ => None,
    }
}

/// The error for a comparison that makes no sense between the two dimensions, or for a bare value that is not a
/// condition.
pub(crate) fn check(expectation: &Expectation, scope: &Scope) -> Option<Diagnostic> {
    let Some((comparison, right)) = &expectation.test else {
        return check_environment(&expectation.left).or_else(|| check_bare(&expectation.left, scope));
    };
    if let Some(wrong) = [&expectation.left, right].into_iter().find_map(check_unit) {
        return Some(wrong);
    }
    let (one, other) = (dimension(&expectation.left, scope)?, dimension(right, scope)?);
    if comparison.fits(one, other) {
        return None;
    }
    let span = expectation.left.span.start..right.span.end;
    let expected = match (one, other) {
        (Dimension::State | Dimension::Flag, _) => "`==` or `!=`".to_owned(),
        _ => format!("{} such as {}", one.describe(), one.example()),
    };
    Some(Diagnostic::new(comparison.mismatch(one, other), span).expected([expected]))
}

/// The error for a variable of the environment alone: it is a text. With `skip … unless` it may stand alone.
fn check_environment(word: &Word) -> Option<Diagnostic> {
    let path = word.reference().filter(|path| path[0] == "env")?;
    let written = format!("${}", path.join("."));
    let title = format!("`{written}` is a text, which is not a condition");
    Some(
        Diagnostic::new(title, word.span.clone())
            .expected([format!("a comparison such as {written} == yes, or {written} matches .")]),
    )
}

/// The error for a quantity in another spelling: it would be compared as a text, which is nearly always unequal.
fn check_unit(word: &Word) -> Option<Diagnostic> {
    let text = word.literal().filter(|_| !word.quoted)?;
    if Value::from_word(&text).dimension() != Dimension::Text {
        return None;
    }
    let meant = quantity::misspelled(&text)?;
    let title = format!("`{text}` is no quantity, and would be compared as a text");
    Some(Diagnostic::new(title, word.span.clone()).expected([format!("`{meant}`, or quotes")]).fix(meant))
}

/// The error for a bare variable that is known to hold no flag, or for a bare field that is a text: neither is a
/// condition.
pub(crate) fn check_bare(word: &Word, scope: &Scope) -> Option<Diagnostic> {
    let wrong = match word.reference()? {
        [name] => match scope.known(name)? {
            Known::Scalar(Some(dimension)) => Some(*dimension).filter(|is| *is != Dimension::Flag),
            _ => None,
        },
        [name, field] => {
            let row = scope.fields(name)?.find(field)?;
            Some(row.dimension).filter(|is| *is == Dimension::Text)
        }
        _ => None,
    };
    wrong.map(|dimension| {
        let written = word.written();
        let title = format!("`{written}` is {}, which is not a condition", dimension.describe());
        let example = if dimension == Dimension::Text { "contains \"text\"" } else { "> 0" };
        Diagnostic::new(title, word.span.clone())
            .expected([format!("a comparison such as {written} {example}")])
    })
}
