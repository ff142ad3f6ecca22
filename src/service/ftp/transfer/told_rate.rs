//! The rate limit of a receiver, told to the sender: bytes that wait in buffers of the system have crossed the network.

use crate::service::ftp::protocol::Message;
use crate::session::Handle;

/// The rate in bytes/s that the sender was last told to keep; `None`: none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ToldRate(Option<u64>);

impl ToldRate {
    /// RATE, if the session's limit is no longer the one that the sender was told.
    pub(crate) fn news(&mut self, session: &Handle) -> Option<Message> {
        let limit = session.rate_limit();
        if limit == self.0 {
            return None;
        }
        self.0 = limit;
        Some(Message::Rate { limit })
    }
}
