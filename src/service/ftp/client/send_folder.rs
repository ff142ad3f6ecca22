//! `send DIR`: small files travel as one message each, many in flight at a time; large files travel one by one, as they
//! would alone.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::tree::{TOGETHER, TreeOutcome, WINDOW, closing, stopped_at};
use crate::net::errors::{malformed, told, unexpected};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::files::protocol::{Entry, EntryKind};
use crate::service::files::root::Folder;
use crate::service::files::walk::Count;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Flags, Framing, GroupHash, Message, Mode};
use crate::service::ftp::storage::small;
use crate::service::ftp::transfer::ending::answered;
use crate::service::ftp::transfer::send::{Outgoing, send_file};
use crate::service::ftp::transfer::start::await_ready;
use crate::service::ftp::transfer::{ProgressTarget, by_disk, on_disk, pace, rate_limit, small_limit};
use crate::session::{Handle, RateLimiter};
use crate::wire::frame;

/// Most bytes of small files that wait for an answer.
const WINDOW_BYTES: u64 = 8 << 20;

/// A message that was sent and not yet answered.
struct Unanswered {
    name: String,
    bytes: u64,
    /// Of an OFFER: the hash of the file, which is read again if the server wants it.
    offer: Option<GroupHash>,
}

struct Sending<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    root: Arc<Folder>,
    /// Name of the tree at the server.
    base: String,
    flags: Flags,
    tree: TreeOutcome,
    unanswered: VecDeque<Unanswered>,
    unanswered_bytes: u64,
    /// Index of the first unanswered message.
    first: u64,
    /// Names of the offered files that the server wants.
    wanted: Vec<String>,
    synced: bool,
    total: u64,
    /// The rate that the server asks for.
    asked: RateLimiter,
}

/// The content of a local folder.
pub(crate) struct FolderEntry {
    pub(crate) root: Arc<Folder>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) count: Count,
    /// Entries that cannot be read, and why.
    pub(crate) lost: Vec<(String, Failure)>,
}

/// Sends the folder `found` as `base`. `first`: how many tree messages were answered on this connection before. The inner
/// error is a refusal of all of it: the connection goes on.
pub(crate) async fn send_folder(
    session: &Handle,
    connection: &mut Connection,
    (found, base): (FolderEntry, String),
    (shape, flags): (Framing, Flags),
    first: u64,
) -> Result<Result<TreeOutcome, Failure>, Failure> {
    let FolderEntry { root, entries, count, lost } = found;
    let look = root.look();
    let (total, mut tree, asked) = (count.bytes, TreeOutcome::new(count), RateLimiter::default());
    lost.iter().for_each(|(path, failure)| tree.refuse(path, failure));
    let asking = match answered(announce(connection, total, &base, &asked).await, connection)? {
        Ok(asking) => asking,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut sending = Sending {
        session,
        connection,
        root,
        base,
        flags,
        tree,
        unanswered: VecDeque::new(),
        unanswered_bytes: 0,
        first,
        wanted: Vec::new(),
        synced: false,
        total,
        asked,
    };
    match sending.all(&entries, asking, shape, look).await {
        Ok(()) => {
            sending.tree.answered = sending.first;
            Ok(Ok(sending.tree))
        }
        Err(failure) => Err(sending.tree.stopped(failure)),
    }
}

/// Announces the tree, so that the server can refuse it before it travels (rows 5, 14 and 58).
async fn announce(
    connection: &mut Connection,
    bytes: u64,
    name: &str,
    asked: &RateLimiter,
) -> Result<Asking, Failure> {
    connection.request([Message::Tree { bytes, name: name.into() }.encode()]).await?;
    loop {
        let answer = connection.incoming.frame(SILENCE_LIMIT, "answer").await?;
        match Message::decode(&answer).map_err(malformed)? {
            Message::Rate { limit } => asked.set(limit),
            Message::Taken { count: 0 } => return Ok(Asking::Send),
            Message::Same => return Ok(Asking::Offer),
            _ => return Err(unexpected("the server")),
        }
    }
}

/// Whether a file is sent at once, or offered first: if the tree exists at the server, most of it may be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Offer,
    Send,
}

impl Sending<'_> {
    fn path(&self, name: &str) -> String {
        if name.is_empty() { self.base.clone() } else { format!("{}/{name}", self.base) }
    }

    /// Sends everything, and the time and the mode of the folder itself.
    async fn all(
        &mut self,
        entries: &[Entry],
        asking: Asking,
        shape: Framing,
        (modified, mode): (u64, Mode),
    ) -> Result<(), Failure> {
        let small_limit = small_limit(rate_limit(self.session, &self.asked));
        let (small, large): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| entry.kind != EntryKind::File || entry.size <= small_limit);
        self.all_small(&small, asking).await?;
        self.all_large(&large, shape).await?;
        self.finish_folders(entries).await?;
        self.folder("", modified, closing(mode)).await?;
        self.sync().await
    }

    /// Sends the folder itself and what travels as one message; of the files that were only offered, those that the server
    /// wants.
    async fn all_small(&mut self, small: &[&Entry], asking: Asking) -> Result<(), Failure> {
        self.folder("", 0, 0).await?;
        self.small(small, asking).await?;
        self.sync().await?;
        let wanted: HashSet<String> = std::mem::take(&mut self.wanted).into_iter().collect();
        let wanted: Vec<&Entry> =
            small.iter().copied().filter(|entry| wanted.contains(&entry.name)).collect();
        self.small(&wanted, Asking::Send).await?;
        self.sync().await
    }

    /// A folder's time changes when something is stored in it: it is set last, from the innermost folder outwards.
    async fn finish_folders(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        for entry in entries.iter().rev().filter(|entry| entry.is_folder()) {
            if self.tree.is_refused(&entry.name) {
                continue;
            }
            self.folder(&entry.name, entry.modified, closing(entry.mode)).await?;
        }
        Ok(())
    }

    /// Sends folders, links, and the files that travel as one message.
    async fn small(&mut self, small: &[&Entry], asking: Asking) -> Result<(), Failure> {
        let offers = asking == Asking::Offer;
        let mut parts = small.chunks(TOGETHER);
        let mut job = self.read(parts.next().unwrap_or_default(), offers).await;
        loop {
            let messages = job.done().await?;
            let next = parts.next();
            let last = next.is_none();
            job = self.read(next.unwrap_or_default(), offers).await;
            for (name, message) in messages {
                match message {
                    Ok(message) => self.message(&name, message).await?,
                    Err(failure) => self.tree.refuse(&name, &failure),
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Begins to read the next entries, while the present ones travel.
    async fn read(
        &self,
        entries: &[&Entry],
        offers: bool,
    ) -> crate::service::ftp::transfer::Work<Vec<(String, Result<Message, Failure>)>> {
        let entries: Vec<(Entry, String)> =
            entries.iter().map(|entry| ((*entry).clone(), self.path(&entry.name))).collect();
        let (root, flags) = (self.root.clone(), self.flags);
        on_disk(self.session, move || {
            let read = |(entry, path): (Entry, String)| {
                let message = match entry.kind {
                    EntryKind::Folder => Ok(Message::Folder { mode: 0, modified: entry.modified, path }),
                    EntryKind::Link(target) => Ok(Message::Link { replace: flags.replace, path, target }),
                    _ => small::read(&root, &entry.name, path, flags).map(|(label, bytes)| {
                        let size = bytes.len() as u64;
                        if offers { Message::Offer { label, size } } else { Message::Small { label, bytes } }
                    }),
                };
                (entry.name, message)
            };
            entries.into_iter().map(read).collect()
        })
        .await
    }

    async fn folder(&mut self, name: &str, modified: u64, mode: Mode) -> Result<(), Failure> {
        let path = self.path(name);
        self.message(name, Message::Folder { mode, modified, path }).await
    }

    async fn message(&mut self, name: &str, message: Message) -> Result<(), Failure> {
        let (mut travels, mut offer) = (0, None);
        match &message {
            Message::Small { label, bytes } => {
                travels = bytes.len() as u64;
                self.tree.took_small(name, label.hash, travels);
                self.tree.sent_small(travels);
            }
            Message::Offer { label, size } => {
                self.tree.found_small(name, label.hash, *size);
                offer = Some(label.hash);
            }
            _ => {}
        }
        // Answers are read while more is sent, so that the two sides never wait for each other to read.
        while let Some(answer) = self.connection.incoming.next_now().await {
            self.answer(answer?.ok_or_else(errors::closed_in_folder)?)?;
        }
        while self.unanswered.len() >= WINDOW || self.unanswered_bytes > WINDOW_BYTES {
            self.wait().await?;
        }
        if let Some(pause) = pace(self.session, &self.asked, travels) {
            self.connection.outgoing.flush().await?;
            tokio::time::sleep_until(pause.into()).await;
        }
        let bytes = if let Message::Offer { size, .. } = &message { *size } else { travels };
        self.connection.outgoing.send(message.encode()).await?;
        self.session.count_out(travels);
        self.show_progress();
        self.unanswered.push_back(Unanswered { name: name.to_owned(), bytes, offer });
        self.unanswered_bytes += travels;
        Ok(())
    }

    fn show_progress(&self) {
        let done = self.tree.bytes.saturating_sub(self.unanswered_bytes);
        self.session.progress(done.min(self.total), self.total);
        self.session.note(self.tree.so_far());
    }

    /// Waits until everything so far is answered and the server's disk has it.
    async fn sync(&mut self) -> Result<(), Failure> {
        self.connection.outgoing.send_now(Message::Sync.encode()).await?;
        while !std::mem::take(&mut self.synced) {
            self.wait().await?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), Failure> {
        self.connection.outgoing.flush().await?;
        let message = self.connection.incoming.expect(SILENCE_LIMIT, "answer").await?;
        self.answer(message)
    }

    fn answer(&mut self, message: Wire) -> Result<(), Failure> {
        let Wire::Frame(answer) = message else { return Err(unexpected("the server")) };
        if answer.kind == frame::ERROR {
            return Err(told(&answer));
        }
        match Message::decode(&answer).map_err(malformed)? {
            Message::Taken { count } => {
                while self.first < count {
                    let answered = self.unanswered.pop_front().ok_or_else(|| unexpected("the server"))?;
                    let travelled = if answered.offer.is_none() { answered.bytes } else { 0 };
                    self.unanswered_bytes = self.unanswered_bytes.saturating_sub(travelled);
                    self.first += 1;
                }
                self.show_progress();
                Ok(())
            }
            Message::Wanted { replaces, index } => {
                let asked = self.asked(index)?;
                let (name, bytes) = (asked.name.clone(), asked.bytes);
                asked.offer.take().ok_or_else(|| unexpected("the server"))?;
                // The file counts when it is sent.
                asked.bytes = 0;
                self.tree.lost_small(&name, bytes, replaces);
                self.wanted.push(name);
                Ok(())
            }
            Message::Denied { index, code, why } => {
                let asked = self.asked(index)?;
                let (name, bytes, offered) = (asked.name.clone(), asked.bytes, asked.offer.is_some());
                self.tree.denied_small(bytes, offered);
                self.tree.refuse(&name, &crate::net::errors::told_in_words(code, &why));
                Ok(())
            }
            Message::Rate { limit } => {
                self.asked.set(limit);
                Ok(())
            }
            other => self.synced(&other),
        }
    }

    /// Everything so far is answered and on the server's disk.
    fn synced(&mut self, answer: &Message) -> Result<(), Failure> {
        if *answer != Message::Sync || !self.unanswered.is_empty() {
            return Err(unexpected("the server"));
        }
        self.synced = true;
        Ok(())
    }

    /// The unanswered message with this index.
    fn asked(&mut self, index: u64) -> Result<&mut Unanswered, Failure> {
        let place = index.checked_sub(self.first).ok_or_else(|| unexpected("the server"))?;
        self.unanswered.get_mut(place as usize).ok_or_else(|| unexpected("the server"))
    }

    async fn all_large(&mut self, large: &[&Entry], shape: Framing) -> Result<(), Failure> {
        for (n, entry) in large.iter().enumerate() {
            let sent = self.large(entry, shape).await;
            sent.map_err(|failure| stopped_at(&entry.name, failure, large.len() - n - 1, "sent"))?;
        }
        Ok(())
    }

    async fn large(&mut self, entry: &Entry, shape: Framing) -> Result<(), Failure> {
        let (root, path) = (self.root.clone(), entry.name.clone());
        let source = match by_disk(self.session, move || root.source(&path)).await? {
            Ok(source) => source,
            Err(failure) => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
        };
        let (flags, mode) = (self.flags, source.mode);
        let (size, modified, name) = (source.size, source.modified, self.path(&entry.name));
        let put = Message::Put { shape, flags, mode, size, modified, name };
        self.connection.outgoing.send_now(put.encode()).await?;
        let ready = await_ready(self.connection, size, &self.asked).await;
        let start = match answered(ready, self.connection)? {
            Ok(start) => start,
            Err(failure) => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
        };
        let watched =
            ProgressTarget { name: &entry.name, before: self.tree.bytes, total: self.total, guest: None };
        let (watched, asked, others_follow) = (Some(watched), &self.asked, true);
        let outgoing = Outgoing { source, shape, start, watched, asked, others_follow };
        match send_file(self.session, self.connection, outgoing).await? {
            Ok(delivered) => {
                self.tree.took(&entry.name, &delivered);
                self.session.note(self.tree.so_far());
            }
            Err(failure) => self.tree.refuse(&entry.name, &failure),
        }
        Ok(())
    }
}
