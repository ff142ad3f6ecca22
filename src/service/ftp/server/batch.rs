//! Small messages of one client that are handled together.

use crate::base::{Count, Counted, Held};
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
/// Clients that are busy: their last batch had at least [`LEAST`] messages.
static BUSY: Count = Count::new();

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
    busy: &mut Option<Counted>,
) -> Result<Batch, Failure> {
    let most = most(BUSY.now());
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
    *busy = (batch.messages.len() >= LEAST).then(|| busy.take().unwrap_or_else(|| BUSY.add()));
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
