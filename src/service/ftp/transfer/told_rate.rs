//! The rate limit of a receiver, told to the sender: bytes that wait in buffers of the system have crossed the network.

use std::sync::Arc;

use crate::service::ftp::protocol::Message;
use crate::session::Handle;

/// The rate in bytes/s that the sender was last told to keep; `None`: none.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToldRate {
    last: Option<u64>,
    senders: Option<Senders>,
}

/// Those who send to one server share its limit. Each holds a copy, and the server one more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Senders(Arc<()>);

impl ToldRate {
    /// For one more of these senders.
    pub(crate) fn shared(senders: &Senders) -> Self {
        Self { last: None, senders: Some(senders.clone()) }
    }

    /// RATE, if the sender's share of the session's limit is no longer what it was told.
    pub(crate) fn news(&mut self, session: &Handle) -> Option<Message> {
        let sharing = self.senders.as_ref().map_or(1, |senders| Arc::strong_count(&senders.0) as u64 - 1);
        let limit = session.rate_limit().map(|limit| (limit / sharing.max(1)).max(1));
        if limit == self.last {
            return None;
        }
        self.last = limit;
        Some(Message::Rate { limit })
    }
}
