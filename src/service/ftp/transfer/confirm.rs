//! What a receiver says about what it has: groups of a part, a whole file that may be identical to the offered one, and
//! that a file is stored.

use std::time::{Duration, Instant};

use super::ending::Stage;
use super::{Delivered, by_disk, long_reading};
use crate::base::Transport;
use crate::net::errors::{malformed, unexpected};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::files::disk::RealDisk;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{HASHES_LIMIT, Message};
use crate::service::ftp::storage::part::{Intent, Part, There};
use crate::session::Handle;
use crate::wire::time_spent::Spent;

/// Groups that are hashed between two frames.
const STEP: u64 = 64;

/// What the sender answers about a file that is there.
pub(crate) enum Confirmed {
    Same(Delivered),
    /// The content differs and is to be replaced: the new part, and what the sender sent first for it.
    Differs(Box<Part<RealDisk>>, Wire),
}

/// A file of that name and size is there: sends its hashes, which the sender compares.
pub(crate) async fn confirm(
    session: &Handle,
    (connection, stage): (&mut Connection, &mut Stage),
    there: There<RealDisk>,
    intent: Intent,
) -> Result<Confirmed, Failure> {
    let began = Instant::now();
    let there = send_hashes(session, connection, there).await?;
    let ready = Message::Ready { there: true, replaces: intent.replace, resumed: intent.size };
    connection.outgoing.send_now(ready.encode()).await?;
    *stage = Stage::Open;
    let hash = match hear_answer(connection, heartbeats(there.tree.count()), intent.replace).await? {
        Answer::End(hash) => hash,
        Answer::Other(first) => {
            // Outside the disk queue: all of it is copied.
            let part = session.block(move || there.into_part()).await??;
            return Ok(Confirmed::Differs(Box::new(part), first));
        }
    };
    let root =
        there.tree.root().filter(|root| *root.as_bytes() == hash).ok_or_else(errors::another_file_exists)?;
    // Outside the disk queue: waiting for the disk does not delay other transfers.
    session.block(move || there.confirm().map(|()| there.forget_left())).await??;
    stored(connection, true, intent.size, root, Spent::default()).await;
    let kernel_drops = connection.outgoing.path().map_or(0, |path| path.kernel_drops);
    let elapsed = began.elapsed();
    Ok(Confirmed::Same(Delivered { kernel_drops, elapsed, ..nothing_travelled(intent, root) }))
}

/// What the sender says when it has compared.
enum Answer {
    /// The hash of its file; all groups are the same.
    End([u8; 32]),
    /// What it sends first of another file, which replaces the one that is there.
    Other(Wire),
}

/// Waits for the sender's answer. `beats`: how often it may say before that it is busy comparing.
async fn hear_answer(connection: &mut Connection, mut beats: u64, replace: bool) -> Result<Answer, Failure> {
    loop {
        let first = connection.incoming.expect(SILENCE_LIMIT, "hash of the file").await?;
        let message = match &first {
            Wire::Frame(frame) => Some(Message::decode(frame).map_err(malformed)?),
            // A block of a group that differs has overtaken the word that it does.
            Wire::Block { .. } if connection.transport == Transport::Udp => None,
            Wire::Block { .. } => return Err(unexpected("the peer")),
        };
        match message {
            Some(Message::End { hash, .. }) => return Ok(Answer::End(hash)),
            Some(Message::Hashes { hashes, .. }) if hashes.is_empty() && beats > 0 => beats -= 1,
            None | Some(Message::Anew { .. }) if replace => return Ok(Answer::Other(first)),
            _ => return Err(unexpected("the peer")),
        }
    }
}

/// Sends the hashes of all groups of a file that is there.
async fn send_hashes(
    session: &Handle,
    connection: &mut Connection,
    mut there: There<RealDisk>,
) -> Result<There<RealDisk>, Failure> {
    let count = there.tree.count();
    let mut first = 0;
    while first < count {
        let mut step = long_reading(session, move || (there.hashes(first, STEP), there)).await;
        let (hashes, back) = step.done().await?;
        there = back;
        // A frame for each step, so that the sender does not time out while this side hashes.
        connection.outgoing.send_now(Message::Have { first, hashes: hashes? }.encode()).await?;
        first += STEP;
    }
    Ok(there)
}

/// The result for a file that was there with the same content.
const fn nothing_travelled(intent: Intent, hash: blake3::Hash) -> Delivered {
    Delivered {
        bytes: intent.size,
        hash,
        chunks: 0,
        acks: 0,
        resumed: intent.size,
        there: true,
        replaced: intent.replace,
        retransmitted: 0,
        sent: 0,
        kernel_drops: 0,
        elapsed: Duration::ZERO,
        limited_by: "the disk",
    }
}

/// Sends STORED. The file is stored even if that fails; a broken connection shows at the next message.
pub(crate) async fn stored(
    connection: &mut Connection,
    there: bool,
    bytes: u64,
    hash: blake3::Hash,
    spent: Spent,
) {
    let stored = Message::Stored { there, bytes, hash: hash.into(), spent };
    drop(connection.outgoing.send_now(stored.encode()).await);
}

/// How many empty HASHES frames the sender of a file of `groups` groups may send while it compares.
pub(crate) const fn heartbeats(groups: u64) -> u64 {
    groups / 8 + 16
}

/// Tells the sender `news`, and what is here; if that fails, the part is kept.
pub(crate) async fn offer_part(
    session: &Handle,
    connection: &mut Connection,
    part: Part<RealDisk>,
    (resumed, news): (u64, Option<Message>),
) -> Result<Part<RealDisk>, Failure> {
    let told = async {
        if let Some(news) = news {
            connection.outgoing.send(news.encode()).await?;
        }
        offer(connection, &part, resumed).await
    };
    match session.unless_cancelled(told).await {
        Ok(()) => Ok(part),
        Err(failure) => Err(by_disk(session, move || part.keep(failure)).await?),
    }
}

/// Tells the sender which groups are here (HAVE), and to begin (READY).
async fn offer(connection: &mut Connection, part: &Part<RealDisk>, resumed: u64) -> Result<(), Failure> {
    for run in part.have().chunk_by(|a, b| a + 1 == *b) {
        for indices in run.chunks(HASHES_LIMIT) {
            let hashes = indices.iter().filter_map(|&index| part.tree().get(index)).collect();
            connection.outgoing.send(Message::Have { first: indices[0], hashes }.encode()).await?;
        }
    }
    connection
        .outgoing
        .send_now(Message::Ready { there: false, replaces: part.replaces(), resumed }.encode())
        .await
}
