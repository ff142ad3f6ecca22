//! Its handlers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::Session;
use crate::session::handlers::{Handler, HandlerSet};

impl Session {
    /// Adds a handler.
    ///
    /// # Errors
    /// There are too many, or their patterns are too large; the text says which.
    pub fn add_handler(&self, handler: Handler) -> Result<(), String> {
        self.handlers.add(handler)?;
        self.touch();
        Ok(())
    }

    /// True if handlers can react to what it hears.
    pub fn reacts(&self) -> bool {
        self.reacts.load(Ordering::Relaxed)
    }

    /// Its handlers now.
    pub fn handlers(&self) -> Arc<HandlerSet> {
        self.handlers.now()
    }

    /// Tells that handlers were added.
    pub fn handler_changes(&self) -> watch::Receiver<u64> {
        self.handlers.changes()
    }

    /// Drops handlers that have reacted as often as they may.
    pub fn forget_spent_handlers(&self) {
        self.handlers.forget_spent();
    }

    /// Removes all handlers; returns their number.
    pub fn remove_handlers(&self) -> usize {
        self.handlers.clear()
    }
}
