//! What happened to it, as events show it.

use super::{LogEntry, Session};
use crate::session::LOG_LIMIT;

impl Session {
    /// Adds an entry to the log; beyond [`LOG_LIMIT`] the oldest is dropped.
    pub(in crate::session) fn record(&self, kind: &'static str, text: &str) {
        let at = self.began.elapsed();
        let mut shared = self.lock();
        if shared.log.entries.len() == LOG_LIMIT {
            shared.log.entries.pop_front();
            shared.log.forgotten += 1;
        }
        shared.log.entries.push_back(LogEntry { at, kind, text: text.into() });
    }

    /// Logs a change made to the session from outside.
    pub fn note_change(&self, kind: &'static str, text: &str) {
        self.record(kind, text);
        self.touch();
    }

    /// The newest `most` events, and how many older ones are not included.
    pub fn log(&self, most: usize) -> (Vec<LogEntry>, u64) {
        let shared = self.lock();
        let skip = shared.log.entries.len().saturating_sub(most);
        (shared.log.entries.iter().skip(skip).cloned().collect(), shared.log.forgotten + skip as u64)
    }
}
