//! Keys other than Enter that end a line.

/// The key that ended a line, if it was not Enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-Z or Ctrl-] in an attached session.
    Leave,
}
