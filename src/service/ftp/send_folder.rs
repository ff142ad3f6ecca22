//! `send DIR`: small files travel as one message each, many at a time and without waiting for an answer to each; large
//! ones as they would alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::folder::Folder;
use super::folders::{TOGETHER, Tree, WINDOW};
use super::send::{await_ready, send_file};
use super::small;
use super::transfer::{by_disk, misplaced, on_disk};
use super::walk::Count;
use crate::net::connection::{malformed, told};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::ftp::{Flags, Message, SMALL_LIMIT, Shape};
use crate::wire::listing::Entry;
use crate::wire::{Code, Frame, frame};

/// Bytes that may wait for an answer.
const WINDOW_BYTES: u64 = 8 << 20;

/// Messages that were sent and not yet answered.
struct Unanswered {
    /// The name, for the reason why not, and the bytes.
    waiting: VecDeque<(String, u64)>,
    bytes: u64,
    /// Index of the first of them.
    first: u64,
}

struct Sending<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    root: Arc<Folder>,
    /// What the tree is called at the server.
    base: String,
    flags: Flags,
    tree: Tree,
    unanswered: Unanswered,
    synced: bool,
    total: u64,
}

/// Sends what is below `root`, as `base`.
pub(super) async fn send_folder(
    session: &Handle,
    connection: &mut Connection,
    (root, base): (Arc<Folder>, String),
    shape: Shape,
    flags: Flags,
    (entries, count): (Vec<Entry>, Count),
) -> Result<Tree, Failure> {
    let modified = root.time();
    let unanswered = Unanswered { waiting: VecDeque::new(), bytes: 0, first: 0 };
    let (total, tree) = (count.bytes, Tree::new(count));
    let mut sending =
        Sending { session, connection, root, base, flags, tree, unanswered, synced: false, total };
    sending.folder("", modified).await?;
    sending.small(&entries).await?;
    sending.sync().await?;
    for entry in entries.iter().filter(|entry| !entry.is_folder() && entry.size > SMALL_LIMIT) {
        sending.large(entry, shape).await?;
    }
    // A folder's time changes with what is put into it: last of all, and from the inside out.
    for entry in entries.iter().rev().filter(|entry| entry.is_folder()) {
        sending.folder(&entry.name, entry.modified).await?;
    }
    sending.folder("", modified).await?;
    sending.sync().await?;
    Ok(sending.tree)
}

impl Sending<'_> {
    fn path(&self, name: &str) -> String {
        if name.is_empty() { self.base.clone() } else { format!("{}/{name}", self.base) }
    }

    /// Folders, and the files that travel as one message.
    async fn small(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        let small: Vec<&Entry> =
            entries.iter().filter(|entry| entry.is_folder() || entry.size <= SMALL_LIMIT).collect();
        let mut parts = small.chunks(TOGETHER);
        let mut job = self.read(parts.next().unwrap_or_default()).await;
        loop {
            let messages = job.done().await?;
            let next = parts.next();
            let last = next.is_none();
            job = self.read(next.unwrap_or_default()).await;
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

    /// Reads the next ones while these travel.
    async fn read(
        &self,
        entries: &[&Entry],
    ) -> super::transfer::Work<Vec<(String, Result<Message, Failure>)>> {
        let names: Vec<(String, String, bool, u64)> = entries
            .iter()
            .map(|entry| (entry.name.clone(), self.path(&entry.name), entry.is_folder(), entry.modified))
            .collect();
        let (root, flags) = (self.root.clone(), self.flags);
        on_disk(self.session, move || {
            let read = |(name, path, folder, modified): (String, String, bool, u64)| {
                let message = if folder {
                    Ok(Message::Folder { modified, path })
                } else {
                    small::read(&root, &name, path, flags)
                };
                (name, message)
            };
            names.into_iter().map(read).collect()
        })
        .await
    }

    async fn folder(&mut self, name: &str, modified: u64) -> Result<(), Failure> {
        let path = self.path(name);
        self.message(name, Message::Folder { modified, path }).await
    }

    async fn message(&mut self, name: &str, message: Message) -> Result<(), Failure> {
        let bytes = match &message {
            Message::Small { bytes, hash, .. } => {
                self.tree.took_small(name, *hash, bytes.len() as u64);
                bytes.len() as u64
            }
            _ => 0,
        };
        // Answers are read while more is sent, so that the two sides never wait for each other to read.
        while let Some(answer) = self.connection.incoming.next_now().await {
            self.answer(answer?.ok_or_else(vanished)?)?;
        }
        while self.unanswered.waiting.len() >= WINDOW || self.unanswered.bytes > WINDOW_BYTES {
            self.wait().await?;
        }
        if let Some(pause) = self.session.pace(bytes) {
            self.connection.outgoing.flush().await?;
            tokio::time::sleep_until(pause.into()).await;
        }
        self.connection.outgoing.send(message.encode()).await?;
        self.session.count_out(bytes);
        self.session.progress(self.tree.bytes, self.total);
        self.unanswered.waiting.push_back((name.to_owned(), bytes));
        self.unanswered.bytes += bytes;
        Ok(())
    }

    /// Everything so far is answered, and the server's disk has it.
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
        let Wire::Frame(answer) = message else { return Err(misplaced()) };
        if answer.kind == frame::ERROR {
            return Err(told(&answer));
        }
        let unanswered = &mut self.unanswered;
        match Message::decode(&answer).map_err(malformed)? {
            Message::Taken { count } => {
                while unanswered.first < count {
                    let (_, bytes) = unanswered.waiting.pop_front().ok_or_else(misplaced)?;
                    unanswered.bytes -= bytes;
                    unanswered.first += 1;
                }
                Ok(())
            }
            Message::Denied { index, code, why } => {
                let place = index.checked_sub(unanswered.first).ok_or_else(misplaced)?;
                let (name, bytes) = unanswered.waiting.get(place as usize).ok_or_else(misplaced)?;
                self.tree.bytes = self.tree.bytes.saturating_sub(*bytes);
                self.tree.refuse(name, &crate::net::connection::told_in_words(code, &why));
                Ok(())
            }
            Message::Sync if unanswered.waiting.is_empty() => {
                self.synced = true;
                Ok(())
            }
            _ => Err(misplaced()),
        }
    }

    async fn large(&mut self, entry: &Entry, shape: Shape) -> Result<(), Failure> {
        let (root, path) = (self.root.clone(), entry.name.clone());
        let source = match by_disk(self.session, move || root.source(&path)).await? {
            Ok(source) => source,
            Err(failure) => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
        };
        let flags = Flags { executable: source.executable, ..self.flags };
        let (size, modified, name) = (source.size, source.modified, self.path(&entry.name));
        let put = Message::Put { shape, flags, size, modified, name };
        self.connection.outgoing.send_now(put.encode()).await?;
        let start = match await_ready(self.connection, size).await {
            Ok(start) => start,
            // A refusal is an answer: the connection goes on.
            Err(failure) if failure.told => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let sent = send_file(self.session, self.connection, source, shape, start, Some(&entry.name)).await;
        match sent {
            Ok(delivered) => self.tree.took(&entry.name, &delivered),
            Err(failure) if failure.code == Code::Exists => {
                self.connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await?;
                self.tree.refuse(&entry.name, &failure);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

fn vanished() -> Failure {
    Failure::new(Code::Broken, "the peer closed the connection in the middle of the folder")
        .fix("the same command goes on there")
}
