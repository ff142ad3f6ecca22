//! Expected and actual value compared for people: as two lines, a diff of lines, or a hex dump around the difference.

use crate::base::escape::{ROW, escape_line, hex_dump};
use crate::report::Contrast;

/// Values longer than this many bytes, or of several lines, are shown as a diff or a hex dump.
const SHORT: usize = 200;
/// Most lines of a diff that are shown.
const DIFF_LINES: usize = 40;
/// Unchanged lines shown around a change.
const CONTEXT: usize = 2;
/// Most lines of a hex dump, for each of the two values.
const ROWS: usize = 4;

/// The comparison, as lines for people.
pub(super) fn lines(contrast: &Contrast) -> Vec<String> {
    let Contrast { expected, actual, .. } = contrast;
    let texts = (text(expected), text(actual));
    match texts {
        (Some(expected), Some(actual)) if is_line(expected) && is_line(actual) => {
            vec![format!("expected: {}", escape_line(expected)), format!("  actual: {}", escape_line(actual))]
        }
        (Some(expected), Some(actual)) if expected.contains('\n') || actual.contains('\n') => {
            diff(expected, actual)
        }
        _ => window(contrast),
    }
}

/// The bytes as text; `None` if they are not UTF-8 or contain control characters other than line feed, tab, CR.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let shows = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    text.chars().all(shows).then_some(text)
}

fn is_line(text: &str) -> bool {
    text.len() <= SHORT && !text.contains('\n')
}

fn diff(expected: &str, actual: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(expected, actual);
    let mut lines = vec!["--- expected".to_owned(), "+++ actual".to_owned()];
    for group in diff.grouped_ops(CONTEXT) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", escape_line(change.value().trim_end_matches('\n'))));
        }
    }
    let more = lines.len().saturating_sub(DIFF_LINES);
    lines.truncate(DIFF_LINES);
    lines.extend((more > 0).then(|| format!("… {more} more lines")));
    lines
}

/// A hex dump of both values around the first byte that differs.
fn window(contrast: &Contrast) -> Vec<String> {
    let Contrast { expected, actual, offset } = contrast;
    let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let first = same.saturating_sub(ROW) / ROW * ROW;
    let mut lines = vec![format!(
        "the values differ from byte {} on ({} and {} bytes compared)",
        *offset + same as u64,
        expected.len(),
        actual.len()
    )];
    for (name, bytes) in [("expected", expected), ("  actual", actual)] {
        let shown = bytes.get(first..).unwrap_or_default();
        if shown.is_empty() {
            lines.push(format!("{name}: ends here"));
        }
        let rows = hex_dump(shown, *offset + first as u64, &[]).take(ROWS);
        lines.extend(rows.map(|row| format!("{name}: {row}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_stand_below_each_other() {
        assert_eq!(lines(&Contrast::of("1", "22")), ["expected: 1", "  actual: 22"]);
    }

    #[test]
    fn texts_of_several_lines_are_a_diff() {
        let got = lines(&Contrast::of("a\nb\nc\n", "a\nx\nc\n"));
        assert_eq!(got, ["--- expected", "+++ actual", "  a", "- b", "+ x", "  c"]);
    }

    #[test]
    fn bytes_are_a_window_around_the_first_that_differs() {
        let (mut left, right) = (vec![0u8; 100], vec![0u8; 100]);
        left[70] = 0x41;
        let got = lines(&Contrast { expected: left, actual: right, offset: 0x1000 });
        assert!(got[0].contains("byte 4166 on"), "{got:?}");
        assert!(got[2].starts_with("expected: 00001040  00 00 00 00 00 00 41 00"), "{got:?}");
        assert!(got.iter().any(|line| line.starts_with("  actual: 00001040")), "{got:?}");
        assert!(lines(&Contrast::of(vec![0, 1], vec![0]))[0].contains("from byte 1 on"));
    }
}
