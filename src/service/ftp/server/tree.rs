//! Tree transfers at the server: small messages are handled and answered in batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::ServerConnection;
use super::batch::{Batch, gather};
use crate::base::Held;
use crate::base::escape::escape_line;
use crate::net::errors::malformed;
use crate::report::Failure;
use crate::service::files::disk::Space;
use crate::service::files::errors::list_not_read;
use crate::service::files::protocol::{Entries, Lost, Walk};
use crate::service::files::root::Folder;
use crate::service::files::walk::{Step, Wanted, walk};
use crate::service::ftp::budgets::ANSWERS;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{FETCH, FOLDER, Flags, LINK, Message, OFFER, SMALL, SMALL_LIMIT};
use crate::service::ftp::storage::small::{self, BatchWriter};
use crate::service::ftp::transfer::told_rate::ToldRate;
use crate::service::ftp::transfer::{by_disk, pace, rate_limit, small_limit};
use crate::wire::Frame;

/// Most bytes of small files, and one file, that wait for one client to read them.
const ANSWER_BYTES: usize = 512 << 10;
/// The client gets an answer at least this often, however slow the transfer is.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Walks at once: each holds a thread while its client reads.
static WALKS: Semaphore = Semaphore::const_new(8);
/// A client that accepts no page of a walk for this long is disconnected: it holds a thread and memory.
const PAGE_TIME: Duration = Duration::from_secs(10);
/// Minimum rate, in bytes/s, at which a client must read a walk that takes longer than [`PAGE_TIME`].
const WALK_RATE: u64 = 64 << 10;
/// Pages of a list that wait for the network.
const PAGES: usize = 4;

/// Reads the files that the first messages ask for, until there are `most` bytes; the messages are taken out. `first`: the
/// number of the first; `limit`: a larger one would be a burst beyond the rate limit.
fn read_some(
    folder: &Folder,
    messages: &mut VecDeque<Message>,
    (first, limit, most): (u64, u64, usize),
) -> Vec<Result<Message, Failure>> {
    let (mut answers, mut held) = (Vec::new(), 0);
    while held < most
        && let Some(message) = messages.pop_front()
    {
        let Message::Fetch { known, name } = message else {
            answers.push(Err(errors::not_a_fetch()));
            continue;
        };
        let index = first + answers.len() as u64;
        answers.push(small::read(folder, &name, name.clone(), Flags::default()).map(|(label, bytes)| {
            if known == Some(label.hash) {
                return Message::Same;
            }
            if bytes.len() as u64 > limit {
                return Message::Wanted { replaces: false, index };
            }
            held += bytes.len();
            Message::Small { label, bytes }
        }));
    }
    answers
}

impl ServerConnection {
    /// Gathers messages of these kinds that have arrived already, beginning with `first`.
    async fn together(&mut self, first: Message, kinds: &[u8]) -> Result<(Vec<Message>, Held), Failure> {
        let incoming = &mut self.connection.incoming;
        let Batch { messages, held, ahead } = gather(incoming, first, kinds, &mut self.tally.busy).await?;
        self.read_ahead = ahead;
        Ok((messages, held))
    }

    /// Handles FOLDER, SMALL, LINK and OFFER.
    pub(crate) async fn keep(&mut self, first: Message) -> Result<(), Failure> {
        let (messages, held) = self.together(first, &[FOLDER, SMALL, LINK, OFFER]).await?;
        let keeper = self.tally.keeper.take();
        let mut keeper = keeper.unwrap_or_else(|| self.server.keeper());
        if let Some(failure) = self.server.objection() {
            let first = keeper.taken;
            keeper.taken += messages.len() as u64;
            let denied = (first..keeper.taken).map(|index| (index, failure.clone())).collect();
            return self.answer_kept(keeper, denied).await;
        }
        let bytes = |message: &Message| match message {
            Message::Small { bytes, .. } => bytes.len() as u64,
            _ => 0,
        };
        let bytes = messages.iter().map(bytes).sum();
        self.session.count_in(bytes);
        self.tally.space.used(bytes);
        if let Some(until) = self.session.pace(bytes) {
            self.pause(until, keeper.settled()).await?;
        }
        let (keeper, denied) = by_disk(&self.session, move || {
            let denied = keeper.take(messages);
            drop(held);
            (keeper, denied)
        })
        .await?;
        self.answer_kept(keeper, denied).await
    }

    /// Waits for the rate limit; a TAKEN now and then shows the client that the server is alive.
    async fn pause(&mut self, until: Instant, settled: u64) -> Result<(), Failure> {
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + SAY_EVERY).into()).await;
            self.connection.outgoing.send_now(Message::Taken { count: settled }.encode()).await?;
        }
        Ok(())
    }

    /// Handles SYNC: pending files are synced and get their names.
    pub(crate) async fn sync(&mut self) -> Result<(), Failure> {
        let keeper = self.tally.keeper.take();
        let mut keeper = keeper.unwrap_or_else(|| self.server.keeper());
        if let Some(until) = self.session.owed() {
            self.pause(until, keeper.settled()).await?;
        }
        let (mut keeper, denied) = by_disk(&self.session, move || {
            let denied = keeper.settle();
            (keeper, denied)
        })
        .await?;
        if keeper.files > 0 {
            let (files, bytes) = (std::mem::take(&mut keeper.files), std::mem::take(&mut keeper.bytes));
            self.session.log("received", format!("{} {files} small files: {bytes} bytes", self.client));
        }
        self.answer_kept(keeper, denied).await?;
        self.connection.outgoing.send_now(Message::Sync.encode()).await
    }

    /// True if files wait for a sync; they hold locks and descriptors.
    pub(crate) fn has_pending(&self) -> bool {
        self.tally.keeper.as_ref().is_some_and(BatchWriter::has_pending)
    }

    /// Called when the client sends nothing for a while: pending files are synced and answered.
    pub(crate) async fn settle_and_say(&mut self) -> Result<(), Failure> {
        let Some(mut keeper) = self.tally.keeper.take() else { return Ok(()) };
        let (keeper, denied) = by_disk(&self.session, move || {
            let denied = keeper.settle();
            (keeper, denied)
        })
        .await?;
        self.answer_kept(keeper, denied).await
    }

    /// Syncs pending files at the end of a connection, when nobody waits for an answer any more.
    pub(crate) async fn settle(&mut self) {
        if let Some(mut keeper) = self.tally.keeper.take() {
            drop(by_disk(&self.session, move || keeper.settle()).await);
        }
    }

    async fn answer_kept(
        &mut self,
        mut keeper: BatchWriter,
        denied: Vec<small::Denied>,
    ) -> Result<(), Failure> {
        for (index, failure) in denied {
            self.session.log("refused", format!("{} file {index} of a folder: {failure}", self.client));
            let denied = Message::Denied { index, code: failure.code, why: failure.why };
            self.connection.outgoing.send(denied.encode()).await?;
        }
        for (index, replaces) in keeper.take_wanted() {
            self.connection.outgoing.send(Message::Wanted { replaces, index }.encode()).await?;
        }
        let taken = Message::Taken { count: keeper.settled() };
        self.tally.keeper = Some(keeper);
        self.tell_rate().await?;
        self.connection.outgoing.send_now(taken.encode()).await
    }

    /// Handles FETCH: reads batches of small files and sends them. What waits to be sent is bounded: the client may never
    /// read it.
    pub(crate) async fn fetch(&mut self, first: Message) -> Result<(), Failure> {
        let (messages, _held) = self.together(first, &[FETCH]).await?;
        let mut messages = VecDeque::from(messages);
        while !messages.is_empty() {
            let folder = self.server.folder.clone();
            let (first, limit) = (self.tally.fetched, small_limit(rate_limit(&self.session, &self.asked)));
            let held = ANSWERS.take_some(SMALL_LIMIT as usize, ANSWER_BYTES);
            let most = held.bytes();
            let read = move || (read_some(&folder, &mut messages, (first, limit, most)), messages);
            let (answers, rest) = by_disk(&self.session, read).await?;
            messages = rest;
            for answer in answers {
                self.send_fetched(answer).await?;
            }
        }
        self.connection.outgoing.flush().await
    }

    async fn send_fetched(&mut self, answer: Result<Message, Failure>) -> Result<(), Failure> {
        let index = self.tally.fetched;
        self.tally.fetched += 1;
        let answer = match answer {
            Ok(small) => small,
            Err(failure) => Message::Denied { index, code: failure.code, why: failure.why },
        };
        if let Message::Small { bytes, .. } = &answer {
            self.session.count_out(bytes.len() as u64);
            let length = bytes.len() as u64;
            if let Some(pause) = pace(&self.session, &self.asked, length) {
                self.connection.outgoing.flush().await?;
                tokio::time::sleep_until(pause.into()).await;
            }
        }
        self.connection.outgoing.send(answer.encode()).await
    }

    /// Handles TREE: refuses a tree that cannot fit or is not accepted, before it travels.
    pub(crate) async fn tree(&mut self, bytes: u64, name: &str) -> Result<(), Failure> {
        let checked = match self.server.objection() {
            Some(failure) => Err(failure),
            None => {
                let (server, wanted) = (self.server.clone(), name.to_owned());
                // What is left of the claim of the tree before is free again.
                self.tally.space = Space::default();
                by_disk(&self.session, move || server.claim_room(bytes, &wanted)).await?
            }
        };
        let (exists, space) = match checked {
            Ok(room) => room,
            Err(failure) => return self.refuse(name, &failure).await,
        };
        self.tally.space = space;
        self.tally.told.get_or_insert_with(|| ToldRate::shared(&self.server.senders));
        self.tell_rate().await?;
        let answer = if exists { Message::Same } else { Message::Taken { count: 0 } };
        self.connection.outgoing.send_now(answer.encode()).await
    }

    /// Tells a client that sends a tree its share of the rate limit, if that is news.
    async fn tell_rate(&mut self) -> Result<(), Failure> {
        match self.tally.told.as_mut().and_then(|told| told.news(&self.session)) {
            Some(news) => self.connection.outgoing.send(news.encode()).await,
            None => Ok(()),
        }
    }

    /// Handles WALK: pages are read from the disk as fast as the network takes them.
    pub(crate) async fn walk(&mut self, frame: &Frame) -> Result<(), Failure> {
        let Walk { path, hidden, links } = Walk::decode(frame).map_err(malformed)?;
        let wanted = Wanted { hidden, links };
        self.session.log("listed", format!("{} all below {}", self.client, escape_line(&path)));
        let Ok(_turn) = tokio::time::timeout(PAGE_TIME, WALKS.acquire()).await else {
            let failure = errors::too_many_walks();
            return self.connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await;
        };
        let (began, mut told) = (Instant::now(), 0);
        let (steps, mut read) = mpsc::channel(PAGES);
        let folder: Arc<_> = self.server.folder.clone();
        let walking = self.session.spawn_blocking(move || {
            let out = |step| steps.blocking_send(step).is_ok();
            walk(&folder, &path, wanted, out, || !steps.is_closed())
        });
        while let Some(step) = read.recv().await {
            let frame = match step {
                Step::Page(entries) => Entries { entries, more: true }.encode(),
                Step::Lost(path, failure) => Lost { code: failure.code, path, why: failure.why }.encode(),
            };
            told += frame.body.len() as u64;
            let sent = tokio::time::timeout(PAGE_TIME, self.connection.outgoing.send(frame)).await;
            sent.map_err(|_| list_not_read())??;
            // A slow client holds a turn that others wait for.
            let seconds = began.elapsed().as_secs();
            if seconds > PAGE_TIME.as_secs() && told / seconds < WALK_RATE {
                return Err(list_not_read());
            }
        }
        let last = match walking.await? {
            Ok(count) => count.left_out.encode(),
            Err(failure) => Frame::error(failure.code, &failure.why),
        };
        self.connection.outgoing.send_now(last).await
    }
}
