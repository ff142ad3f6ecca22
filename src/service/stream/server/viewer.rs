//! Sends one film to one viewer: each chunk when it is due, until the viewer is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chunker::Chunker;
use super::media_file::{HashOf, MediaFile};
use super::pacing::Budget;
use crate::net::errors::{malformed, unexpected};
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::service::stream::errors::requests_too_scattered;
use crate::service::stream::parity::Encoder;
use crate::service::stream::protocol::{CHUNK_SIZES, Message, Parity, Tempo};
use crate::session::Handle;

/// How often the viewer is told how many chunks were sent, and how many again.
const ACCOUNT_EVERY: Duration = Duration::from_secs(1);

/// Interval between two searches for a place to skip to, if there was none.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a film is to be sent to a viewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) tempo: Tempo,
    /// Parity in percent.
    pub(crate) parity: u8,
    /// Maximum bytes of a chunk on this path.
    pub(crate) cap: u64,
}

impl Wish {
    /// Maximum bytes of a chunk: a parity block is as long as the longest chunk plus the list of what it covers, and
    /// must fit one datagram, too.
    fn cap(self) -> u64 {
        let told = Parity::overhead(Parity::covers(self.parity)) as u64;
        self.cap.min(u64::from(*CHUNK_SIZES.end())).saturating_sub(told).max(1)
    }
}

/// The state of a film that is being sent.
pub(crate) struct ViewerSession<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    film: Arc<MediaFile>,
    chunker: Chunker,
    budget: Budget,
    parity: Encoder,
    hash: HashOf,
    /// The viewer was told that all was sent.
    told_end: bool,
    accounted: Instant,
    /// The viewer ended it before all was sent.
    left_early: bool,
    jumps: u64,
    /// Live: bytes that were left out.
    skipped: u64,
    /// Start of the last part that was left out.
    skips_at: u64,
    /// When to search again for a place where a decoder can go on.
    looks_at: Instant,
}

impl<'a> ViewerSession<'a> {
    pub(crate) fn new(
        session: &'a Handle,
        connection: &'a mut Connection,
        film: Arc<MediaFile>,
        seed: u64,
        wish: Wish,
    ) -> Self {
        let now = Instant::now();
        Self {
            session,
            connection,
            chunker: Chunker::new(film.size, seed, wish.cap()),
            budget: Budget::new(wish.tempo, film.size, film.media.duration, now),
            parity: Encoder::new(wish.parity),
            hash: film.hash(session),
            film,
            told_end: false,
            accounted: now,
            left_early: false,
            jumps: 0,
            skipped: 0,
            skips_at: 0,
            looks_at: now,
        }
    }

    /// What was sent, for the log.
    pub(crate) fn account(&self) -> String {
        let how = if self.left_early { "closed by the viewer after" } else { "sent" };
        let capped = match self.chunker.capped() {
            0 => String::new(),
            capped => format!(", {capped} of them cut to fit a packet"),
        };
        let jumps = if self.jumps > 0 { format!(", {} jumps", self.jumps) } else { String::new() };
        let skipped = match self.skipped {
            0 => String::new(),
            bytes => format!(", {bytes} bytes left out: the path was too slow for them"),
        };
        format!("{how} {}{capped}{jumps}{skipped}", self.chunker.sizes())
    }

    /// The distribution of the sizes of the chunks, for the log.
    pub(crate) fn distribution(&self) -> String {
        self.chunker.sizes().distribution()
    }

    /// Sends until the viewer is done, or leaves.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        loop {
            while let Some(message) = self.connection.incoming.next_now().await {
                if self.has_enough(message?)? {
                    return Ok(());
                }
            }
            self.account_now().await?;
            self.skip().await?;
            let limited = self.session.pace(0);
            if let Some(due) = self.budget.due(Instant::now()).max(limited) {
                if self.listen(Some(due)).await? {
                    return Ok(());
                }
                continue;
            }
            let Some(range) = self.chunker.next() else {
                self.end().await?;
                if self.listen(None).await? {
                    return Ok(());
                }
                self.budget.rest(Instant::now());
                continue;
            };
            let bytes = self.film.read(self.session, &range).await?;
            self.budget.spend(bytes.len() as u64);
            self.session.count_out(bytes.len() as u64);
            self.session.pace(bytes.len() as u64);
            let parity = self.parity.add(range.start, &bytes);
            self.connection.outgoing.send_blocks(range.start, bytes, usize::MAX).await?;
            if let Some((place, bytes)) = parity {
                self.connection.outgoing.send_blocks(place, bytes, usize::MAX).await?;
            }
        }
    }

    /// Waits for a message from the viewer, or until `due`. True if the viewer is done.
    async fn listen(&mut self, due: Option<Instant>) -> Result<bool, Failure> {
        let pause = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.connection.incoming.next() => { let message = message?; self.has_enough(message) }
            () = pause => Ok(false),
        }
    }

    /// Handles a message from the viewer; `None`: it closed. True if the viewer is done.
    fn has_enough(&mut self, message: Option<Wire>) -> Result<bool, Failure> {
        let Some(message) = message else {
            self.left_early = !self.chunker.all_sent();
            return Ok(true);
        };
        let Wire::Frame(frame) = message else { return Err(unexpected("the viewer")) };
        match Message::decode(&frame).map_err(malformed)? {
            Message::Want { offset, until } => {
                if self.chunker.seek(offset, until) {
                    self.jumps += 1;
                    self.skips_at = 0;
                    self.budget.jump();
                }
            }
            Message::Forgot { start, end } => self.chunker.forget(start..end),
            Message::Done => {
                self.left_early = !self.chunker.all_sent();
                return Ok(true);
            }
            _ => return Err(unexpected("the viewer")),
        }
        if self.chunker.is_scattered() {
            return Err(requests_too_scattered());
        }
        Ok(false)
    }

    fn resent(&self) -> u64 {
        self.connection.outgoing.path().map_or(0, |path| path.retransmitted)
    }

    async fn account_now(&mut self) -> Result<(), Failure> {
        if self.told_end || self.accounted.elapsed() < ACCOUNT_EVERY {
            return Ok(());
        }
        self.accounted = Instant::now();
        let sent = Message::Sent { chunks: self.chunker.sizes().chunks(), resent: self.resent() };
        self.connection.outgoing.send_now(sent.encode()).await
    }

    /// Live: a viewer that is too far behind skips to a keyframe; others lose nothing by that (faults.md row 77).
    async fn skip(&mut self) -> Result<(), Failure> {
        let Some(late) = self.budget.too_late() else { return Ok(()) };
        let from = self.chunker.place();
        // The part that was left out last is still ahead.
        if from < self.skips_at || Instant::now() < self.looks_at {
            return Ok(());
        }
        let range = self.film.omission(self.session, from, from.saturating_add(late)).await?;
        // Only whole units can be left out: not if some of it was sent already, after a jump.
        let Some(range) = range.filter(|range| !self.chunker.has_sent_of(range)) else {
            self.looks_at = Instant::now() + LOOK_EVERY;
            return Ok(());
        };
        let left_out = self.chunker.leave_out(&range);
        let bytes = left_out.end - left_out.start;
        self.budget.skipped(bytes.max(late));
        self.skipped += bytes;
        self.skips_at = left_out.start;
        let skip = Message::Skip { start: left_out.start, end: left_out.end };
        self.connection.outgoing.send_now(skip.encode()).await
    }

    /// Once everything was sent, tells the viewer so, with the hash to verify it.
    async fn end(&mut self) -> Result<(), Failure> {
        if self.told_end || !self.chunker.all_sent() {
            return Ok(());
        }
        let hash = self.hash.wait().await?;
        let end =
            Message::End { chunks: self.chunker.sizes().chunks(), resent: self.resent(), hash: hash.into() };
        self.told_end = true;
        self.connection.outgoing.send_now(end.encode()).await
    }
}
