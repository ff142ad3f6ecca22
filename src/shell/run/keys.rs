//! The keys that reach a statement while it runs.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::report::{Failure, Report};
use crate::shell::errors::interrupted;
use crate::shell::{Shell, Terminal};

/// Ctrl-C and Ctrl-Z, for a statement that borrows the shell.
pub(super) struct Keys {
    interrupt: CancellationToken,
    suspend: Arc<Notify>,
    terminal: Arc<dyn Terminal>,
}

impl Shell {
    pub(super) fn keys(&self) -> Keys {
        let (interrupt, suspend) = (self.interrupt.clone(), self.suspend.clone());
        Keys { interrupt, suspend, terminal: self.terminal.clone() }
    }
}

impl Keys {
    /// What the work comes to, unless Ctrl-C ends it. It has no session that could go on in the background: to Ctrl-Z, that
    /// is said. The work is polled first: a builtin that watches takes both keys as its usual end.
    pub(super) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.interrupt.cancelled() => return Err(interrupted()),
                () = self.suspend.notified() => {
                    let text = "this command cannot go on in the background; Ctrl-C ends it".into();
                    self.terminal.show(Report::Notice(text));
                }
            }
        }
    }
}
