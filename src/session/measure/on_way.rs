//! What was handed to a connection and has not arrived yet: a curve of a transfer shows what arrived.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::session::Session;

/// Bytes of one transfer that are counted as sent and on their way, until this is dropped.
#[derive(Debug)]
pub(crate) struct OnWay {
    session: Arc<Session>,
    bytes: u64,
}

impl OnWay {
    /// Of a transfer of this session.
    pub(in crate::session) const fn new(session: Arc<Session>) -> Self {
        Self { session, bytes: 0 }
    }

    /// They were handed to the connection.
    pub(crate) fn leave(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.session.on_way.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The receiver has them.
    pub(crate) fn arrive(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.session.on_way.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for OnWay {
    fn drop(&mut self) {
        self.arrive(self.bytes);
    }
}
