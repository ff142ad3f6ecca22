//! A square of dark and light modules, such as a QR code.

/// A symbol of modules (ISO/IEC 18004), without the quiet zone around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Modules of a side.
    pub size: usize,
    /// Row by row; true: dark.
    pub dark: Vec<bool>,
    /// What it is drawn on where there is no colour.
    pub ground: Ground,
}

/// The background of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Light text on a dark background.
    #[default]
    Dark,
    /// Dark text on a light background.
    Light,
}

impl Symbol {
    /// Whether a module is dark; all beyond its sides are light.
    pub fn is_dark(&self, row: usize, column: usize) -> bool {
        column < self.size && self.dark.get(row * self.size + column).is_some_and(|dark| *dark)
    }
}
