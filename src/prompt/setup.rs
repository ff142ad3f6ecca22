//! What the prompt needs in addition to the shell.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::output::{Sink, Style};
use crate::shell::terminal::Ask;

/// What the prompt needs in addition to the shell.
pub struct Setup {
    pub sink: Sink,
    pub style: Style,
    /// The token of the foreground command: a signal fires it.
    pub foreground: Arc<std::sync::Mutex<CancellationToken>>,
    /// Fires when the program must end: a signal, or standard output was closed.
    pub end: CancellationToken,
    /// To be set with what asks for secrets.
    pub ask: Arc<OnceLock<Ask>>,
}
