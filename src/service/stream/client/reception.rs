//! The receiving loop of a film: blocks come in, requests go to the server, until the watcher is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::store::Store;
use crate::base::{Value, quantity};
use crate::net::errors::{malformed, nothing_came, told, unexpected};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::contract::errors::closed_early;
use crate::service::stream::playback::watcher::Watcher;
use crate::service::stream::protocol::{Message, PARITY_PLACE};
use crate::session::Handle;
use crate::wire::frame;

/// How often the fields of the session and its progress are updated.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Maximum messages that are handled together.
const TOGETHER: usize = 64;

/// Contiguous chunks, which are written at once.
#[derive(Default)]
struct Run {
    start: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// True if a chunk at `offset` extends the run. A parity block is always a run of its own.
    fn continues(&self, offset: u64) -> bool {
        !self.bytes.is_empty() && offset == self.start + self.bytes.len() as u64 && offset < PARITY_PLACE
    }

    fn add(&mut self, offset: u64, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.start = offset;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }
}

/// The server's message that all was sent.
pub(crate) struct End {
    /// Chunks that the server cut the file into; one that is sent again may come in pieces.
    pub(crate) chunks: u64,
    pub(crate) resent: u64,
    pub(crate) hash: [u8; 32],
}

/// How watching ended.
pub(crate) struct ViewingEnd {
    /// Every byte has come.
    pub(crate) is_whole: bool,
    /// The watcher has read to the end.
    pub(crate) to_its_end: bool,
    /// The hash of what was read, if the watcher computed it.
    pub(crate) hash: Option<blake3::Hash>,
}

/// The state of a film that is being received.
pub(crate) struct Reception<'a> {
    session: &'a Handle,
    pub(crate) connection: Connection,
    pub(crate) store: Arc<Store>,
    pub(crate) end: Option<End>,
    began: Instant,
    first_byte: Option<Duration>,
    last_byte: Option<Duration>,
    /// The file is kept: the rest is wanted even if the player closes.
    keep: bool,
    /// When something that was requested came last.
    heard: Instant,
    /// What the server reported last: chunks sent, and how many of them again.
    sent: (u64, u64),
    stalls: Option<u64>,
    frames: Option<u64>,
}

impl<'a> Reception<'a> {
    pub(crate) fn new(
        session: &'a Handle,
        connection: Connection,
        store: Arc<Store>,
        keep: bool,
        began: Instant,
    ) -> Self {
        Self {
            session,
            connection,
            store,
            end: None,
            began,
            first_byte: None,
            last_byte: None,
            keep,
            heard: Instant::now(),
            sent: (0, 0),
            stalls: None,
            frames: None,
        }
    }

    /// Receives until everything is here and the watcher is done.
    pub(crate) async fn run(&mut self, mut watcher: Option<Watcher>) -> Result<ViewingEnd, Failure> {
        let mut ticks = tokio::time::interval(SHOW_EVERY);
        let store = self.store.clone();
        let mut hash = None;
        loop {
            let all_here = self.end.is_some() && store.is_complete();
            if all_here {
                self.last_byte.get_or_insert_with(|| self.began.elapsed());
            }
            if watcher.is_none() && (all_here || hash.is_some() && self.end.is_some()) {
                return Ok(ViewingEnd { is_whole: true, to_its_end: true, hash });
            }
            tokio::select! {
                message = self.connection.incoming.next(), if !all_here => self.take_several(message?).await?,
                messages = store.asks(), if !all_here => {
                    for message in messages {
                        self.connection.outgoing.send_now(message.encode()).await?;
                    }
                }
                seen = wait(watcher.as_mut()) => {
                    self.look_at(watcher.as_ref());
                    let saw_all = self.saw_all(watcher.take().as_ref());
                    hash = seen?.filter(|_| store.skipped() == 0);
                    if !self.keep && hash.is_none() && !(self.end.is_some() && store.is_complete()) {
                        self.connection.outgoing.send_now(Message::Done.encode()).await?;
                        return Ok(ViewingEnd { is_whole: false, to_its_end: saw_all, hash: None });
                    }
                }
                _ = ticks.tick() => {
                    self.look_at(watcher.as_ref());
                    self.check_silence()?;
                    self.show();
                    self.hash_ahead();
                }
            }
        }
    }

    /// Hashes what has arrived so far, on a thread for blocking work; only for a file that is kept.
    fn hash_ahead(&self) {
        if self.keep && self.store.wants_hashing() {
            let store = self.store.clone();
            // A failure here occurs again when the hash is computed at the end.
            drop(self.session.spawn_blocking(move || store.hash_on()));
        }
    }

    fn look_at(&mut self, watcher: Option<&Watcher>) {
        if let Some(watcher) = watcher {
            (self.stalls, self.frames) = (watcher.stalls(), watcher.frames());
        }
    }

    /// True if the watcher read to the end. The clock always does; a player may skip parts, so its last position
    /// counts.
    fn saw_all(&self, watcher: Option<&Watcher>) -> bool {
        match watcher {
            Some(Watcher::Player(_)) => self.store.playhead().0 == self.store.size,
            _ => true,
        }
    }

    /// An error if something was requested and nothing has come for `SILENCE_LIMIT`.
    fn check_silence(&mut self) -> Result<(), Failure> {
        if !self.store.is_waiting() {
            self.heard = Instant::now();
        }
        if self.heard.elapsed() < SILENCE_LIMIT {
            return Ok(());
        }
        Err(nothing_came("part of the file", SILENCE_LIMIT))
    }

    /// Handles a message and those that came with it. Contiguous chunks are written at once: with many viewers the
    /// calls are what costs, not the bytes.
    async fn take_several(&mut self, first: Option<Wire>) -> Result<(), Failure> {
        let (mut run, mut next) = (Run::default(), Some(first));
        for _ in 0..TOGETHER {
            match next {
                Some(Some(Wire::Block { offset, bytes })) => {
                    self.heard = Instant::now();
                    // Live: each chunk is late or not by itself.
                    if self.store.is_live() || !run.continues(offset) {
                        self.block(run.start, &run.take())?;
                    }
                    run.add(offset, &bytes);
                }
                Some(message) => {
                    self.block(run.start, &run.take())?;
                    self.take(message)?;
                }
                None => break,
            }
            next = self.connection.incoming.next_now().await.transpose()?;
        }
        self.block(run.start, &run.take())?;
        match next {
            Some(message) => self.take(message),
            None => Ok(()),
        }
    }

    /// Stores a chunk, or parity.
    pub(crate) fn block(&mut self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.first_byte.get_or_insert_with(|| self.began.elapsed());
        self.session.count_in(bytes.len() as u64);
        self.store.put(offset, bytes)
    }

    fn take(&mut self, message: Option<Wire>) -> Result<(), Failure> {
        self.heard = Instant::now();
        match message {
            None => Err(closed_early("the server")),
            Some(Wire::Block { offset, bytes }) => self.block(offset, &bytes),
            Some(Wire::Frame(frame)) if frame.kind == frame::ERROR => Err(told(&frame)),
            Some(Wire::Frame(frame)) => match Message::decode(&frame).map_err(malformed)? {
                Message::Sent { chunks, resent } => {
                    self.sent = (chunks, resent);
                    Ok(())
                }
                Message::Skip { start, end } => self.store.leave_out(&(start..end)),
                Message::End { chunks, resent, hash } => {
                    self.sent = (chunks, resent);
                    self.end = Some(End { chunks, resent, hash });
                    Ok(())
                }
                _ => Err(unexpected("the server")),
            },
        }
    }

    /// From the command to the last byte, or until now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.last_byte.unwrap_or_else(|| self.began.elapsed())
    }

    /// Updates the fields of the session, and the text beside the progress bar.
    pub(crate) fn show(&self) {
        let (playhead, ahead) = self.store.playhead();
        let fields = self.fields();
        self.session.set_all(fields);
        self.session.progress(self.store.covered(), self.store.size);
        let mut words = vec![format!("{} ahead", quantity::show_size(ahead))];
        if let Some(percent) = playhead.saturating_mul(100).checked_div(self.store.size) {
            words.insert(0, format!("at {percent} %"));
        }
        if self.sent.1 > 0 {
            words.push(format!("{} repaired", self.sent.1));
        }
        self.session.note(words.join(", "));
    }

    /// The fields that are known at any time.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        let (playhead, ahead) = self.store.playhead();
        let mut fields = vec![
            ("datagrams", Value::count(self.sent.0)),
            ("lost", Value::count(self.sent.1)),
            ("repaired", Value::count(self.sent.1)),
            ("rebuilt", Value::count(self.store.rebuilt())),
            ("late", Value::count(self.store.late())),
            ("skipped", Value::count(self.store.skipped())),
            ("playhead", Value::count(playhead)),
            ("ahead", Value::count(ahead)),
            ("first_byte_ms", Value::Integer(self.first_byte.unwrap_or_default().as_millis() as i128)),
        ];
        fields.extend(self.stalls.map(|stalls| ("stalls", Value::count(stalls))));
        fields.extend(self.frames.map(|frames| ("frames", Value::count(frames))));
        fields
    }
}

async fn wait(watcher: Option<&mut Watcher>) -> Result<Option<blake3::Hash>, Failure> {
    match watcher {
        Some(watcher) => watcher.wait().await,
        None => std::future::pending().await,
    }
}
