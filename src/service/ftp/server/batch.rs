//! Small messages of one client that are handled together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::Held;
use crate::net::errors::malformed;
use crate::net::{Incoming, Message as Wire};
use crate::report::Failure;
use crate::service::ftp::budgets::BATCHES;
use crate::service::ftp::client::tree::TOGETHER;
use crate::service::ftp::protocol::Message;

/// Most bytes of small files in one batch.
const TOGETHER_BYTES: usize = 4 << 20;
/// Busy clients that may fill their batches. Of more, each has smaller ones: everybody waits until all others have had
/// their turn.
const FILLING: usize = 16;
/// Messages that each client may have in a batch: with fewer, a folder takes twice as long.
const LEAST: usize = 4;
/// Clients that are busy.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// A client whose last batch had at least [`LEAST`] messages.
#[derive(Debug)]
pub(super) struct Busy;

impl Busy {
    fn begin() -> Self {
        BUSY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Most messages of a batch, where so many clients are busy.
fn most(busy: usize) -> usize {
    (TOGETHER * FILLING / busy.max(1)).clamp(LEAST, TOGETHER)
}

/// What was gathered.
pub(super) struct Batch {
    pub(super) messages: Vec<Message>,
    /// The memory that they take.
    pub(super) held: Held,
    /// What came behind them, if it is something else.
    pub(super) ahead: Option<Result<Option<Wire>, Failure>>,
}

/// Gathers messages of these kinds that have arrived already, beginning with `first`.
pub(super) async fn gather(
    incoming: &mut Incoming,
    first: Message,
    kinds: &[u8],
    busy: &mut Option<Busy>,
) -> Result<Batch, Failure> {
    let most = most(BUSY.load(Ordering::Relaxed));
    let mut batch = Batch { messages: vec![first], held: Held::nothing(&BATCHES), ahead: None };
    let Batch { messages, held, .. } = &mut batch;
    while messages.len() < most && held.bytes() < TOGETHER_BYTES && BATCHES.has_room() {
        match incoming.next_now().await {
            Some(Ok(Some(Wire::Frame(frame)))) if kinds.contains(&frame.kind) => {
                held.add(frame.body.len());
                messages.push(Message::decode(&frame).map_err(malformed)?);
            }
            other => {
                batch.ahead = other;
                break;
            }
        }
    }
    *busy = (batch.messages.len() >= LEAST).then(|| busy.take().unwrap_or_else(Busy::begin));
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_clients_are_busy_the_less_each_does_at_once_and_never_nothing() {
        let batches = [0, 1, FILLING, 2 * FILLING, 4 * FILLING, 100_000].map(most);
        assert_eq!(batches, [TOGETHER, TOGETHER, TOGETHER, TOGETHER / 2, TOGETHER / 4, LEAST]);
    }
}
