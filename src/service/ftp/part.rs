//! A file that is being received: it stands beside its name as `.NAME.nls-part`, with a journal of what is known of it
//! as `.NAME.nls-journal`, and gets its name when it is whole and verified (FAULTS N1, N2, N4).
//!
//! The order that a crash at any instant survives: data, sync of the data, record in the journal; at the end sync,
//! rename, sync of the folder, and only then the journal goes. A stale journal is emptied and synced before new data
//! may stand under it.

mod recover;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assembly::Group;
use super::disk::{Disk, Found, Space};
use super::journal::{self, SYNCED, UNKNOWN};
use super::name::{BAD_SUFFIX, journal_name, part_name};
use super::quota::{Quota, Reserved};
use super::tree::{GROUP, Tree};
use crate::base::quantity::show_size;
use crate::report::{Failure, reason};
use crate::wire::Code;
use crate::wire::ftp::{GroupHash, Mode};

/// Larger files are refused: no file system holds them, and sums of offsets cannot wrap.
const FILE_LIMIT: u64 = 1 << 60;
/// A kill loses no more than this much work, or …
const CHECKPOINT_BYTES: u64 = 64 << 20;
/// … this much time of it (row 11).
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);

/// How a new file is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intent {
    pub(super) size: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: u64,
    pub(super) replace: bool,
    pub(super) fast: bool,
    /// What the sender's file may be used for, and by whom.
    pub(super) mode: Mode,
    /// Bytes of a group.
    pub(super) group: u64,
}

impl Intent {
    pub(super) const fn new(size: u64, modified: u64) -> Self {
        Self { size, modified, replace: false, fast: false, mode: 0o644, group: GROUP }
    }
}

/// What was found where a file is to be received.
#[derive(Debug)]
pub(super) enum Begun<D: Disk> {
    Part(Part<D>),
    /// A file of that name and size is there already: it is enough if it is the same.
    There(There<D>),
}

/// A file that may be the one that is offered.
#[derive(Debug)]
pub(super) struct There<D: Disk> {
    disk: D,
    file: D::File,
    name: String,
    intent: Intent,
    pub(super) tree: Tree,
    quota: Option<Arc<Quota>>,
}

/// A file that is being received.
#[derive(Debug)]
pub(super) struct Part<D: Disk> {
    disk: D,
    file: D::File,
    name: String,
    intent: Intent,
    replaces: bool,
    /// The file, and where its next record goes. A file of one group has none: there is nothing to go on with.
    journal: Option<(D::File, u64)>,
    /// The disk has the names of part and journal.
    named: bool,
    tree: Tree,
    /// What was there at the start.
    have: Vec<u64>,
    /// Written, and not yet in the journal.
    unsaved: Vec<(u64, GroupHash)>,
    unsaved_bytes: u64,
    saved_at: Instant,
    /// The disk failed to sync it: what the system still shows of it may never have been written.
    spoilt: bool,
    /// Room on the disk for what is still to come.
    space: Option<Space>,
    /// What it may take of a quota: what stays on the disk is used up, whole or not.
    reserved: Option<Reserved>,
}

/// A group that is to be written, and what its sender says of it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) group: Group,
    pub(super) hash: GroupHash,
}

/// Row 5: what cannot fit is refused before it travels.
pub(super) fn check_space(free: u64, size: u64) -> Result<(), Failure> {
    if size > FILE_LIMIT || size > free {
        let why = format!("not enough space: {} are needed, {} are free", show_size(size), show_size(free));
        return Err(Failure::new(Code::Full, why).fix("free some space"));
    }
    Ok(())
}

/// Begins a file, or goes on with one. Everything that can be refused is refused here, before any data.
pub(super) fn begin<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Begun<D>, Failure> {
    if let Some(there) = there(&disk, name, intent)? {
        // A crash between the commit and the end of its journal.
        if disk.find(&part_name(name)).is_none() && disk.find(&journal_name(name)).is_some() {
            drop(disk.remove(&journal_name(name)));
        }
        let tree = Tree::new(intent.size, intent.group);
        let (name, quota) = (name.into(), None);
        return Ok(Begun::There(There { disk, file: there, name, intent, tree, quota }));
    }
    begin_part(disk, name, intent).map(Begun::Part)
}

fn begin_part<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Part<D>, Failure> {
    let replaces = disk.find(name).is_some();
    let claimed = disk.claim(&part_name(name)).map_err(|failure| match failure.code {
        Code::Receiving => Failure { why: format!("`{name}` is being received already"), ..failure },
        _ => failure,
    })?;
    let mut part = Part {
        disk,
        file: claimed,
        name: name.into(),
        intent,
        replaces,
        journal: None,
        named: false,
        tree: Tree::new(intent.size, intent.group),
        have: Vec::new(),
        unsaved: Vec::new(),
        unsaved_bytes: 0,
        saved_at: Instant::now(),
        spoilt: false,
        space: None,
        reserved: None,
    };
    match part.recover() {
        Ok(()) => Ok(part),
        Err(failure) => {
            part.forget_if_empty();
            Err(failure)
        }
    }
}

/// Rows 6 and 23: what stands under the name decides whether to begin at all.
fn there<D: Disk>(disk: &D, name: &str, intent: Intent) -> Result<Option<D::File>, Failure> {
    let exists = |what: &str, fix: &str| Err(Failure::new(Code::Exists, format!("`{name}` {what}")).fix(fix));
    match disk.find(name) {
        None => Ok(None),
        Some(Found::Folder) => exists("is a folder", "choose another name"),
        Some(Found::Special) => {
            exists("is a FIFO, a device or a socket, which is never replaced", "choose another name")
        }
        Some(Found::File { size }) if size == intent.size => match disk.open(name) {
            Ok(file) => Ok(Some(file)),
            Err(_) if intent.replace => Ok(None),
            Err(_) => exists("exists", "add `replace`, or choose another name"),
        },
        Some(_) if intent.replace => Ok(None),
        Some(_) => exists("exists", "add `replace`, or choose another name"),
    }
}

impl<D: Disk> Begun<D> {
    /// What it lacks is set apart for it; for a file that may be the same, when it turns out to be another.
    pub(super) fn reserve(&mut self, quota: &Arc<Quota>) -> Result<(), Failure> {
        match self {
            Self::Part(part) => part.reserved = Some(quota.set_apart(part.lacking())?),
            Self::There(there) => there.quota = Some(quota.clone()),
        }
        Ok(())
    }

    /// Nothing comes of it; what was there before stays.
    pub(super) fn give_up(self) {
        if let Self::Part(mut part) = self {
            part.forget_if_empty();
        }
    }
}

impl<D: Disk> There<D> {
    /// It is the same: with `replace` it takes permissions and time of the one that was offered. An earlier command may
    /// have said `fast`: what this one finds, it makes durable (row 13).
    pub(super) fn confirm(&self) -> Result<(), Failure> {
        if self.intent.replace {
            // Somebody else's file may stay as it is.
            drop(self.disk.dress(&self.file, self.intent.mode, self.intent.modified));
        }
        if self.intent.fast {
            return Ok(());
        }
        let synced = self.disk.sync(&self.file).and_then(|()| self.disk.sync_names());
        synced.map_err(|error| Failure::io(&error, format!("sync {}", self.name)))
    }

    /// The sender has another file: what is the same in this one need not travel, and stands in the new part.
    pub(super) fn into_part(self) -> Result<Part<D>, Failure> {
        let reserved = self.quota.map(|quota| quota.set_apart(self.intent.size)).transpose()?;
        let mut part = begin_part(self.disk, &self.name, self.intent)?;
        part.reserved = reserved;
        // A part of before knows better than the old file.
        if part.have.is_empty() {
            let mut buffer = Vec::new();
            for index in self.tree.known() {
                let (start, length) = self.tree.extent(index);
                buffer.resize(length, 0);
                let hash = self.tree.get(index).unwrap_or(UNKNOWN);
                let copied = part.disk.read_at(&self.file, start, &mut buffer);
                // One that changed meanwhile is not what was offered.
                if copied.is_ok() && self.tree.hash(index, &buffer) == hash {
                    part.write(index, &buffer, buffer.iter().all(|byte| *byte == 0))?;
                    part.know(index, hash, length);
                }
            }
            part.have = part.tree.known();
        }
        Ok(part)
    }

    /// Hashes of the groups `first …`, at most `most`, as they stand on the disk.
    pub(super) fn hashes(&mut self, first: u64, most: u64) -> Result<Vec<GroupHash>, Failure> {
        let mut buffer = Vec::new();
        let end = self.tree.count().min(first + most);
        let hashes: std::io::Result<Vec<GroupHash>> = (first..end)
            .map(|index| {
                let (start, length) = self.tree.extent(index);
                buffer.resize(length, 0);
                self.disk.read_at(&self.file, start, &mut buffer)?;
                let hash = self.tree.hash(index, &buffer);
                self.tree.set(index, hash);
                Ok(hash)
            })
            .collect();
        hashes.map_err(|error| Failure::io(&error, format!("read {}", self.name)))
    }
}

impl<D: Disk> Part<D> {
    fn know(&mut self, index: u64, hash: GroupHash, bytes: usize) {
        self.tree.set(index, hash);
        self.unsaved.push((index, hash));
        self.unsaved_bytes += bytes as u64;
    }

    /// Row 5: what cannot fit beside what others are about to write is refused.
    fn check_space(&mut self) -> Result<(), Failure> {
        self.space = None;
        self.space = Some(self.disk.claim_space(&self.file, self.lacking())?);
        Ok(())
    }

    /// Bytes that were not there at the start.
    pub(super) fn lacking(&self) -> u64 {
        let there: u64 = self.have.iter().map(|&index| self.tree.extent(index).1 as u64).sum();
        self.intent.size.saturating_sub(there)
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> Failure {
        Failure::io(error, format!("{doing} {}", self.kept_as()))
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Another file stands under the name until this one is whole.
    pub(super) const fn replaces(&self) -> bool {
        self.replaces
    }

    /// The groups that were there at the start.
    pub(super) fn have(&self) -> &[u64] {
        &self.have
    }

    /// Where the bytes are that did come.
    pub(super) fn kept_as(&self) -> String {
        part_name(&self.name)
    }

    /// Writes groups whose bytes have the hash that their sender says; the others are given back by their index
    /// (row 27), and nothing of them is written.
    pub(super) fn save(&mut self, arrived: &[Arrived]) -> Result<Vec<u64>, Failure> {
        let mut wrong = Vec::new();
        for Arrived { group, hash } in arrived {
            let (_, bytes) = self.tree.extent(group.index);
            if self.tree.hash(group.index, group.bytes()) != *hash {
                wrong.push(group.index);
                continue;
            }
            self.invalidate(group.index)?;
            self.write(group.index, group.bytes(), group.hole)?;
            self.know(group.index, *hash, bytes);
            if self.unsaved_bytes >= CHECKPOINT_BYTES || self.saved_at.elapsed() >= CHECKPOINT_TIME {
                self.checkpoint()?;
            }
        }
        Ok(wrong)
    }

    /// A hole beyond the end of the part stays one.
    fn write(&mut self, index: u64, bytes: &[u8], hole: bool) -> Result<(), Failure> {
        let (start, length) = self.tree.extent(index);
        let end = start + length as u64;
        let written = match self.disk.length(&self.file) {
            Ok(there) if hole && there <= start => self.disk.set_length(&self.file, end),
            Ok(_) => self.disk.write_at(&self.file, start, bytes),
            Err(error) => Err(error),
        };
        if let (Ok(()), Some(space)) = (&written, &mut self.space) {
            space.used(length as u64);
        }
        written.map_err(|error| {
            let what = format!("writing `{}` at offset {start}", self.kept_as());
            Failure::io(&error, what)
        })
    }

    /// Reads groups that were here at the start back from the disk: what the journal says of them was true once (row 28).
    /// Those that are no longer so are forgotten, and given back.
    pub(super) fn verify(&mut self, groups: &[u64]) -> Result<Vec<u64>, Failure> {
        let (mut wrong, mut buffer) = (Vec::new(), Vec::new());
        for &index in groups {
            // It came anew meanwhile.
            let Some(known) = self.tree.get(index) else { continue };
            let (start, length) = self.tree.extent(index);
            buffer.resize(length, 0);
            self.disk.read_at(&self.file, start, &mut buffer).map_err(|error| self.failed("read", &error))?;
            if self.tree.hash(index, &buffer) != known {
                self.invalidate(index)?;
                wrong.push(index);
            }
        }
        Ok(wrong)
    }

    /// A group that the journal knows is about to become another: a kill in between must not leave the old word over the
    /// new bytes.
    fn invalidate(&mut self, index: u64) -> Result<(), Failure> {
        if self.tree.get(index).is_none() {
            return Ok(());
        }
        self.know(index, UNKNOWN, 0);
        self.tree.forget(index);
        self.checkpoint()
    }

    /// From here on a crash loses nothing of what was written so far.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        let Some((journal, end)) = &mut self.journal else { return Ok(()) };
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let failed = |error: &std::io::Error| Failure::io(error, format!("journal of {}", self.name));
        // Stable: the later word on a group stays the later one.
        self.unsaved.sort_by_key(|(index, _)| *index);
        if !self.intent.fast
            && let Err(error) = self.disk.sync(&self.file)
        {
            self.spoilt = true;
            return Err(Failure::io(&error, format!("sync {}", part_name(&self.name))));
        }
        let boot = if self.intent.fast { self.disk.boot() } else { SYNCED };
        let records = journal::records(&self.unsaved, &boot);
        self.disk.write_at(journal, *end, &records).map_err(|error| failed(&error))?;
        if !self.intent.fast {
            self.disk.sync(journal).map_err(|error| failed(&error))?;
            if !std::mem::replace(&mut self.named, true) {
                self.disk.sync_names().map_err(|error| failed(&error))?;
            }
        }
        *end += records.len() as u64;
        self.unsaved.clear();
        self.unsaved_bytes = 0;
        self.saved_at = Instant::now();
        Ok(())
    }

    /// The transfer ended before its end: what came stays. The failure says where.
    pub(super) fn keep(mut self, failure: Failure) -> Failure {
        // A disk that is full may not take the records either: then the next attempt reads these groups again.
        if !self.spoilt {
            drop(self.checkpoint());
        }
        if self.spoilt {
            // Row 16: the next sync would succeed, and the system shows what is not on the disk.
            self.forget();
            let why = format!("{}; what came was not kept: the disk may have lost it", failure.why);
            return Failure { why, ..failure };
        }
        let bytes: u64 = self.tree.known().into_iter().map(|index| self.tree.extent(index).1 as u64).sum();
        if let Some(reserved) = self.reserved.take() {
            reserved.keep_only(bytes.saturating_sub(self.intent.size - self.lacking()));
        }
        if bytes == 0 || !self.wants_journal() {
            self.forget();
            return failure;
        }
        // What is kept of a source that changed is of no use to the source as it is now (row 9).
        let goes_on = match failure.code {
            Code::Changed => "start again with `replace`",
            _ => "the same command goes on there",
        };
        let kept = format!(
            "{} of {} are kept as `{}`: {goes_on}",
            show_size(bytes),
            show_size(self.intent.size),
            self.kept_as()
        );
        Failure { why: format!("{}; {kept}", failure.why), ..failure }
    }

    /// Nothing came of it.
    fn forget(&mut self) {
        drop(self.drop_journal());
        drop(self.disk.remove(&part_name(&self.name)));
    }

    /// A refusal leaves nothing that was not there.
    fn forget_if_empty(&mut self) {
        if self.disk.length(&self.file).is_ok_and(|length| length == 0) {
            self.forget();
        }
    }

    /// Gives the file its name: file sync, rename, directory sync; only then it is done (row 13). A whole whose hash
    /// is wrong is kept aside for whoever wants to look (row 28).
    pub(super) fn commit(mut self, expected: [u8; 32]) -> Result<blake3::Hash, Failure> {
        let Some(root) = self.tree.root().filter(|root| *root.as_bytes() == expected) else {
            return Err(self.reject());
        };
        let name = part_name(&self.name);
        let failed = |error: &std::io::Error| Failure::io(error, format!("commit {}", self.name));
        let (mode, modified) = (self.intent.mode, self.intent.modified);
        // The last groups may be a hole, or belong to a longer file of before.
        let dressed = self.disk.set_length(&self.file, self.intent.size);
        dressed.and_then(|()| self.disk.dress(&self.file, mode, modified)).map_err(|error| failed(&error))?;
        if !self.intent.fast
            && let Err(error) = self.disk.sync(&self.file)
        {
            let failure = failed(&error);
            self.spoilt = true;
            return Err(self.keep(failure));
        }
        self.disk.rename(&name, &self.name, self.intent.replace).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::new(
                Code::Exists,
                format!("`{}` appeared meanwhile; the part is kept as `{name}`", self.name),
            )
            .fix("add `replace`, or choose another name"),
            ErrorKind::NotFound => Failure::new(
                Code::Disk,
                format!("the folder or the part is gone: {}; nothing was made elsewhere", reason(&error)),
            )
            .fix("make the folder again and repeat the command"),
            _ => failed(&error),
        })?;
        // It stands under its name: whatever goes wrong from here on, its bytes are used up.
        if let Some(reserved) = self.reserved.take() {
            reserved.keep();
        }
        if !self.intent.fast {
            self.disk.sync_names().map_err(|error| failed(&error))?;
        }
        // One that stays is found and removed by the next transfer of that name.
        drop(self.drop_journal());
        Ok(root)
    }

    fn reject(mut self) -> Failure {
        let bad = format!("{}{BAD_SUFFIX}", part_name(&self.name));
        let renamed = self.disk.rename(&part_name(&self.name), &bad, true);
        if let Some(reserved) = self.reserved.take() {
            reserved.keep();
        }
        let kept = if renamed.is_ok() { bad } else { part_name(&self.name) };
        drop(self.drop_journal());
        let why = format!("the file differs from its hash and is not published; it is kept as `{kept}`");
        Failure::new(Code::Integrity, why).fix("send it again")
    }
}
