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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Registry, Request};

    #[test]
    fn a_curve_shows_what_arrived_and_a_transfer_that_ends_has_nothing_on_its_way() {
        let registry = Registry::new(tokio::sync::mpsc::channel(1).0);
        let session = Arc::new(registry.new_session(Request {
            verb: "send",
            kind: "send big".into(),
            name: None,
            background: false,
            parent: None,
        }));
        let shown = || session.samples().last().unwrap().bytes_out;
        session.bytes_out.store(1000, Ordering::Relaxed);
        let mut on_way = OnWay::new(session.clone());
        on_way.leave(600);
        assert_eq!(shown(), 400);
        on_way.arrive(100);
        assert_eq!(shown(), 500);
        // An acknowledgement of more than was sent takes nothing from other transfers.
        let mut other = OnWay::new(session.clone());
        other.arrive(100);
        assert_eq!(shown(), 500);
        drop(on_way);
        assert_eq!(shown(), 1000);
    }
}
