//! `send DIR` and `get DIR`: a tree over one connection. Small files travel as one message each, many at a time and
//! without waiting for an answer to each; large ones as they would alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::folder::Folder;
use super::name::Rules;
use super::part::Intent;
use super::receive::{Manner, receive_file};
use super::send::send_file;
use super::small::{self, Keeper};
use super::transfer::{Delivered, by_disk, misplaced, on_disk};
use super::walk::Count;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::net::connection::{malformed, told};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::ftp::{Flags, Message, SMALL_LIMIT, Shape};
use crate::wire::listing::{ENTRIES, Entries, Entry, Walk};
use crate::wire::{Code, Frame, frame};

/// Files that are read or stored in one go.
pub(super) const TOGETHER: usize = 64;
/// Messages that may wait for an answer, and their bytes.
const WINDOW: usize = 1024;
const WINDOW_BYTES: u64 = 8 << 20;
/// Reasons that are shown; the others are counted.
const REASONS: usize = 5;

/// What a tree came to.
#[derive(Debug)]
pub(super) struct Tree {
    /// Of each file: its BLAKE3. The hash of a tree is that of this list, as `b3sum` prints it.
    hashes: BTreeMap<String, blake3::Hash>,
    count: Count,
    refused: Vec<String>,
    refusals: u64,
    bytes: u64,
    resumed: u64,
    retransmitted: u64,
    chunks: u64,
    acks: u64,
    began: Instant,
}

impl Tree {
    fn new(count: Count) -> Self {
        Self {
            hashes: BTreeMap::new(),
            count,
            refused: Vec::new(),
            refusals: 0,
            bytes: 0,
            resumed: 0,
            retransmitted: 0,
            chunks: 0,
            acks: 0,
            began: Instant::now(),
        }
    }

    fn refuse(&mut self, name: &str, failure: &Failure) {
        self.refusals += 1;
        self.hashes.remove(name);
        if self.refused.len() < REASONS {
            self.refused.push(format!("{}: {}", escape_line(name), failure.why));
        }
    }

    fn took(&mut self, name: &str, delivered: &Delivered) {
        self.hashes.insert(name.to_owned(), delivered.hash);
        self.bytes += delivered.bytes;
        self.resumed += delivered.resumed;
        self.retransmitted += delivered.retransmitted;
        self.chunks += delivered.chunks;
        self.acks += delivered.acks;
    }

    fn took_small(&mut self, name: &str, hash: [u8; 32], bytes: u64) {
        self.hashes.insert(name.to_owned(), hash.into());
        self.bytes += bytes;
        self.chunks += 1;
        self.acks += 1;
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (name, hash) in &self.hashes {
            hasher.update(format!("{}  {name}\n", hash.to_hex()).as_bytes());
        }
        hasher.finalize()
    }

    fn rate(&self) -> f64 {
        self.bytes.saturating_sub(self.resumed) as f64 / self.began.elapsed().as_secs_f64().max(1e-6)
    }

    pub(super) fn fields(&self, shape: Shape) -> Vec<(&'static str, Value)> {
        vec![
            ("files", Value::count(self.hashes.len() as u64)),
            ("folders", Value::count(self.count.folders)),
            ("bytes", Value::count(self.bytes)),
            ("blake3", Value::text(self.hash().to_hex().as_str())),
            ("chunk", Value::count(u64::from(shape.chunk))),
            ("chunks", Value::count(self.chunks)),
            ("acks", Value::count(self.acks)),
            ("window", Value::count(u64::from(shape.window))),
            ("resumed", Value::count(self.resumed)),
            ("retransmitted", Value::count(self.retransmitted)),
            ("seconds", Value::seconds(self.began.elapsed())),
            ("rate", Value::Integer(self.rate() as i128)),
            ("limited_by", Value::text("the path or the peer")),
        ]
    }

    pub(super) fn describe(&self) -> String {
        let skipped = match self.count.skipped {
            0 => String::new(),
            n => format!(", {n} links, hidden or special files left out"),
        };
        format!(
            "{} files in {} folders, {} ({} bytes) in {}, {}{skipped}, verified blake3 {}…",
            self.hashes.len(),
            self.count.folders,
            quantity::show_size(self.bytes),
            self.bytes,
            quantity::show_duration(self.began.elapsed()),
            quantity::show_rate(self.rate()),
            &self.hash().to_hex()[..16],
        )
    }

    /// A tree of which a part was refused is a failure that says which.
    pub(super) fn verdict(self) -> Result<Self, Failure> {
        if self.refusals == 0 {
            return Ok(self);
        }
        let all = self.refusals + self.hashes.len() as u64;
        let why = format!("{} of {all} were refused: {}", self.refusals, self.refused.join("; "));
        Err(Failure::new(Code::Policy, why).fix("the others are stored; the same command tries these again"))
    }
}

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
    for entry in entries.iter().filter(|entry| !entry.folder && entry.size > SMALL_LIMIT) {
        sending.large(entry, shape).await?;
    }
    // A folder's time changes with what is put into it: last of all, and from the inside out.
    for entry in entries.iter().rev().filter(|entry| entry.folder) {
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
            entries.iter().filter(|entry| entry.folder || entry.size <= SMALL_LIMIT).collect();
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
            while let Some(message) = self.connection.incoming.next_now().await {
                self.answer(message?.ok_or_else(vanished)?)?;
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
            .map(|entry| (entry.name.clone(), self.path(&entry.name), entry.folder, entry.modified))
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
        let sent = send_file(self.session, self.connection, source, shape, false, Some(&entry.name)).await;
        match sent {
            Ok(delivered) => self.tree.took(&entry.name, &delivered),
            // A refusal is an answer: the connection goes on.
            Err(failure) if failure.told => self.tree.refuse(&entry.name, &failure),
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

/// How much a folder may bring (FAULTS row 24).
#[derive(Clone, Copy, Debug)]
pub(super) struct Accept {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Everything below a folder of the server.
pub(super) async fn list(
    connection: &mut Connection,
    name: &str,
    accept: Accept,
) -> Result<(Vec<Entry>, Count), Failure> {
    connection.outgoing.send_now(Walk { path: name.into() }.encode()).await?;
    let (mut entries, mut count) = (Vec::new(), Count::default());
    loop {
        let frame = connection.incoming.frame(SILENCE_LIMIT, "list of the folder").await?;
        if frame.kind != ENTRIES {
            return Err(misplaced());
        }
        let page = Entries::decode(&frame).map_err(malformed)?;
        for entry in page.entries {
            super::name::components(&entry.name)?;
            count.add(&entry);
            entries.push(entry);
        }
        if count.files + count.folders > accept.files || count.bytes > accept.bytes {
            let why = format!(
                "the folder has more than is accepted: {} files and folders and {} so far; {} and {} are the most",
                count.files + count.folders,
                quantity::show_size(count.bytes),
                accept.files,
                quantity::show_size(accept.bytes)
            );
            return Err(Failure::new(Code::Limit, why).fix("say how much you take: accept N max SIZE"));
        }
        if !page.more {
            return Ok((entries, count));
        }
    }
}

/// Fetches what [`list`] found below the folder `name` of the server into `root`.
pub(super) async fn get_folder(
    session: &Handle,
    connection: &mut Connection,
    (root, name): (Arc<Folder>, &str),
    shape: Shape,
    flags: Flags,
    (entries, count): (Vec<Entry>, Count),
) -> Result<Tree, Failure> {
    let total = count.bytes;
    let quota = Arc::new(super::quota::Quota::new(None));
    let keeper = Keeper::new(root.clone(), Rules::default(), quota);
    let mut getting =
        Getting { session, connection, name, flags, total, keeper: Some(keeper), tree: Tree::new(count) };
    let folders: Vec<(String, Message)> = entries
        .iter()
        .filter(|entry| entry.folder)
        .map(|entry| {
            (entry.name.clone(), Message::Folder { modified: entry.modified, path: entry.name.clone() })
        })
        .collect();
    getting.keep(folders.clone()).await?;
    getting.small(&entries).await?;
    for entry in entries.iter().filter(|entry| !entry.folder && entry.size > SMALL_LIMIT) {
        getting.large(entry, &root, shape).await?;
    }
    getting.keep(folders.into_iter().rev().collect()).await?;
    Ok(getting.tree)
}

struct Getting<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    name: &'a str,
    flags: Flags,
    total: u64,
    keeper: Option<Keeper>,
    tree: Tree,
}

impl Getting<'_> {
    /// Stores what came, and waits for the disk.
    async fn keep(&mut self, messages: Vec<(String, Message)>) -> Result<(), Failure> {
        let Some(mut keeper) = self.keeper.take() else { return Err(misplaced()) };
        let first = keeper.taken;
        let (names, messages): (Vec<String>, Vec<Message>) = messages.into_iter().unzip();
        let store = move || {
            let mut denied = keeper.take(messages);
            denied.extend(keeper.settle());
            (keeper, denied)
        };
        let (keeper, denied) = by_disk(self.session, store).await?;
        self.keeper = Some(keeper);
        for (index, failure) in denied {
            let name = index.checked_sub(first).and_then(|n| names.get(n as usize));
            self.tree.refuse(name.map_or("", String::as_str), &failure);
        }
        Ok(())
    }

    async fn small(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        let small: Vec<&Entry> =
            entries.iter().filter(|entry| !entry.folder && entry.size <= SMALL_LIMIT).collect();
        let (mut asked, mut came, mut store) = (0, 0, Vec::new());
        while came < small.len() {
            while asked < small.len() && asked - came < WINDOW / 4 {
                let name = format!("{}/{}", self.name, small[asked].name);
                self.connection.outgoing.send(Message::Fetch { name }.encode()).await?;
                asked += 1;
            }
            self.connection.outgoing.flush().await?;
            let frame = self.connection.incoming.frame(SILENCE_LIMIT, "file of the folder").await?;
            let name = &small[came].name;
            match Message::decode(&frame).map_err(malformed)? {
                Message::Small { flags, modified, hash, bytes, .. } => {
                    self.session.count_in(bytes.len() as u64);
                    self.tree.took_small(name, hash, bytes.len() as u64);
                    let flags = Flags { executable: flags.executable, ..self.flags };
                    // Under the name that was asked for, whatever the server calls it.
                    let message = Message::Small { flags, modified, hash, name: name.clone(), bytes };
                    store.push((name.clone(), message));
                }
                Message::Denied { code, why, .. } => {
                    self.tree.refuse(name, &crate::net::connection::told_in_words(code, &why));
                }
                _ => return Err(misplaced()),
            }
            came += 1;
            if store.len() >= TOGETHER || came == small.len() {
                self.keep(std::mem::take(&mut store)).await?;
                self.session.progress(self.tree.bytes, self.total);
            }
        }
        Ok(())
    }

    async fn large(&mut self, entry: &Entry, root: &Arc<Folder>, shape: Shape) -> Result<(), Failure> {
        let name = format!("{}/{}", self.name, entry.name);
        self.connection.outgoing.send_now(Message::Get { shape, fresh: false, name }.encode()).await?;
        let answer = match self.connection.incoming.frame(SILENCE_LIMIT, "answer").await {
            Err(failure) if failure.told => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
            answer => answer?,
        };
        let Message::File { executable, size, modified } = Message::decode(&answer).map_err(malformed)?
        else {
            return Err(misplaced());
        };
        let (replace, fast) = (self.flags.replace, self.flags.fast);
        let intent = Intent { replace, fast, executable, ..Intent::new(size, modified) };
        let (folder, path) = (root.clone(), entry.name.clone());
        // The server waits for word: what cannot be received ends the whole.
        let begun = by_disk(self.session, move || folder.begin(&path, intent, Rules::default())).await??;
        let manner = Manner { shape, fresh: false, watched: Some(&entry.name) };
        let delivered = receive_file(self.session, self.connection, begun, intent, manner).await?;
        self.tree.took(&entry.name, &delivered);
        Ok(())
    }
}
