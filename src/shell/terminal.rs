//! What stands around a shell: it shows reports and what `!CMD` prints, draws, and asks the user. The program implements
//! it for terminals and pipes, the runner of tests for what it collects.

use std::pin::Pin;
use std::sync::Arc;

use crate::report::{Area, Report};
use crate::session::Session;

/// An output stream of a command of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What the user answers; `None`: nothing was given.
pub type Answer = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// Asks the user for a text that is not shown, by its name.
pub type Ask = Box<dyn Fn(&str) -> Answer + Send + Sync>;

/// Shows and asks, for one shell.
pub trait Terminal: Send + Sync {
    /// Shows a report.
    fn show(&self, report: Report);

    /// Shows what a command of the system printed, as bytes; false if nobody reads it.
    fn pass(&self, bytes: Vec<u8>, stream: Stream) -> bool;

    /// The area in which pictures can be drawn now; `None`: there is none.
    fn area(&self) -> Option<Area> {
        None
    }

    /// Asks for a text that is not shown, by its name; `None`: there is nobody to ask.
    fn ask(&self, _name: &str) -> Option<Answer> {
        None
    }

    /// A command begins to wait for a session (true), or waits no longer (false): for a progress bar.
    fn foreground(&self, _session: &Arc<Session>, _begins: bool) {}

    /// From now on only errors and what `print` says are shown, or everything (`set results`).
    fn set_quiet(&self, _quiet: bool) {}

    /// True if results are not shown.
    fn is_quiet(&self) -> bool {
        false
    }
}
