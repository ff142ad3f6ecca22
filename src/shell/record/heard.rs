//! What a raw session received, as expectations: text line by line, other bytes in hexadecimal. What changes with the clock
//! is written as its shape.

use std::sync::OnceLock;

use crate::language::parse::lexer::quoted;

/// Time limit for a message when the recording is replayed.
pub(super) const PATIENCE: &str = "5s";
/// Bytes that are recorded of what came between two statements.
const RECORDED_LIMIT: usize = 64 << 10;
/// Longest text of one expectation.
const TEXT_LIMIT: usize = 1000;
/// Bytes of one expectation in hexadecimal.
const HEX_BYTES: usize = 32;
/// Shapes of what changes with the clock. The first that begins at a place wins.
const CLOCK: [&str; 5] = [
    r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d",
    r"\d{4}-\d\d-\d\d",
    r"\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}",
    r"\d\d:\d\d:\d\d",
];

/// The expectations for these bytes. `session`: as a statement names it.
pub(super) fn expectations(session: &str, bytes: &[u8]) -> Vec<String> {
    let recorded = &bytes[..bytes.len().min(RECORDED_LIMIT)];
    let mut lines = Vec::new();
    for piece in recorded.split_inclusive(|byte| *byte == b'\n') {
        lines.extend(
            of_line(piece).into_iter().map(|test| format!("expect {session} {test} within {PATIENCE}")),
        );
    }
    if recorded.len() < bytes.len() {
        lines.push(format!("# {} more bytes came, and were not recorded", bytes.len() - recorded.len()));
    }
    lines
}

/// A line, with its end, as tests of an expectation.
fn of_line(line: &[u8]) -> Vec<String> {
    let readable = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    match std::str::from_utf8(line) {
        Ok(text) if text.chars().all(readable) && text.len() <= TEXT_LIMIT => vec![of_text(text)],
        _ => line
            .chunks(HEX_BYTES)
            .map(|bytes| format!("hex \"{}\"", crate::base::pattern::to_hex(bytes)))
            .collect(),
    }
}

fn of_text(text: &str) -> String {
    match shape(text) {
        // In single quotes a backslash is a backslash.
        Some(pattern) if !pattern.contains('\'') => format!("says matching '{pattern}'"),
        Some(pattern) => format!("says matching {}", quoted(&pattern)),
        None => format!("says {}", quoted(text)),
    }
}

/// A pattern for a text in which something changes with the clock; `None` if nothing does.
fn shape(text: &str) -> Option<String> {
    static EXPRESSION: OnceLock<Option<regex_automata::meta::Regex>> = OnceLock::new();
    let expression =
        EXPRESSION.get_or_init(|| regex_automata::meta::Regex::new_many(&CLOCK).ok()).as_ref()?;
    let (mut pattern, mut end) = (String::new(), 0);
    for found in expression.find_iter(text) {
        pattern += &escaped(&text[end..found.start()]);
        pattern += CLOCK[found.pattern().as_usize()];
        end = found.end();
    }
    (end > 0).then(|| pattern + &escaped(&text[end..]))
}

fn escaped(text: &str) -> String {
    regex_syntax::escape(text).replace('\r', "\\r").replace('\n', "\\n").replace('\t', "\\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::Pattern;

    #[test]
    fn text_is_expected_line_by_line_and_other_bytes_in_hexadecimal() {
        assert_eq!(
            expectations("$c", b"220 \"hi\"\r\n+OK\n\x00\xff"),
            [
                r#"expect $c says "220 \"hi\"\r\n" within 5s"#,
                r#"expect $c says "+OK\n" within 5s"#,
                r#"expect $c hex "00 ff" within 5s"#,
            ]
        );
        let much = vec![b'x'; RECORDED_LIMIT + 7];
        let lines = expectations("$c", &much);
        assert_eq!((lines.len(), lines[2048].as_str()), (2049, "# 7 more bytes came, and were not recorded"));
    }

    #[test]
    fn what_changes_with_the_clock_is_expected_as_its_shape() {
        let date = "Date: Fri, 27 Nov 2026 21:40:38 GMT (a+b)\r\n";
        let pattern = shape(date).unwrap();
        assert_eq!(pattern, r"Date: \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d GMT \(a\+b\)\r\n");
        let pattern = Pattern::regex(&pattern).unwrap();
        assert!(pattern.is_match(date.as_bytes()));
        assert!(pattern.is_match(date.replace("27 Nov", "1 Dec").as_bytes()));
        assert_eq!(shape("Server: nginx/1.22.1\r\n"), None);
    }
}
