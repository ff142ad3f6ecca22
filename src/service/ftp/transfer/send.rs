//! Sends one file over one connection: at a client for `send`, and at a server for `get`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::bottleneck::{Clock, judge};
use super::ending::{Side, give_up};
use super::start::{Start, There};
use super::{Awake, COMMIT_LIMIT, Delivered, ProgressTarget, by_disk, last_words, on_disk, take_lane};
use crate::base::{Held, quantity};
use crate::net::errors::{malformed, told, unexpected};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::contract::errors::closed_early;
use crate::service::files::root::Source;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Framing, Message};
use crate::service::ftp::storage::hashes::cache::CACHE_FROM;
use crate::service::ftp::storage::source::{Again, ReadBlock, Reading, give_back, is_crowded};
use crate::session::{Handle, OnWay, RateLimiter};
use crate::wire::time_spent::Spent;
use crate::wire::{Code, frame};

/// Retransmissions are logged at most this often.
const LOG_AFTER: Duration = Duration::from_secs(1);

/// AGAIN requests that are accepted for a file: this many for each of its groups (faults.md row 27), and …
const AGAIN_EACH: u64 = 4;
/// … this many more.
const AGAIN_LIMIT: u64 = 64;
/// Most groups that wait to be sent again.
const WANTED_LIMIT: usize = 1024;

struct Sender<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    shape: Framing,
    watched: Option<ProgressTarget<'a>>,
    asked: &'a RateLimiter,
    sent: u64,
    acked: u64,
    /// Offset at which the next group would continue the present run, and the bytes left of a chunk that began before
    /// it.
    run: u64,
    unfinished: u64,
    /// Chunks that were sent again because their group arrived damaged.
    repeated: u64,
    /// AGAIN requests so far.
    asked_again: u64,
    /// Chunks of groups that replace other content at the receiver; and bytes of holes.
    renewed: u64,
    holes: u64,
    /// How many groups the file has.
    groups: u64,
    /// Groups that the receiver requested again and that are not sent yet.
    wanted: VecDeque<u64>,
    again: Again,
    clock: Clock,
    awake: Awake,
    /// When retransmissions were last logged, and their number at that time.
    logged: (Instant, u64),
    /// What has left and not arrived; how much has arrived.
    on_way: OnWay,
    arrived: u64,
}

/// What follows a batch: a disk job that has begun, or one that begins when the batch has left.
enum Ahead<J> {
    Begun(J),
    Unread(Box<Reading>),
}

/// A file that is to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) source: Source,
    pub(crate) shape: Framing,
    pub(crate) start: Start,
    /// Where the progress is shown, and for what name.
    pub(crate) watched: Option<ProgressTarget<'a>>,
    /// The rate that the receiver asked for, with RATE.
    pub(crate) asked: &'a RateLimiter,
    /// The connection is used for others behind this file.
    pub(crate) others_follow: bool,
}

/// Sends a file, and waits until the receiver has stored it. The inner error is about this file alone: the connection goes
/// on, if others follow.
pub(crate) async fn send_file(
    session: &Handle,
    connection: &mut Connection,
    outgoing: Outgoing<'_>,
) -> Result<Result<Delivered, Failure>, Failure> {
    let (side, others_follow) = (Side::Sender { asked: outgoing.asked }, outgoing.others_follow);
    take_lane(session, connection);
    let sent = send_in_lane(session, connection, outgoing).await;
    connection.share();
    match sent {
        Ok(delivered) => Ok(Ok(delivered)),
        Err(failure) if others_follow => give_up(session, connection, side, failure).await,
        Err(failure) => Err(failure),
    }
}

async fn send_in_lane(
    session: &Handle,
    connection: &mut Connection,
    outgoing: Outgoing<'_>,
) -> Result<Delivered, Failure> {
    let Outgoing { source, shape, start, watched, asked, .. } = outgoing;
    let began = Instant::now();
    let size = source.size;
    // The path's counters cover the whole connection: note where this file begins.
    let counted = connection.outgoing.path().map_or((0, 0), |path| (path.sent, path.retransmitted));
    let mut reading = begin_reading(session, source).await?;
    let (there, replaced, _held) = take_start(session, &mut reading, start, watched, size);
    let mut sender = Sender::new((session, connection), shape, (watched, asked), &reading, counted.1);
    let (hash, travelled) = match sender.send_all(reading, there).await {
        Ok(sent) => sent,
        Err(failure) => return Err(sender.reason_of(failure).await),
    };
    let theirs = sender.wait_for_stored(size, hash).await?;
    let ours = sender.clock.of_sender(shape, &sender.connection.outgoing);
    let (elapsed, path) = (began.elapsed(), sender.connection.outgoing.path());
    Ok(Delivered {
        bytes: size,
        hash,
        chunks: sender.sent + sender.renewed,
        acks: sender.acked + sender.renewed,
        resumed: size - travelled - sender.holes,
        there: there.is_some() && travelled == 0,
        replaced,
        retransmitted: path.map_or(0, |path| path.retransmitted - counted.1) + sender.repeated,
        sent: path.map_or(travelled, |path| path.sent - counted.0),
        kernel_drops: path.map_or(0, |path| path.kernel_drops),
        elapsed,
        limited_by: judge(ours, theirs),
    })
}

/// Only large files can have cached hashes, which are read from the disk.
async fn begin_reading(session: &Handle, source: Source) -> Result<Reading, Failure> {
    if source.size < CACHE_FROM {
        return Ok(Reading::new(source));
    }
    by_disk(session, move || Reading::new(source)).await
}

/// Leaves out what the receiver has, and tells the user what is resumed; returns the file that is there, and whether
/// another one is replaced, and what the hashes take of the memory for all.
fn take_start(
    session: &Handle,
    reading: &mut Reading,
    start: Start,
    watched: Option<ProgressTarget<'_>>,
    size: u64,
) -> (Option<There>, bool, Option<Held>) {
    let Start::Have { groups, held, resumed, there, replaces } = start else { return (None, false, None) };
    if there.is_none() {
        say_resuming(session, watched, resumed, size);
    }
    reading.receiver_has(groups);
    (there, replaces, Some(held))
}

impl<'a> Sender<'a> {
    /// `retransmitted`: datagrams that the connection had sent again before this file.
    fn new(
        (session, connection): (&'a Handle, &'a mut Connection),
        shape: Framing,
        (watched, asked): (Option<ProgressTarget<'a>>, &'a RateLimiter),
        reading: &Reading,
        retransmitted: u64,
    ) -> Self {
        Self {
            session,
            connection,
            shape,
            watched,
            asked,
            sent: 0,
            acked: 0,
            run: 0,
            unfinished: 0,
            repeated: 0,
            renewed: 0,
            asked_again: 0,
            holes: 0,
            groups: reading.count(),
            wanted: VecDeque::new(),
            again: reading.again(),
            clock: Clock::start(),
            awake: Awake::since_now(),
            logged: (Instant::now(), retransmitted),
            on_way: session.on_way(),
            arrived: 0,
        }
    }
}

impl Sender<'_> {
    /// Sends what the receiver lacks; returns the hash of the whole, and how many bytes travelled.
    async fn send_all(
        &mut self,
        reading: Reading,
        there: Option<There>,
    ) -> Result<(blake3::Hash, u64), Failure> {
        let read = |mut reading: Reading| move || (reading.next(), reading);
        let (mut ahead, mut travelled) = (Ahead::Unread(Box::new(reading)), 0);
        loop {
            let waiting = Instant::now();
            let mut job = match ahead {
                Ahead::Begun(job) => job,
                Ahead::Unread(reading) => on_disk(self.session, read(*reading)).await,
            };
            let (batch, reading) = job.done().await?;
            self.clock.disk += waiting.elapsed();
            let batch = batch?;
            if there == Some(There::MustBeSame) && !batch.pieces.is_empty() {
                return Err(errors::another_file_exists());
            }
            let last = batch.last;
            let root = if last { reading.root() } else { None };
            ahead = if last || is_crowded() {
                Ahead::Unread(Box::new(reading))
            } else {
                Ahead::Begun(on_disk(self.session, read(reading)).await)
            };
            if batch.pieces.is_empty() && !last {
                self.send_heartbeat().await?;
            }
            travelled += self.send_groups(batch.pieces).await?;
            if last {
                let hash = root.ok_or_else(errors::group_not_read)?;
                self.send_end(hash).await?;
                return Ok((hash, travelled));
            }
        }
    }

    /// Comparing may take long: an empty HASHES shows the receiver that the sender is alive.
    async fn send_heartbeat(&mut self) -> Result<(), Failure> {
        let nothing = Message::Hashes { first: 0, hashes: Vec::new() };
        self.connection.outgoing.send_now(nothing.encode()).await
    }

    async fn send_end(&mut self, hash: blake3::Hash) -> Result<(), Failure> {
        let spent = self.clock.of_sender(self.shape, &self.connection.outgoing);
        self.connection.outgoing.send_now(Message::End { hash: hash.into(), spent }.encode()).await
    }

    /// Sends the groups of a batch, and those that the receiver wants again; returns how many bytes travelled.
    async fn send_groups(&mut self, pieces: Vec<ReadBlock>) -> Result<u64, Failure> {
        let mut travelled = 0;
        for piece in pieces {
            travelled += if piece.hole { 0 } else { piece.bytes.len() as u64 };
            self.send_group(piece).await?;
        }
        self.listen().await?;
        self.send_wanted().await?;
        Ok(travelled)
    }

    /// Sends a group: its hash, then its bytes in chunks, as the window allows.
    async fn send_group(&mut self, piece: ReadBlock) -> Result<(), Failure> {
        if piece.anew {
            self.connection.outgoing.send(Message::Anew { group: piece.index }.encode()).await?;
        }
        let hashes = Message::Hashes { first: piece.index, hashes: vec![piece.hash] };
        self.connection.outgoing.send(hashes.encode()).await?;
        if piece.hole {
            return self.send_hole(&piece).await;
        }
        if piece.anew {
            let chunks = (piece.bytes.len() as u64).div_ceil(u64::from(self.shape.chunk));
            self.renewed += chunks;
            self.send_part(piece.offset, piece.bytes).await?;
            return Ok(());
        }
        // Chunks are counted from the start of a run, across the boundaries of groups.
        if self.run != piece.offset {
            self.unfinished = 0;
        }
        self.run = piece.offset + piece.bytes.len() as u64;
        let (mut offset, mut rest) = (piece.offset, piece.bytes.clone());
        while !rest.is_empty() {
            let most = self.most().await?;
            let part = rest.split_to(rest.len().min(most as usize));
            let length = part.len() as u64;
            self.send_part(offset, part).await?;
            self.count_chunks(length);
            offset += length;
        }
        give_back(piece.bytes);
        Ok(())
    }

    /// Sends HOLE for a group. Its chunks count as if they had travelled, and do not end a run; the window does not
    /// apply.
    async fn send_hole(&mut self, piece: &ReadBlock) -> Result<(), Failure> {
        if self.run != piece.offset {
            self.unfinished = 0;
        }
        let length = piece.bytes.len() as u64;
        self.run = piece.offset + length;
        self.holes += length;
        self.count_chunks(length);
        self.connection.outgoing.send(Message::Hole { group: piece.index }.encode()).await?;
        self.listen().await
    }

    /// How many bytes may be sent now: the rest of a chunk, or whole chunks as the window allows.
    async fn most(&mut self) -> Result<u64, Failure> {
        let chunk = u64::from(self.shape.chunk);
        if self.unfinished > 0 {
            return Ok(self.step(self.unfinished, chunk));
        }
        loop {
            let room = u64::from(self.shape.window).saturating_sub(self.sent - self.acked);
            if room > 0 {
                return Ok(self.step(room.saturating_mul(chunk), chunk));
            }
            self.wait_for_ack().await?;
        }
    }

    fn count_chunks(&mut self, length: u64) {
        let chunk = u64::from(self.shape.chunk);
        let fresh = length.saturating_sub(self.unfinished);
        self.unfinished = self.unfinished.saturating_sub(length);
        if fresh > 0 {
            self.sent += fresh.div_ceil(chunk);
            self.unfinished = fresh.next_multiple_of(chunk) - fresh;
        }
    }

    async fn send_part(&mut self, offset: u64, part: Bytes) -> Result<(), Failure> {
        let (length, chunk) = (part.len() as u64, self.shape.chunk as usize);
        self.pace(length).await?;
        let waiting = Instant::now();
        self.connection.outgoing.send_blocks(offset, part, chunk).await?;
        self.clock.network += waiting.elapsed();
        self.session.count_out(length);
        self.on_way.leave(length);
        Ok(())
    }

    /// How many of `most` bytes are sent at once under the session's limit and the receiver's.
    fn step(&self, most: u64, chunk: u64) -> u64 {
        self.asked.step(self.session.limit_step(most, chunk), chunk)
    }

    /// Waits as the limits want it, and takes meanwhile what the receiver says: under a low limit a group takes long.
    async fn pace(&mut self, bytes: u64) -> Result<(), Failure> {
        let (ours, theirs) = (self.session.pace(bytes), self.asked.take(bytes, Instant::now()));
        if let Some(pause) = ours.max(theirs) {
            let waiting = Instant::now();
            // Queued data travels during the pause.
            drop(self.connection.outgoing.flush().await);
            tokio::time::sleep_until(pause.into()).await;
            *(if theirs > ours { &mut self.clock.asked } else { &mut self.clock.limit }) += waiting.elapsed();
            self.listen().await?;
        }
        Ok(())
    }

    /// Handles messages from the receiver without waiting until the window is full: its disk may be full.
    async fn listen(&mut self) -> Result<(), Failure> {
        while let Some(message) = self.connection.incoming.next_now().await {
            self.take(message?.ok_or_else(|| closed_early("the peer"))?)?;
        }
        Ok(())
    }

    async fn wait_for_ack(&mut self) -> Result<(), Failure> {
        self.connection.outgoing.flush().await?;
        let waiting = Instant::now();
        let message = self.connection.incoming.expect(SILENCE_LIMIT, "acknowledgement").await?;
        self.clock.window += waiting.elapsed();
        self.take(message)
    }

    /// Logs the number of retransmissions now and then, if it grew.
    fn log_repeats(&mut self) {
        let (last, before) = self.logged;
        if last.elapsed() < LOG_AFTER || self.watched.as_ref().is_none_or(|watched| watched.guest.is_some()) {
            return;
        }
        let Some(path) = self.connection.outgoing.path() else { return };
        self.logged = (Instant::now(), path.retransmitted);
        if path.retransmitted > before {
            let (new, all) = (path.retransmitted - before, path.retransmitted);
            self.session.log("repeated", format!("{new} sent again, {all} so far"));
        }
    }

    fn take(&mut self, message: Wire) -> Result<(), Failure> {
        match message {
            Wire::Frame(frame) if frame.kind == frame::ERROR => Err(told(&frame)),
            Wire::Frame(frame) => match Message::decode(&frame).map_err(malformed)? {
                Message::Ack { chunks, bytes } if chunks >= self.acked && chunks <= self.sent => {
                    self.acked = chunks;
                    self.on_way.arrive(bytes.saturating_sub(self.arrived));
                    self.arrived = bytes;
                    // Progress is what arrived: queued bytes may stay on this machine for a long time.
                    if let Some(watched) = &self.watched {
                        watched.progress(self.session, bytes);
                    }
                    self.log_repeats();
                    Ok(())
                }
                Message::Again { group }
                    if group < self.groups
                        && self.wanted.len() < WANTED_LIMIT
                        && self.asked_again < AGAIN_LIMIT + self.groups * AGAIN_EACH =>
                {
                    self.asked_again += 1;
                    self.wanted.push_back(group);
                    Ok(())
                }
                Message::Rate { limit } => {
                    self.asked.set(limit);
                    Ok(())
                }
                _ => Err(unexpected("the peer")),
            },
            Wire::Block { .. } => Err(unexpected("the peer")),
        }
    }

    /// Row 27: sends groups again that arrived damaged.
    async fn send_wanted(&mut self) -> Result<(), Failure> {
        while let Some(index) = self.wanted.pop_front() {
            let again = self.again.clone();
            let piece = by_disk(self.session, move || again.read(index)).await??;
            let text = format!("group at offset {} arrived damaged and is sent again", piece.offset);
            self.session.log("repeated", text);
            // The receiver reopened the group when it asked: its chunks do not count a second time.
            self.repeat(piece).await?;
        }
        Ok(())
    }

    async fn repeat(&mut self, piece: ReadBlock) -> Result<(), Failure> {
        let hashes = Message::Hashes { first: piece.index, hashes: vec![piece.hash] };
        self.connection.outgoing.send(hashes.encode()).await?;
        let (length, chunk) = (piece.bytes.len() as u64, self.shape.chunk as usize);
        self.connection.outgoing.send_blocks(piece.offset, piece.bytes, chunk).await?;
        self.repeated += length.div_ceil(chunk as u64);
        self.session.count_out(length);
        self.connection.outgoing.flush().await
    }

    /// Waits until the receiver has stored the file under its name; returns the receiver's time statistics.
    async fn wait_for_stored(&mut self, size: u64, hash: blake3::Hash) -> Result<Spent, Failure> {
        let waiting = Instant::now();
        loop {
            let what = "confirmation that the file is stored";
            let message = self.connection.incoming.expect(COMMIT_LIMIT, what).await?;
            if let Wire::Frame(frame) = &message
                && let Ok(Message::Stored { bytes, hash: theirs, spent, .. }) = Message::decode(frame)
            {
                if bytes == size && theirs == *hash.as_bytes() {
                    self.clock.network += waiting.elapsed();
                    return Ok(spent);
                }
                return Err(errors::stored_differently());
            }
            self.take(message)?;
            self.send_wanted().await?;
        }
    }

    /// A write may have failed only because the receiver gave up and said why: its reason is the better message.
    async fn reason_of(&mut self, failure: Failure) -> Failure {
        if failure.code != Code::Broken || self.session.is_cancelled() {
            return self.awake.explain(failure);
        }
        // How the connection ended is better to know than that it ended.
        let reason = last_words(self.connection).await.unwrap_or(failure);
        let reason = self.awake.explain(reason);
        if reason.fix.is_none() && !reason.told {
            return reason.fix("the same command resumes it");
        }
        reason
    }
}

/// Reports `resuming a.bin at 61 % (1.2 GiB of 2.0 GiB)` once, and the resumed bytes beside the progress; not at a
/// server, and not if nothing is resumed.
pub(crate) fn say_resuming(session: &Handle, watched: Option<ProgressTarget<'_>>, resumed: u64, size: u64) {
    let Some(watched) = watched.filter(|watched| resumed > 0 && watched.guest.is_none()) else { return };
    let percent = resumed as f64 * 100.0 / size.max(1) as f64;
    let text = format!(
        "resuming {} at {percent:.0} % ({} of {})",
        crate::base::escape::escape_line(watched.name),
        quantity::show_size(resumed),
        quantity::show_size(size)
    );
    session.tell("resuming", text);
    session.note(format!("{} resumed", quantity::show_size(resumed)));
}
