//! What the writing thread is given.

use std::sync::mpsc::Sender;

use super::Rendered;

/// Prints text above the line that is being edited.
pub type Print = Box<dyn FnMut(String) + Send>;

/// An item for the writing thread.
pub(super) enum Item {
    Text(Rendered),
    /// Output of a system command, unchanged; true: for standard error.
    Bytes(Vec<u8>, bool),
    /// Tells the sender once everything before this item is written.
    Flush(Sender<()>),
    /// How to print while a line is being edited.
    Editor(Print),
    /// Replaces the picture before it; `None`: that one stays on the screen and is no longer redrawn.
    Picture(Option<String>),
    /// A progress bar, by number, drawn below all other text; `None`: it has ended and is erased.
    Bar(u64, Option<String>),
}
