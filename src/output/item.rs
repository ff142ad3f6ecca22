//! What the writing thread is given.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::Rendered;
use super::writer::AboveLine;

/// An item for the writing thread.
pub(super) enum Item {
    Text(Rendered),
    /// Output of a system command, unchanged; true: for standard error.
    Bytes(Vec<u8>, bool),
    /// Tells the sender once everything before this item is written.
    Flush(Sender<()>),
    /// Where text goes while a line is being edited.
    Editor(Arc<AboveLine>),
    /// Replaces the picture before it; `None`: that one stays on the screen and is no longer redrawn.
    Picture(Option<String>),
    /// A progress bar, by number, drawn below all other text; `None`: it has ended and is erased.
    Bar(u64, Option<String>),
}
