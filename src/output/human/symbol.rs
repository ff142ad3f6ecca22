//! Draws a QR code so that a camera reads it from a terminal.
//!
//! With colours it is black on white, whatever the colours of the terminal. Without them only the text colour and the
//! background are there, and which of the two is the lighter one is not known: it is drawn for the ground that the
//! symbol names, and a line says so.

use colored::{Color, Colorize};

use crate::report::{Area, Ground, Symbol};

/// Light modules on each side (ISO/IEC 18004: the quiet zone).
const QUIET: usize = 4;
/// Of the colour cube (xterm, 256 colours), which themes leave as they are.
const BLACK: Color = Color::AnsiColor(16);
const WHITE: Color = Color::AnsiColor(231);

/// The symbol as lines. `area`: the terminal that shows it, if one does.
pub(super) fn draw(symbol: &Symbol, colour: bool, area: Option<Area>) -> String {
    let unicode = area.is_none_or(|area| area.unicode);
    let modules = symbol.size + 2 * QUIET;
    let columns = if unicode { modules } else { 2 * modules };
    if let Some(area) = area.filter(|area| area.columns < columns) {
        let width = area.columns;
        return format!(
            "the code is {columns} columns wide and the terminal {width}: make it wider, and try again\n"
        );
    }
    let mut out = match (colour, unicode) {
        (true, true) => halves(symbol, true, |line| line.color(BLACK).on_color(WHITE).to_string()),
        (true, false) => painted(symbol),
        (false, true) => halves(symbol, symbol.ground == Ground::Light, str::to_owned),
        (false, false) => ascii(symbol),
    };
    if !colour {
        let (ground, other) = match symbol.ground {
            Ground::Dark => ("dark", "light"),
            Ground::Light => ("light", "dark"),
        };
        out += &format!("drawn for a {ground} terminal; the word `{other}` draws it for a {other} one\n");
    }
    out
}

/// Rows of modules, with the quiet zone; true: dark.
fn rows(symbol: &Symbol) -> impl Iterator<Item = Vec<bool>> {
    let modules = symbol.size + 2 * QUIET;
    let is_dark = |row: usize, column: usize| {
        let place = row.checked_sub(QUIET).zip(column.checked_sub(QUIET));
        place.is_some_and(|(row, column)| symbol.is_dark(row, column))
    };
    (0..modules).map(move |row| (0..modules).map(|column| is_dark(row, column)).collect())
}

/// Two rows of modules in a line of text. `ink`: which of them the characters fill, the dark ones or the light.
fn halves(symbol: &Symbol, ink: bool, paint: impl Fn(&str) -> String) -> String {
    let rows: Vec<Vec<bool>> = rows(symbol).collect();
    let line = |pair: &[Vec<bool>]| {
        // The last row has none below it: that one counts to the quiet zone.
        let below = |column: usize| pair.get(1).is_some_and(|row| row[column]);
        let glyph = |(column, top): (usize, &bool)| match (*top == ink, below(column) == ink) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        paint(&pair[0].iter().enumerate().map(glyph).collect::<String>()) + "\n"
    };
    rows.chunks(2).map(line).collect()
}

/// A row of modules in a line, as blanks with a background: for terminals that have colours and no half blocks.
fn painted(symbol: &Symbol) -> String {
    let run = |run: &[bool]| {
        "  ".repeat(run.len()).as_str().on_color(if run[0] { BLACK } else { WHITE }).to_string()
    };
    rows(symbol).map(|row| row.chunk_by(|a, b| a == b).map(run).collect::<String>() + "\n").collect()
}

/// The same without colours.
fn ascii(symbol: &Symbol) -> String {
    let ink = symbol.ground == Ground::Light;
    let line = |row: Vec<bool>| row.iter().map(|dark| if *dark == ink { "##" } else { "  " }).collect();
    rows(symbol).map(|row| -> String { line(row) }).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symbol of 3 modules: too small for a code, and enough to see where each one goes.
    fn symbol(ground: Ground) -> Symbol {
        let dark = ["# #", "## ", "  #"].concat().chars().map(|c| c == '#').collect();
        Symbol { size: 3, dark, ground }
    }

    fn area(columns: usize, unicode: bool) -> Option<Area> {
        Some(Area { columns, rows: 24, unicode })
    }

    #[test]
    fn with_colours_it_is_black_on_white_in_any_terminal() {
        for ground in [Ground::Dark, Ground::Light] {
            colored::control::set_override(true);
            let text = draw(&symbol(ground), true, area(80, true));
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 6, "{text}");
            assert!(
                lines.iter().all(|line| {
                    line.starts_with("\u{1b}[48;5;231;38;5;16m") && line.ends_with("\u{1b}[0m")
                }),
                "{text:?}"
            );
            assert!(
                lines[2].contains("m    █▄▀    \u{1b}") && lines[3].contains("m      ▀    \u{1b}"),
                "{text}"
            );
        }
    }

    #[test]
    fn without_colours_the_ground_decides_and_is_named() {
        let dark = draw(&symbol(Ground::Dark), false, None);
        let lines: Vec<&str> = dark.lines().collect();
        assert_eq!(lines[1], "███████████");
        assert_eq!((lines[2], lines[3]), ("████ ▀▄████", "██████▄████"));
        assert!(lines[6].contains("drawn for a dark terminal") && lines[6].contains("`light`"), "{dark}");
        let light = draw(&symbol(Ground::Light), false, None);
        let lines: Vec<&str> = light.lines().collect();
        assert_eq!((lines[2], lines[3]), ("    █▄▀    ", "      ▀    "));
        assert!(lines[6].contains("drawn for a light terminal") && lines[6].contains("`dark`"), "{light}");
    }

    #[test]
    fn a_locale_without_half_blocks_gets_whole_ones() {
        let text = draw(&symbol(Ground::Light), false, area(80, false));
        assert_eq!(text.lines().nth(4).unwrap(), "        ##  ##        ");
        assert_eq!(text.lines().count(), 12);
        let text = draw(&symbol(Ground::Dark), false, area(80, false));
        assert_eq!(text.lines().nth(4).unwrap(), "########  ##  ########");
        colored::control::set_override(true);
        let text = draw(&symbol(Ground::Dark), true, area(80, false));
        let row = text.lines().nth(6).unwrap();
        assert!(text.is_ascii() && row.matches("\u{1b}[48;5;16m  \u{1b}[0m").count() == 1, "{row:?}");
    }

    #[test]
    fn row_95_a_terminal_that_is_too_narrow_gets_a_sentence_and_no_code() {
        assert!(draw(&symbol(Ground::Dark), true, area(11, true)).contains('▀'));
        for (columns, unicode) in [(10, true), (21, false)] {
            let text = draw(&symbol(Ground::Dark), true, area(columns, unicode));
            assert!(text.contains("columns wide") && text.lines().count() == 1, "{text}");
        }
    }
}
