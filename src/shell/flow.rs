//! What comes after a statement.

/// How the script continues after a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    Next,
    /// The test is skipped, for this reason.
    Skip(String),
    /// The shell ends.
    Quit,
}
