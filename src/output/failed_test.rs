//! A failure of a test for people: the statement with carets, expected and actual value, the last events.

use super::{caret, contrast};
use crate::base::escape::escape_line;
use crate::language::{Diagnostic, Report};
use crate::report::FailedTest;

/// The lines, without colour and without newlines.
pub(super) fn lines(wrong: &FailedTest) -> Vec<String> {
    let FailedTest { failure, place } = wrong;
    let title = escape_line(&failure.to_string()).into_owned();
    let mut lines: Vec<String> = match place {
        Some(place) if !place.secret => {
            let report = Report {
                source: place.source.clone(),
                diagnostic: Diagnostic::new(title, place.span.clone()),
            };
            caret::render(&report, false).lines().map(str::to_owned).collect()
        }
        Some(place) => vec![format!("error: {title}"), format!("  at {place}")],
        None => vec![format!("error: {title}")],
    };
    if let Some(pair) = &failure.contrast {
        lines.extend(contrast::lines(pair));
    }
    lines.extend(failure.detail.iter().map(|line| escape_line(line).into_owned()));
    lines
}
