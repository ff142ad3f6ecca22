//! A file that one of the two sides gives up while others follow over the same connection. Both sides say ERROR, once each,
//! whoever begins; whatever else comes of the file until then is dropped (docs/protocol.md, 4.4).

use std::time::Instant;

use super::{COMMIT_LIMIT, MinimumRate};
use crate::net::errors::{as_frame, malformed, nothing_came, unexpected};
use crate::net::{BlockSink, Connection, Received, SILENCE_LIMIT, take_turns};
use crate::report::Failure;
use crate::service::contract::errors::closed_early;
use crate::service::ftp::protocol::Message;
use crate::session::{Handle, RateLimiter};
use crate::wire::Code;
use crate::wire::frame::{ERROR, Frame};

/// Besides twice the size of the file, since groups may be under way that were asked for again, a sender may send so many
/// bytes before it answers ERROR.
const BEHIND_ERROR: u64 = 1 << 20;

/// How far a file is, for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// READY was not said: ERROR is an answer, and the sender has nothing to end.
    Asked,
    /// The sender may send blocks.
    Open,
}

/// Which side of the file this is.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    /// The rate that the receiver asks for is in `asked`.
    Sender { asked: &'a RateLimiter },
    /// Of a file of `size` bytes.
    Receiver { stage: Stage, size: u64 },
}

/// True for a failure of one file, after which its connection goes on.
pub(crate) const fn is_about_the_file(failure: &Failure) -> bool {
    matches!(
        failure.code,
        Code::Missing | Code::Exists | Code::Policy | Code::Disk | Code::Full | Code::Changed
    )
}

/// What the peer has answered to a request. The inner error: it has said ERROR, and the connection goes on; CLOSE has a
/// code and words too.
pub(crate) fn answered<T>(
    answer: Result<T, Failure>,
    connection: &Connection,
) -> Result<Result<T, Failure>, Failure> {
    match answer {
        Err(failure) if failure.told && !connection.outgoing.has_ended() => Ok(Err(failure)),
        answer => answer.map(Ok),
    }
}

/// Gives a file up together with the other side. The inner error is the failure, and the connection goes on.
///
/// # Errors
/// The failure, if it is not about this file alone, or if the connection ends.
pub(super) async fn give_up<T>(
    session: &Handle,
    connection: &mut Connection,
    side: Side<'_>,
    failure: Failure,
) -> Result<Result<T, Failure>, Failure> {
    if !is_about_the_file(&failure) || connection.outgoing.has_ended() {
        return Err(failure);
    }
    let words = async {
        // If the connection is broken, that shows at the next message.
        drop(connection.outgoing.send_behind_blocks(as_frame(&failure)).await);
        let is_over = failure.told || matches!(side, Side::Receiver { stage: Stage::Asked, .. });
        if is_over { Ok(()) } else { hear_out(connection, side).await }
    };
    match session.unless_cancelled(words).await {
        Ok(()) => Ok(Err(failure)),
        Err(end) => Err(Failure { why: format!("{}; then {}", failure.why, end.why), ..end }),
    }
}

/// Drops what comes before the other side's ERROR.
async fn hear_out(connection: &mut Connection, side: Side<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    let (mut dropped, mut pace, mut all) = (Dropped::default(), MinimumRate::new(began), 0);
    loop {
        let (patience, limit) = match side {
            // The receiver answers when its disk has what came before.
            Side::Sender { .. } => (COMMIT_LIMIT.saturating_sub(began.elapsed()), COMMIT_LIMIT),
            Side::Receiver { .. } => (SILENCE_LIMIT, SILENCE_LIMIT),
        };
        let message = tokio::time::timeout(patience, connection.incoming.next_into(&mut dropped)).await;
        let bytes = match message.unwrap_or_else(|_| Err(nothing_came("answer to ERROR", limit)))? {
            Some(Received::Bytes) => std::mem::take(&mut dropped.bytes),
            Some(Received::Frame(frame)) if frame.kind == ERROR => {
                return frame.read_error().map(drop).map_err(malformed);
            }
            Some(Received::Frame(frame)) => heed(&frame, side),
            None => return Err(closed_early("the peer")),
        };
        if let Side::Receiver { size, .. } = side {
            all += bytes;
            if all > size.saturating_mul(2).saturating_add(BEHIND_ERROR) {
                return Err(unexpected("the peer"));
            }
            pace.count(bytes, Instant::now(), None)?;
        }
        take_turns(bytes).await;
    }
}

/// A rate limit is for the whole connection. Returns the bytes of the frame.
fn heed(frame: &Frame, side: Side<'_>) -> u64 {
    if let Side::Sender { asked } = side
        && let Ok(Message::Rate { limit }) = Message::decode(frame)
    {
        asked.set(limit);
    }
    frame.body.len() as u64
}

/// Where blocks go that nobody wants.
struct Dropped {
    room: Box<[u8]>,
    bytes: u64,
}

impl Default for Dropped {
    fn default() -> Self {
        Self { room: vec![0; 64 << 10].into(), bytes: 0 }
    }
}

impl BlockSink for Dropped {
    fn room(&mut self, _offset: u64, length: usize) -> Result<&mut [u8], Failure> {
        let most = length.min(self.room.len());
        Ok(&mut self.room[..most])
    }

    fn landed(&mut self, _offset: u64, length: usize) -> Result<(), Failure> {
        self.bytes += length as u64;
        Ok(())
    }
}
