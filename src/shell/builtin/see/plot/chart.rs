//! A filled curve in characters: braille, eight dots in a cell, or plain ASCII.

/// Dots of a braille cell, across and down.
const ACROSS: usize = 2;
const DOWN: usize = 4;
/// Bits of the dots of a cell, in two columns, from the bottom up (Unicode 16, section 21.1).
const BITS: [[u32; DOWN]; ACROSS] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
const BLANK: u32 = 0x2800;

/// The size of a curve in characters, and whether they are braille or ASCII.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChartSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) braille: bool,
}

impl ChartSize {
    /// Number of values that fit side by side.
    pub(crate) const fn values(&self) -> usize {
        if self.braille { self.columns * ACROSS } else { self.columns }
    }
}

/// Draws values as lines, from the top down. `most` is the value at full height; any value above 0 shows at least a
/// little.
pub(crate) fn filled(values: &[f64], most: f64, shape: ChartSize) -> Vec<String> {
    let steps = shape.rows * if shape.braille { DOWN } else { 1 };
    let heights: Vec<usize> = values
        .iter()
        .map(|&value| {
            if value <= 0.0 || most <= 0.0 {
                return 0;
            }
            ((value / most * steps as f64).round() as usize).clamp(1, steps)
        })
        .collect();
    (0..shape.rows)
        .rev()
        .map(|row| {
            let line: String = if shape.braille {
                heights.chunks(ACROSS).map(|pair| braille(pair, row * DOWN)).collect()
            } else {
                heights.iter().map(|&height| if height > row { '#' } else { ' ' }).collect()
            };
            line.trim_end().to_owned()
        })
        .collect()
}

/// The cell for one or two heights; its lowest dot is set for a height of more than `bottom`.
fn braille(pair: &[usize], bottom: usize) -> char {
    let mut bits = BLANK;
    for (column, &height) in pair.iter().enumerate() {
        for (dot, bit) in BITS[column].iter().enumerate() {
            if height > bottom + dot {
                bits |= bit;
            }
        }
    }
    char::from_u32(bits).filter(|_| bits != BLANK).unwrap_or(' ')
}

/// Growth of a counter in each of `parts` equal parts of the time up to `end`; between two samples it is taken to grow
/// linearly.
pub(crate) fn growth(samples: &[(f64, f64)], end: f64, parts: usize) -> Vec<f64> {
    let at = |time: f64| {
        let after = samples.partition_point(|(when, _)| *when < time);
        match (after.checked_sub(1).map(|before| samples[before]), samples.get(after)) {
            (None, Some(first)) => first.1,
            (Some(last), None) => last.1,
            (Some((t0, v0)), Some(&(t1, v1))) if t1 > t0 => v0 + (v1 - v0) * (time - t0) / (t1 - t0),
            (Some(before), _) => before.1,
            (None, None) => 0.0,
        }
    };
    let edge = |part: usize| at(end * part as f64 / parts as f64);
    (0..parts).map(|part| (edge(part + 1) - edge(part)).max(0.0)).collect()
}

/// The newest value known at the end of each of `parts` equal parts of the time up to `end`; 0 before the first.
pub(crate) fn level(samples: &[(f64, f64)], end: f64, parts: usize) -> Vec<f64> {
    let edge = |part: usize| end * part as f64 / parts as f64;
    (1..=parts)
        .map(|part| {
            let known = samples.partition_point(|(when, _)| *when <= edge(part));
            known.checked_sub(1).map_or(0.0, |newest| samples[newest].1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_for_heights() {
        let ascii = ChartSize { columns: 4, rows: 2, braille: false };
        assert_eq!(filled(&[0.0, 1.0, 2.0, 0.1], 2.0, ascii), ["  #", " ###"]);
        let braille = ChartSize { columns: 2, rows: 1, braille: true };
        assert_eq!(filled(&[4.0, 1.0, 0.0, 2.0], 4.0, braille), ["⣇⢠"]);
        assert_eq!(filled(&[4.0, 5.0], 4.0, braille), ["⣿"]);
        assert_eq!(filled(&[], 0.0, braille), [""]);
    }

    #[test]
    fn growth_is_shared_out_evenly_and_nothing_is_lost() {
        let samples = [(0.0, 0.0), (1.0, 10.0), (4.0, 40.0)];
        assert_eq!(growth(&samples, 4.0, 4), [10.0; 4]);
        let parts = growth(&samples, 4.0, 7);
        assert!((parts.iter().sum::<f64>() - 40.0).abs() < 1e-9, "{parts:?}");
        assert_eq!(growth(&[], 1.0, 2), [0.0; 2]);
        assert_eq!(growth(&[(0.0, 5.0)], 0.0, 2), [0.0; 2]);
    }

    #[test]
    fn a_level_stays_until_the_next_is_known() {
        assert_eq!(level(&[(1.0, 5.0), (3.0, 7.0)], 4.0, 4), [5.0, 5.0, 7.0, 7.0]);
        assert_eq!(level(&[(3.0, 7.0)], 4.0, 4), [0.0, 0.0, 7.0, 7.0]);
    }
}
