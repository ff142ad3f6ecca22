//! Asking a server for a file.

use crate::base::RangeSet;
use crate::net::Connection;
use crate::net::Message as Wire;
use crate::net::errors::malformed;
use crate::net::errors::nothing_came;
use crate::net::errors::unexpected;
use crate::reliable::PIECE_COST;
use crate::report::Failure;
use crate::service::stream::client::plan::GAP_LIMIT;
use crate::service::stream::errors;
use crate::service::stream::protocol::Message;
use crate::service::stream::protocol::PARITY_PLACE;
use bytes::Bytes;
use std::time::Duration;
use std::time::Instant;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Maximum bytes of blocks held in memory before the server has told the size of the file; the rest must be sent again.
const EARLY_LIMIT: u64 = 8 << 20;

/// The server's answer to OPEN, and the blocks that came before it: blocks overtake frames that are lost.
pub(super) struct Opened {
    pub(super) size: u64,
    /// `None`: unknown.
    pub(super) duration: Option<Duration>,
    /// Blocks that were held, with their offsets.
    pub(super) early: Vec<(u64, Bytes)>,
    /// Ranges that came beyond the limit and were discarded.
    pub(super) dropped: RangeSet,
}

/// Asks for a file and waits until the server has told its size.
pub(super) async fn open(connection: &mut Connection, wish: Message) -> Result<Opened, Failure> {
    connection.request([wish.encode()]).await?;
    let (mut early, mut dropped, mut held) = (Vec::new(), RangeSet::new(), 0);
    // Blocks do not extend the time limit: a server that never tells the size of the file times out.
    let until = Instant::now() + ANSWER_LIMIT;
    let frame = loop {
        match connection.incoming.expect(ANSWER_LIMIT, "answer").await? {
            Wire::Frame(frame) => break frame,
            Wire::Block { .. } if Instant::now() > until => return Err(nothing_came("answer", ANSWER_LIMIT)),
            Wire::Block { offset, bytes } if held + bytes.len() as u64 + PIECE_COST <= EARLY_LIMIT => {
                held += bytes.len() as u64 + PIECE_COST;
                early.push((offset, bytes));
            }
            Wire::Block { offset, .. } if offset >= PARITY_PLACE => {}
            Wire::Block { offset, bytes } => {
                dropped.insert_range(offset..offset.saturating_add(bytes.len() as u64));
                if dropped.pieces() > GAP_LIMIT {
                    return Err(errors::too_many_gaps());
                }
            }
        }
    };
    match Message::decode(&frame).map_err(malformed)? {
        Message::Info { size, .. } if size >= PARITY_PLACE => Err(errors::impossible_size()),
        Message::Info { size, milliseconds } => {
            let duration = (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
            Ok(Opened { size, duration, early, dropped })
        }
        _ => Err(unexpected("the server")),
    }
}
