//! Wraps lines that are wider than the terminal, between words. Pictures are drawn to its width and need no wrapping.

use unicode_width::UnicodeWidthChar;

use crate::report::Area;

/// The column of explanations of a help line, if it has one, begins before this column.
const HANG_LIMIT: usize = 30;
/// Extra indent of continuation lines; also the gap before a column of explanations.
const HANG: usize = 2;
/// Least columns of a label beside its carets.
const LABEL_LEAST: usize = 24;
/// A line that fills more terminal lines than this is a paragraph: its continuation lines get no extra indent.
const PARAGRAPH: usize = 3;

/// Replacements for the non-ASCII characters of our own texts, where the locale is not UTF-8.
/// A cut at the edge of a table column keeps its width.
const ASCII: [(&str, &str); 12] = [
    ("  …", "  ~"),
    ("…  ", "~  "),
    ("…", "..."),
    ("≈", "~"),
    ("×", "x"),
    ("→", "->"),
    ("←", "<-"),
    ("≤", "<="),
    ("≥", ">="),
    ("·", "-"),
    ("–", "-"),
    ("µ", "u"),
];

/// Wraps `text` to the width of the terminal and replaces our non-ASCII characters if it cannot show them.
pub(super) fn fit(text: &str, area: Area) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        wrap(&mut out, line, area.columns);
        out.push_str(end);
    }
    if area.unicode || out.is_ascii() {
        return out;
    }
    ASCII.iter().fold(out, |out, (letter, ascii)| out.replace(letter, ascii))
}

/// Wraps only what a rendered error says of the source: its notes (`= help: …`), and the label of the carets below them.
/// The source line and its carets must keep their columns.
pub(super) fn fit_notes(text: &str, area: Area) -> String {
    let fitted = |line: &str| {
        let plain = without_colours(line);
        let begins = plain.trim_start();
        match (begins.strip_prefix("| "), begins.starts_with("= ")) {
            (_, true) => fit(line, area),
            (Some(marked), _) if marked.trim_start().starts_with('^') => fit_label(line, area),
            _ => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(fitted).collect()
}

/// Wraps the label behind the carets; what follows stands below them, behind the bar of the margin.
fn fit_label(line: &str, area: Area) -> String {
    let line = fit(line, Area { columns: usize::MAX, ..area });
    let plain = without_colours(&line);
    if columns_of(plain.trim_end()) <= area.columns {
        return line;
    }
    let (Some(bar), Some(caret)) = (plain.find('|'), plain.find('^')) else { return line };
    let carets = plain[caret..].chars().take_while(|c| *c == '^').count();
    let label = columns_of(&plain[..caret]) + carets + 1;
    // Where little room is left beside the carets, the rest begins near the margin.
    let hang = if label + LABEL_LEAST <= area.columns { label } else { bar + 2 + HANG };
    let margin = format!("{:bar$}|{:width$}", "", "", width = hang - bar - 1);
    let (mut out, mut at) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let width = columns_of(word.trim_end());
        if at > label && at + width > area.columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&margin);
            at = hang;
        }
        out.push_str(word);
        at += columns_of(word);
    }
    out
}

/// A text without colour sequences.
fn without_colours(text: &str) -> String {
    visible(text).collect()
}

/// The letters that a terminal shows: colour sequences (ECMA-48: CSI … m) take no columns.
fn visible(text: &str) -> impl Iterator<Item = char> {
    let mut escapes = false;
    text.chars().filter(move |c| {
        let is_text = !escapes && *c != '\u{1b}';
        escapes = (escapes || *c == '\u{1b}') && *c != 'm';
        is_text
    })
}

fn wrap(out: &mut String, line: &str, columns: usize) {
    let width = columns_of(line);
    if width <= columns {
        return out.push_str(line);
    }
    let hang = hang(line, width, columns);
    let mut at = 0;
    for word in line.split_inclusive(' ') {
        let width = columns_of(word.trim_end_matches(' '));
        if at > hang && at + width > columns && hang + width <= columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            at = hang;
        }
        out.push_str(word);
        at += columns_of(word);
    }
}

/// Indent of continuation lines: that of the column of explanations, if the line has one.
fn hang(line: &str, width: usize, columns: usize) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let front = &line[..line.floor_char_boundary(HANG_LIMIT)];
    match front.trim_start().rfind("  ") {
        Some(gap) if indent + gap + HANG < columns / 2 => indent + gap + HANG,
        _ if width > PARAGRAPH * columns => indent,
        _ => indent + HANG,
    }
}

/// Display width of a text.
fn columns_of(text: &str) -> usize {
    visible(text).map(|c| c.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str, columns: usize) -> String {
        fit(text, Area { columns, rows: 24, unicode: true })
    }

    #[test]
    fn lines_are_broken_between_words_and_a_column_of_explanations_stays_one() {
        assert_eq!(fitted("short\n", 10), "short\n");
        assert_eq!(fitted("one two three\nx", 8), "one two\n  three\nx");
        let help = "  chunk SIZE     bytes of a chunk; each is acknowledged\n";
        assert_eq!(
            fitted(help, 40),
            "  chunk SIZE     bytes of a chunk; each\n                 is acknowledged\n"
        );
        let paragraph = "aaa bbb ccc ddd eee fff ggg hhh";
        assert_eq!(fitted(paragraph, 8), "aaa bbb\nccc ddd\neee fff\nggg hhh");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        let text = "[files] \u{1b}[2m127.0.0.1:56550 p1: 10000 bytes in 5.1 ms, 1.9 MiB/s, 日本語 日本語 日本語\u{1b}[0m\n";
        for columns in 20..90 {
            let lines = fitted(text, columns);
            assert!(lines.lines().all(|line| columns_of(line) <= columns), "{columns}: {lines}");
        }
        assert_eq!(fitted("abcdefghij klm", 5), "abcdefghij\n  klm");
    }

    #[test]
    fn what_an_error_says_of_a_line_is_wrapped_in_colours_too_and_the_line_is_not() {
        let area = Area { columns: 40, rows: 24, unicode: false };
        let drawn = "\u{1b}[94m1 |\u{1b}[0m get a-name-that-is-much-longer-than-the-terminal from $m\n  \u{1b}[94m|\u{1b}[0m ^^^ \u{1b}[91mexpected a name that was bound by `let NAME = …`\u{1b}[0m\n  \u{1b}[94m= \u{1b}[0mhelp: did you mean another one of the many words?\n";
        let shown = without_colours(&fit_notes(drawn, area));
        assert_eq!(
            shown,
            "1 | get a-name-that-is-much-longer-than-the-terminal from $m\n  | ^^^ expected a name that was bound\n  |     by `let NAME = ...`\n  = help: did you mean another one of\n    the many words?\n"
        );
        let far = format!("  | {:30}^ expected a name that was bound\n", "");
        assert_eq!(fit_notes(&far, area), format!("  | {:30}^ expected\n  |   a name that was bound\n", ""));
    }

    #[test]
    fn a_locale_without_them_gets_none_of_our_letters() {
        let area = Area { columns: 80, rows: 24, unicode: false };
        assert_eq!(fit("1/3 ≈ 0.33 … 5 µs", area), "1/3 ~ 0.33 ... 5 us");
        assert_eq!(fit("a  …27.0.0.1  b", area), "a  ~27.0.0.1  b");
    }
}
