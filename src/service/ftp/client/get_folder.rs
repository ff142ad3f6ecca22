//! `get DIR`: the list first, then the small files, many of them requested at a time, then the large files one by one.

use crate::service::ftp::options::TransferOptions;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tree::{TOGETHER, TreeOutcome, WINDOW, closing, stopped_at};
use crate::net::errors::{as_frame, malformed, told_in_words, unexpected};
use crate::net::{Connection, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::files::disk::Space;
use crate::service::files::name::Rules;
use crate::service::files::protocol::{ENTRIES, Entries, Entry, EntryKind, LOST, Lost, WALKED, Walk, Walked};
use crate::service::files::root::Folder;
use crate::service::files::walk::{Count, Wanted};
use crate::service::ftp::errors;
use crate::service::ftp::options::Accept;
use crate::service::ftp::protocol::{Flags, Framing, GroupHash, Label, Message, Mode};
use crate::service::ftp::storage::part::Intent;
use crate::service::ftp::storage::small::{self, BatchWriter};
use crate::service::ftp::transfer::ending::answered;
use crate::service::ftp::transfer::receive::{ReceiveOptions, receive_file};
use crate::service::ftp::transfer::told_rate::ToldRate;
use crate::service::ftp::transfer::{ProgressTarget, by_disk, small_limit};
use crate::session::Handle;
use crate::wire::Frame;

/// Most bytes of names in unanswered FETCH requests: while these are written, buffers must have room for the answers.
const ASKED_BYTES: usize = 32 << 10;

/// Most bytes of memory that a list may take.
const HELD_LIMIT: usize = 128 << 20;
/// Folders and links that are created in one disk job.
const MADE_TOGETHER: usize = 1024;
/// Most entries that a server may report as unreadable.
const LOST_LIMIT: usize = 100_000;

/// The content of a folder of the server.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) count: Count,
    /// What the server cannot read, and what this machine cannot store.
    lost: Vec<(String, Failure)>,
    /// Bytes of memory that all this takes.
    held: usize,
}

/// Lists everything below a folder of the server.
pub(crate) async fn list(
    connection: &mut Connection,
    name: &str,
    wanted: Wanted,
    accept: Accept,
) -> Result<Listed, Failure> {
    let Wanted { hidden, links } = wanted;
    connection.request([Walk { path: name.into(), hidden, links }.encode()]).await?;
    let mut listed = Listed::default();
    loop {
        let frame = connection.incoming.frame(SILENCE_LIMIT, "list of the folder").await?;
        match frame.kind {
            ENTRIES => listed.add(Entries::decode(&frame).map_err(malformed)?, wanted)?,
            LOST if listed.lost.len() < LOST_LIMIT => {
                let Lost { code, path, why } = Lost::decode(&frame).map_err(malformed)?;
                listed.held += path.len() + why.len();
                listed.lost.push((path, told_in_words(code, &why)));
            }
            WALKED => {
                listed.count.left_out = Walked::decode(&frame).map_err(malformed)?;
                return Ok(listed);
            }
            _ => return Err(unexpected("the server")),
        }
        accept.check(&listed)?;
    }
}

impl Listed {
    /// Adds a page. A name that cannot be stored here is noted as lost; the others go on.
    fn add(&mut self, page: Entries, wanted: Wanted) -> Result<(), Failure> {
        for entry in page.entries {
            self.held += size_of::<Entry>() + entry.name.len();
            if let EntryKind::Link(target) = &entry.kind {
                // Links that were not requested are a protocol violation.
                if !wanted.links {
                    return Err(unexpected("the server"));
                }
                self.held += target.len();
            }
            match crate::service::files::name::components(&entry.name) {
                Ok(_) => {
                    self.count.add(&entry);
                    self.entries.push(entry);
                }
                Err(failure) => self.lost.push((entry.name, failure)),
            }
        }
        Ok(())
    }
}

impl Accept {
    fn check(self, listed: &Listed) -> Result<(), Failure> {
        let Count { files, folders, links, bytes, .. } = listed.count;
        let entries = files + folders + links;
        let too_many = entries > self.files || listed.lost.len() as u64 > self.files;
        if !too_many && bytes <= self.bytes && listed.held <= HELD_LIMIT {
            return Ok(());
        }
        Err(errors::folder_too_large(entries, bytes, self.files, self.bytes))
    }
}

/// Fetches what [`list`] found below the folder `name` of the server into `root`.
pub(crate) async fn get_folder(
    session: &Handle,
    connection: &mut Connection,
    (root, space, name): (Arc<Folder>, Space, &str),
    options: TransferOptions,
    listed: Listed,
) -> Result<TreeOutcome, Failure> {
    let TransferOptions { shape, flags, wanted, .. } = options;
    let Listed { entries, count, lost, .. } = listed;
    let (total, mut tree) = (count.bytes, TreeOutcome::new(count));
    lost.iter().for_each(|(path, failure)| tree.refuse(path, failure));
    let quota = Arc::new(crate::service::ftp::storage::quota::Quota::new(None));
    let rules = Rules { portable: false, hidden: wanted.hidden };
    let keeper = Some(BatchWriter::new(root.clone(), rules, quota));
    let (bursts, told) = (Vec::new(), ToldRate::default());
    let mut getting =
        Getting { session, connection, name, flags, rules, total, keeper, tree, bursts, told, space };
    match getting.all(&entries, &root, shape).await {
        Ok(()) => Ok(getting.tree),
        Err(failure) => Err(getting.tree.stopped(failure)),
    }
}

fn folder_message(entry: &Entry, mode: Mode) -> (String, Message) {
    let message = Message::Folder { mode, modified: entry.modified, path: entry.name.clone() };
    (entry.name.clone(), message)
}

/// `None` if the entry is no link.
fn link_message(entry: &Entry, replace: bool) -> Option<(String, Message)> {
    let EntryKind::Link(target) = &entry.kind else { return None };
    let (path, target) = (entry.name.clone(), target.clone());
    Some((path.clone(), Message::Link { replace, path, target }))
}

/// Small files that came are stored at the latest after this time: whoever stops keeps them.
const KEEP_EVERY: Duration = Duration::from_millis(300);

struct Getting<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    name: &'a str,
    flags: Flags,
    rules: Rules,
    total: u64,
    keeper: Option<BatchWriter>,
    tree: TreeOutcome,
    /// Small files that must be requested with GET: under the server's rate limit one message would be a burst.
    bursts: Vec<Entry>,
    /// The rate that the server was told to keep.
    told: ToldRate,
    /// Space that is claimed for the rest of the folder.
    space: Space,
}

impl Getting<'_> {
    fn path(&self, name: &str) -> String {
        if self.name == "." { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

    /// Makes the folders and links, fetches the files, and gives the folders their time and mode.
    async fn all(&mut self, entries: &[Entry], root: &Arc<Folder>, shape: Framing) -> Result<(), Failure> {
        let folders: Vec<&Entry> = entries.iter().filter(|entry| entry.is_folder()).collect();
        for some in folders.chunks(MADE_TOGETHER) {
            self.keep(some.iter().map(|entry| folder_message(entry, 0)).collect()).await?;
        }
        let replace = self.flags.replace;
        for some in entries.chunks(MADE_TOGETHER) {
            self.keep(some.iter().filter_map(|entry| link_message(entry, replace)).collect()).await?;
        }
        let small_limit = small_limit(self.session.rate_limit());
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let (small, large): (Vec<&Entry>, Vec<&Entry>) = files.partition(|entry| entry.size <= small_limit);
        self.small(&small, root).await?;
        let bursts = std::mem::take(&mut self.bursts);
        let alone: Vec<&Entry> = large.into_iter().chain(bursts.iter()).collect();
        self.all_large(&alone, root, shape).await?;
        for some in folders.rchunks(MADE_TOGETHER) {
            let inmost_first = some.iter().rev();
            self.keep(inmost_first.map(|entry| folder_message(entry, closing(entry.mode))).collect()).await?;
        }
        Ok(())
    }

    /// Stores received messages, and waits for the disk.
    async fn keep(&mut self, messages: Vec<(String, Message)>) -> Result<(), Failure> {
        let Some(mut keeper) = self.keeper.take() else { return Err(unexpected("the server")) };
        let first = keeper.taken;
        let (names, messages): (Vec<String>, Vec<Message>) = messages.into_iter().unzip();
        let store = move || {
            let mut denied = keeper.take(messages);
            // They were here with the content that the server has, and have changed since they were read.
            let changed = keeper.take_wanted().into_iter();
            denied.extend(changed.map(|(index, _)| (index, errors::changed_since_asked())));
            denied.extend(keeper.settle());
            (keeper, denied)
        };
        let (keeper, denied) = by_disk(self.session, store).await?;
        self.tree.set_updated_small(keeper.updated);
        self.keeper = Some(keeper);
        for (index, failure) in denied {
            let name = index.checked_sub(first).and_then(|n| names.get(n as usize));
            self.tree.refuse(name.map_or("", String::as_str), &failure);
        }
        Ok(())
    }

    async fn small(&mut self, small: &[&Entry], root: &Arc<Folder>) -> Result<(), Failure> {
        let (mut asked, mut came, mut on_way, mut store) = (0, 0, 0, Vec::new());
        let (mut known, mut kept_at) = (VecDeque::<Option<GroupHash>>::new(), Instant::now());
        while came < small.len() {
            let room = asked == came || asked - came < WINDOW / 4 && on_way < ASKED_BYTES;
            let may_ask = asked < small.len() && room;
            self.tell_rate().await?;
            if may_ask {
                if known.len() == asked - came {
                    known.extend(self.here(&small[asked..], root).await?);
                }
                on_way += self.fetch(small[asked], known[asked - came]).await?;
                asked += 1;
                continue;
            }
            let frame = self.answer().await?;
            let (entry, here) = (small[came], known.pop_front().flatten());
            on_way = on_way.saturating_sub(self.path(&entry.name).len());
            came += 1;
            store.extend(self.taken(entry, here, &frame)?);
            let waits = kept_at.elapsed() >= KEEP_EVERY;
            if store.len() >= TOGETHER || came == small.len() || waits && !store.is_empty() {
                self.keep(std::mem::take(&mut store)).await?;
                kept_at = Instant::now();
                self.session.progress(self.tree.bytes, self.total);
                self.session.note(self.tree.so_far());
            }
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<Frame, Failure> {
        self.connection.outgoing.flush().await?;
        self.connection.incoming.frame(SILENCE_LIMIT, "file of the folder").await
    }

    /// What is to be stored of an answer; `here`: the hash of what is here already.
    fn taken(
        &mut self,
        entry: &Entry,
        here: Option<GroupHash>,
        frame: &Frame,
    ) -> Result<Option<(String, Message)>, Failure> {
        match Message::decode(frame).map_err(malformed)? {
            Message::Same if here.is_some() => {
                let hash = here.unwrap_or_default();
                self.tree.found_small(&entry.name, hash, entry.size);
                Ok(Some(self.offer_message(entry, hash)))
            }
            Message::Wanted { .. } => {
                self.bursts.push(entry.clone());
                Ok(None)
            }
            message => self.arrived(entry, message),
        }
    }

    /// Requests a small file; returns the bytes of its name.
    async fn fetch(&mut self, entry: &Entry, known: Option<GroupHash>) -> Result<usize, Failure> {
        let name = self.path(&entry.name);
        let length = name.len();
        self.connection.outgoing.send(Message::Fetch { known, name }.encode()).await?;
        Ok(length)
    }

    /// What is to be stored of a file that is here with the same content.
    fn offer_message(&self, entry: &Entry, hash: GroupHash) -> (String, Message) {
        let (flags, mode, modified, name) = (self.flags, entry.mode, entry.modified, entry.name.clone());
        let label = Label { flags, mode, modified, hash, name: name.clone() };
        (name, Message::Offer { label, size: entry.size })
    }

    /// What is to be stored of an answer to FETCH.
    fn arrived(&mut self, entry: &Entry, message: Message) -> Result<Option<(String, Message)>, Failure> {
        let name = &entry.name;
        match message {
            // Row 24: the size must be the one in the list.
            Message::Small { bytes, .. } if bytes.len() as u64 != entry.size => {
                self.tree.refuse(name, &errors::changed_since_listed());
                Ok(None)
            }
            Message::Small { label, bytes } => {
                self.session.count_in(bytes.len() as u64);
                self.space.used(bytes.len() as u64);
                self.tree.took_small(name, label.hash, bytes.len() as u64);
                // The answers come in the order of the questions.
                if label.name != self.path(name) {
                    return Err(unexpected("the server"));
                }
                let label = Label { flags: self.flags, name: name.clone(), ..label };
                Ok(Some((name.clone(), Message::Small { label, bytes })))
            }
            Message::Denied { code, why, .. } => {
                self.tree.refuse(name, &told_in_words(code, &why));
                Ok(None)
            }
            _ => Err(unexpected("the server")),
        }
    }

    /// Hashes of the next files; `None` where there is no local file of that name and size.
    async fn here(&self, entries: &[&Entry], root: &Arc<Folder>) -> Result<Vec<Option<GroupHash>>, Failure> {
        let some: Vec<(String, u64)> =
            entries.iter().take(TOGETHER).map(|entry| (entry.name.clone(), entry.size)).collect();
        let root = root.clone();
        let hash = move |(name, size): (String, u64)| {
            let source = root.source(&name).ok().filter(|source| source.size == size)?;
            small::read_source(source, name, Flags::default()).ok().map(|(label, _)| label.hash)
        };
        by_disk(self.session, move || some.into_iter().map(hash).collect()).await
    }

    /// Tells the server the rate limit, if that is news.
    async fn tell_rate(&mut self) -> Result<(), Failure> {
        match self.told.news(self.session) {
            Some(news) => self.connection.outgoing.send(news.encode()).await,
            None => Ok(()),
        }
    }

    async fn all_large(
        &mut self,
        large: &[&Entry],
        root: &Arc<Folder>,
        shape: Framing,
    ) -> Result<(), Failure> {
        for (n, entry) in large.iter().enumerate() {
            let got = self.large(entry, root, shape).await;
            got.map_err(|failure| stopped_at(&entry.name, failure, large.len() - n - 1, "fetched"))?;
        }
        Ok(())
    }

    async fn large(&mut self, entry: &Entry, root: &Arc<Folder>, shape: Framing) -> Result<(), Failure> {
        let name = self.path(&entry.name);
        self.tell_rate().await?;
        self.connection.outgoing.send_now(Message::Get { shape, fresh: false, name }.encode()).await?;
        let Some((intent, limited)) = self.description_of(entry).await? else { return Ok(()) };
        let (folder, path, rules) = (root.clone(), entry.name.clone(), self.rules);
        // From here on the file claims its own space.
        self.space.used(entry.size);
        let begun = if intent.size == entry.size {
            by_disk(self.session, move || folder.begin(&path, intent, rules)).await?
        } else {
            Err(errors::changed_since_listed())
        };
        let begun = match begun {
            Ok(begun) => begun,
            // The server waits for an answer.
            Err(failure) => {
                self.connection.outgoing.send_now(as_frame(&failure)).await?;
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
        };
        let (before, total) = (self.tree.bytes, self.total);
        let watched = Some(ProgressTarget { name: &entry.name, before, total, guest: None });
        let (told_rate, others_follow) = (self.told.clone(), true);
        let manner = ReceiveOptions { shape, fresh: false, limited, told_rate, watched, others_follow };
        match receive_file(self.session, self.connection, begun, intent, manner).await? {
            Ok(delivered) => {
                self.tree.took(&entry.name, &delivered);
                self.session.note(self.tree.so_far());
            }
            Err(failure) => self.tree.refuse(&entry.name, &failure),
        }
        Ok(())
    }

    /// The server's answer to GET: how the file is to be created, and whether the server limits its rate. `None` if
    /// the file is refused.
    async fn description_of(&mut self, entry: &Entry) -> Result<Option<(Intent, bool)>, Failure> {
        let answer = self.connection.incoming.frame(SILENCE_LIMIT, "answer").await;
        let answer = match answered(answer, self.connection)? {
            Ok(answer) => answer,
            Err(failure) => {
                self.tree.refuse(&entry.name, &failure);
                return Ok(None);
            }
        };
        match Message::decode(&answer).map_err(malformed)? {
            Message::File { limited, mode, size, modified } => {
                let Flags { replace, fast } = self.flags;
                Ok(Some((Intent { replace, fast, mode, ..Intent::new(size, modified) }, limited)))
            }
            Message::Folder { .. } => {
                self.tree.refuse(&entry.name, &errors::changed_since_listed());
                Ok(None)
            }
            _ => Err(unexpected("the server")),
        }
    }
}
