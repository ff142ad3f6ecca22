//! `get DIR`: the list first, then the small files, asked for many at a time, then the large ones as they would come
//! alone.

use std::sync::Arc;

use super::folder::Folder;
use super::folders::{TOGETHER, Tree, WINDOW};
use super::name::Rules;
use super::part::Intent;
use super::receive::{Manner, receive_file};
use super::small::Keeper;
use super::transfer::{by_disk, misplaced};
use super::walk::Count;
use crate::base::quantity;
use crate::net::connection::{malformed, told_in_words};
use crate::net::{Connection, SILENCE_LIMIT};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::ftp::{Flags, Message, SMALL_LIMIT, Shape};
use crate::wire::listing::{ENTRIES, Entries, Entry, Walk};
use crate::wire::{Code, Frame};

/// Bytes of names that are asked for at once: the answers must find room while these are written.
const ASKED_BYTES: usize = 32 << 10;

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
    connection.request([Walk { path: name.into() }.encode()]).await?;
    let (mut entries, mut count) = (Vec::new(), Count::default());
    loop {
        let frame = connection.incoming.frame(SILENCE_LIMIT, "list of the folder").await?;
        if frame.kind != ENTRIES {
            return Err(misplaced());
        }
        let page = Entries::decode(&frame).map_err(malformed)?;
        if page.entries.is_empty() && page.more {
            return Err(misplaced());
        }
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
        .filter(|entry| entry.is_folder())
        .map(|entry| {
            (entry.name.clone(), Message::Folder { modified: entry.modified, path: entry.name.clone() })
        })
        .collect();
    getting.keep(folders.clone()).await?;
    getting.small(&entries).await?;
    for entry in entries.iter().filter(|entry| !entry.is_folder() && entry.size > SMALL_LIMIT) {
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
    fn path(&self, name: &str) -> String {
        if self.name == "." { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

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
            entries.iter().filter(|entry| !entry.is_folder() && entry.size <= SMALL_LIMIT).collect();
        let (mut asked, mut came, mut on_way, mut store) = (0, 0, 0, Vec::new());
        while came < small.len() {
            while asked < small.len() && (asked == came || asked - came < WINDOW / 4 && on_way < ASKED_BYTES)
            {
                let name = self.path(&small[asked].name);
                on_way += name.len();
                self.connection.outgoing.send(Message::Fetch { name }.encode()).await?;
                asked += 1;
            }
            self.connection.outgoing.flush().await?;
            let frame = self.connection.incoming.frame(SILENCE_LIMIT, "file of the folder").await?;
            let name = &small[came].name;
            on_way = on_way.saturating_sub(self.path(name).len());
            match Message::decode(&frame).map_err(malformed)? {
                // Row 24: it is what the list said.
                Message::Small { bytes, .. } if bytes.len() as u64 != small[came].size => {
                    self.tree.refuse(name, &Failure::new(Code::Changed, "it changed since it was listed"));
                }
                Message::Small { flags, modified, hash, bytes, .. } => {
                    self.session.count_in(bytes.len() as u64);
                    self.tree.took_small(name, hash, bytes.len() as u64);
                    let flags = Flags { executable: flags.executable, ..self.flags };
                    // Under the name that was asked for, whatever the server calls it.
                    let message = Message::Small { flags, modified, hash, name: name.clone(), bytes };
                    store.push((name.clone(), message));
                }
                Message::Denied { code, why, .. } => {
                    self.tree.refuse(name, &told_in_words(code, &why));
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
        let name = self.path(&entry.name);
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
        let begun = if size == entry.size {
            by_disk(self.session, move || folder.begin(&path, intent, Rules::default())).await?
        } else {
            Err(Failure::new(Code::Changed, "it changed since it was listed"))
        };
        let begun = match begun {
            Ok(begun) => begun,
            // The server waits for word.
            Err(failure) => {
                self.connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await?;
                self.tree.refuse(&entry.name, &failure);
                return Ok(());
            }
        };
        let manner = Manner { shape, fresh: false, watched: Some(&entry.name) };
        match receive_file(self.session, self.connection, begun, intent, manner).await {
            Ok(delivered) => self.tree.took(&entry.name, &delivered),
            Err(failure) if failure.told && failure.code == Code::Exists => {
                self.tree.refuse(&entry.name, &failure);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}
