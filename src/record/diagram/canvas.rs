//! A sheet of characters, one column wide each, on which arrows are drawn.

use super::label::Look;

/// The characters of a drawing.
pub(super) struct Signs {
    pub(super) lifeline: char,
    pub(super) leaves_right: char,
    pub(super) leaves_left: char,
    pub(super) fold: char,
    pub(super) death: char,
    pub(super) cut: char,
    down_right: char,
    down_left: char,
    head_right: char,
    head_left: char,
    dashes: [char; 4],
}

pub(super) const DRAWN: Signs = Signs {
    lifeline: '│',
    leaves_right: '├',
    leaves_left: '┤',
    fold: '⋮',
    death: '×',
    cut: '…',
    down_right: '╲',
    down_left: '╱',
    head_right: '▶',
    head_left: '◀',
    dashes: ['─', '═', '┄', '─'],
};

pub(super) const ASCII: Signs = Signs {
    lifeline: '|',
    leaves_right: '+',
    leaves_left: '+',
    fold: ':',
    death: 'x',
    cut: '~',
    down_right: '\\',
    down_left: '/',
    head_right: '>',
    head_left: '<',
    dashes: ['-', '=', '.', '-'],
};

impl Signs {
    /// What an arrow of this look is made of.
    pub(super) const fn dash(&self, look: Look) -> char {
        match look {
            Look::Data => self.dashes[0],
            Look::Again => self.dashes[1],
            Look::Ack => self.dashes[2],
            Look::Control => self.dashes[3],
        }
    }
}

/// Column and row.
pub(super) type Spot = (usize, usize);

pub(super) struct Canvas {
    columns: usize,
    rows: Vec<Vec<char>>,
}

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows: vec![vec![' '; columns]; rows] }
    }

    pub(super) fn put(&mut self, (column, row): Spot, sign: char) {
        if let Some(cell) = self.rows.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = sign;
        }
    }

    /// Writes from this spot on; what is beyond the edge is cut.
    pub(super) fn write(&mut self, (column, row): Spot, text: &str) {
        text.chars().enumerate().for_each(|(n, sign)| self.put((column + n, row), sign));
    }

    /// Writes if nothing is there, with a space before and behind; true if so.
    pub(super) fn write_if_free(&mut self, (column, row): Spot, text: &str) -> bool {
        let end = column + text.chars().count() + 1;
        let Some(cells) = self.rows.get(row).and_then(|row| row.get(column.saturating_sub(1)..end)) else {
            return false;
        };
        let is_free = cells.iter().all(|cell| *cell == ' ');
        if is_free {
            self.write((column, row), text);
        }
        is_free
    }

    /// An arrow between two lifelines, which stay free. Each row has its part of the way.
    pub(super) fn arrow(&mut self, from: Spot, to: Spot, look: Look, signs: &Signs) {
        let is_right = to.0 > from.0;
        let inner = from.0.abs_diff(to.0).saturating_sub(1);
        let rows = to.1.saturating_sub(from.1) + 1;
        let column = |step: usize| if is_right { from.0 + 1 + step } else { from.0.saturating_sub(1 + step) };
        if inner == 0 {
            return;
        }
        for n in 0..rows {
            let (begin, end) = (inner * n / rows, inner * (n + 1) / rows);
            let row = from.1 + n;
            (begin..end).for_each(|step| self.put((column(step), row), signs.dash(look)));
            if n + 1 < rows {
                let down = if is_right { signs.down_right } else { signs.down_left };
                // In a steep arrow some rows have no part of their own.
                self.put((column(end.max(begin + 1).min(inner) - 1), row), down);
            }
        }
        let head = if is_right { signs.head_right } else { signs.head_left };
        self.put((column(inner - 1), from.1 + rows - 1), head);
    }

    /// The lines, without spaces at their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| row.iter().take(self.columns).collect::<String>().trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(from: Spot, to: Spot) -> Vec<String> {
        let mut canvas = Canvas::new(10, 3);
        canvas.arrow(from, to, Look::Data, &ASCII);
        canvas.lines().collect()
    }

    #[test]
    fn arrows_slant_downwards_both_ways() {
        assert_eq!(drawn((0, 0), (9, 2)), [" -\\", "   --\\", "      -->"]);
        assert_eq!(drawn((9, 0), (0, 1)), ["     /---", " <---", ""]);
        assert_eq!(drawn((0, 1), (9, 1)), ["", " ------->", ""]);
    }

    #[test]
    fn steep_arrows_and_those_outside_of_the_sheet_do_no_harm() {
        assert_eq!(drawn((0, 0), (2, 2)), [" \\", " \\", " >"]);
        assert_eq!(drawn((0, 0), (40, 9)), [" --\\", "    ---\\", "        --"]);
        assert_eq!(drawn((1, 0), (1, 0)), ["", "", ""]);
    }
}
