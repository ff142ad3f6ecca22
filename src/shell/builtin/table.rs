//! Aligned columns of text, made to fit a width.

use unicode_width::UnicodeWidthStr;

use crate::base::width::front;

/// No column is made narrower than this while others can be dropped.
const COMFORTABLE: usize = 16;
/// No column is made narrower than this.
const LEAST: usize = 8;
/// Blanks between two columns.
const GAP: usize = 2;

/// How a column yields when there is too little space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Give {
    /// It stays as it is.
    Keep,
    /// It is made narrower.
    Shrink,
    /// It is made narrower, and is dropped where all others are as narrow as they can be.
    ShrinkOrDrop,
    /// It is made narrower at its front, for its end is what matters: a port.
    ShrinkFront,
    /// It is dropped, the highest number first.
    Drop(u8),
}

/// Lines of at most `width` columns, if that is given; the first row is the heading.
pub(crate) fn aligned<const N: usize>(
    rows: &[[String; N]],
    gives: [Give; N],
    width: Option<usize>,
) -> Vec<String> {
    let natural = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let mut widths: Vec<Option<usize>> = (0..N).map(|column| Some(natural(column))).collect();
    if let Some(width) = width {
        fit(&mut widths, &gives, width);
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).zip(&gives).filter_map(|((cell, width), give)| {
            let cell =
                if *give == Give::ShrinkFront { cut_front(cell, (*width)?) } else { cut(cell, (*width)?) };
            let missing = (*width)?.saturating_sub(cell.width());
            Some(format!("{cell}{}", " ".repeat(missing)))
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Narrows or drops columns until all fit, then gives back space that is left.
fn fit<const N: usize>(widths: &mut [Option<usize>], gives: &[Give; N], width: usize) {
    let natural = widths.to_vec();
    let total = |widths: &[Option<usize>]| {
        let shown = widths.iter().flatten();
        shown.clone().sum::<usize>() + shown.count().saturating_sub(1) * GAP
    };
    while total(widths) > width {
        let widest_above = |least: usize| {
            (0..N)
                .filter(|&column| !matches!(gives[column], Give::Keep | Give::Drop(_)))
                .filter(|&column| widths[column] > Some(least))
                .max_by_key(|&column| widths[column])
        };
        let droppable = (0..N).filter(|&column| widths[column].is_some());
        let least = droppable.filter_map(|column| match gives[column] {
            Give::Drop(order) => Some((order, column)),
            _ => None,
        });
        match (widest_above(COMFORTABLE), least.max(), widest_above(LEAST)) {
            (Some(column), ..) | (None, None, Some(column)) => {
                widths[column] = widths[column].map(|width| width - 1);
            }
            (None, Some((_, column)), _) => widths[column] = None,
            (None, None, None) => {
                let last =
                    (0..N).find(|&column| gives[column] == Give::ShrinkOrDrop && widths[column].is_some());
                let Some(column) = last else { return };
                widths[column] = None;
            }
        }
    }
    while total(widths) < width {
        let shrunk = (0..N).filter(|&column| widths[column].is_some() && widths[column] < natural[column]);
        let Some(column) = shrunk.min_by_key(|&column| widths[column]) else { return };
        widths[column] = widths[column].map(|width| width + 1);
    }
}

/// Cuts a text to at most `width` columns; `…` stands for what was cut off.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}…", front(text, width.saturating_sub(1)))
}

/// The same, but the end of the text is kept.
fn cut_front(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut rest = text;
    while rest.width() + 1 > width && !rest.is_empty() {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    format!("…{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 4]> {
        vec![
            ["id", "kind", "peer", "age"].map(str::to_owned),
            ["%1", "a server of many files", "127.0.0.1:40000", "10.00 s"].map(str::to_owned),
            ["%22", "日本語の名前日本語", "-", "1 s"].map(str::to_owned),
        ]
    }

    const GIVES: [Give; 4] = [Give::Keep, Give::Shrink, Give::Drop(1), Give::Drop(2)];

    #[test]
    fn columns_stand_under_each_other() {
        let lines = aligned(&rows(), GIVES, None);
        assert_eq!(lines[1], "%1   a server of many files  127.0.0.1:40000  10.00 s");
        assert_eq!(lines[2], "%22  日本語の名前日本語      -                1 s");
    }

    #[test]
    fn what_matters_least_goes_first_and_no_line_is_too_long() {
        for width in 13..80 {
            let lines = aligned(&rows(), GIVES, Some(width));
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
        }
        assert_eq!(aligned(&rows(), GIVES, Some(33))[1], "%1   a server of many files");
        assert_eq!(aligned(&rows(), GIVES, Some(40))[1], "%1   a server of many …  127.0.0.1:40000");
        let front = [Give::Keep, Give::Shrink, Give::ShrinkFront, Give::Drop(2)];
        assert_eq!(aligned(&rows(), front, Some(26))[1], "%1   a server …  ….1:40000");
        assert_eq!(aligned(&rows(), GIVES, Some(20))[1], "%1   a server of ma…");
        let either = [Give::Keep, Give::ShrinkOrDrop, Give::ShrinkFront, Give::Shrink];
        assert_eq!(aligned(&rows(), either, Some(34))[1], "%1   a server…  ….1:40000  10.00 s");
        assert_eq!(aligned(&rows(), either, Some(22))[1], "%1   …1:40000  10.00 s");
    }

    #[test]
    fn wide_letters_are_cut_whole() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }
}
