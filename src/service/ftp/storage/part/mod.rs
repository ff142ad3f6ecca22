//! A file that is being received. Its data is in `.NAME.nls-part` and a journal of its known groups in
//! `.NAME.nls-journal`, both beside the final name; it gets that name when it is complete and verified (faults.md N1, N2,
//! N4).
//!
//! This order survives a crash at any instant: data, sync of the data, record in the journal; at the end sync, rename,
//! sync of the folder, and only then is the journal removed. A stale journal is emptied and synced before new data is
//! written that it could seem to describe.

mod commit;
mod recover;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assembly::Group;
use super::hashes::in_shares::in_shares;
use super::hashes::tree::{GROUP, HashTree};
use super::journal::{self, SYNCED, UNKNOWN};
use super::quota::{Quota, Reserved};
use crate::base::quantity::show_size;
use crate::report::Failure;
use crate::service::contract::errors::{file_exists, never_replaced};
use crate::service::files::disk::{Disk, Found, LastChange, Space};
use crate::service::files::errors::being_received;
use crate::service::files::name::{journal_name, part_name};
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{GroupHash, Mode};
use crate::wire::Code;

/// A kill loses at most this many bytes of work, or …
const CHECKPOINT_BYTES: u64 = 64 << 20;
/// … the work of this much time (row 11).
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);

/// How a new file is to be created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    /// Replace an existing file of this name.
    pub(crate) replace: bool,
    /// Do not sync: a power loss may undo the transfer.
    pub(crate) fast: bool,
    /// Permissions of the sender's file.
    pub(crate) mode: Mode,
    /// Bytes of a group.
    pub(crate) group: u64,
    /// What arrived is kept if the transfer fails, for the next attempt.
    pub(crate) kept: bool,
}

impl Intent {
    pub(crate) const fn new(size: u64, modified: u64) -> Self {
        Self { size, modified, replace: false, fast: false, mode: 0o644, group: GROUP, kept: true }
    }
}

/// What there is of a file when its transfer begins.
#[derive(Debug)]
pub(crate) enum Begun<D: Disk> {
    Part(Part<D>),
    /// A file of that name and size exists: nothing need travel if its content is the same.
    There(There<D>),
}

/// An existing file that may be identical to the offered one.
#[derive(Debug)]
pub(crate) struct There<D: Disk> {
    disk: D,
    file: D::File,
    name: String,
    intent: Intent,
    /// When it had last changed as it was opened.
    looked: Option<LastChange>,
    pub(crate) tree: HashTree,
    quota: Option<Arc<Quota>>,
}

/// A file that is being received.
#[derive(Debug)]
pub(crate) struct Part<D: Disk> {
    disk: D,
    file: D::File,
    name: String,
    intent: Intent,
    replaces: bool,
    /// The journal, and the offset of its next record. `None` for a file of one group: it cannot be resumed.
    journal: Option<(D::File, u64)>,
    /// The folder was synced after part and journal were created.
    named: bool,
    tree: HashTree,
    /// Groups that were there at the start, sorted.
    have: Vec<u64>,
    /// Groups that are written but not yet in the journal.
    unsaved: Vec<(u64, GroupHash)>,
    unsaved_bytes: u64,
    saved_at: Instant,
    /// A sync of the part failed: what the system shows of it may never have reached the disk.
    spoilt: bool,
    /// The part after our last write; `None` before the first.
    written: Option<LastChange>,
    /// Another program wrote to the part since then.
    meddled: bool,
    /// Disk space that is claimed for the missing bytes.
    space: Option<Space>,
    /// Its share of the server's quota: bytes that stay on the disk are used up, even if the file is incomplete.
    reserved: Option<Reserved>,
}

/// A group to be written, and the hash that its sender gave.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) group: Group,
    pub(crate) hash: GroupHash,
}

/// Begins to receive a file, or resumes an incomplete one. Any refusal happens here, before any data.
pub(crate) fn begin<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Begun<D>, Failure> {
    if let Some(there) = there(&disk, name, intent)? {
        let disk = match resumable(disk, name, intent) {
            Ok(part) => return Ok(Begun::Part(part)),
            Err(disk) => disk,
        };
        // Left by a crash between the commit and the removal of the journal.
        if disk.find(&part_name(name)).is_none() && disk.find(&journal_name(name)).is_some() {
            drop(disk.remove(&journal_name(name)));
        }
        let tree = HashTree::new(intent.size, intent.group);
        let (name, looked, quota) = (name.into(), disk.last_change(&there).ok(), None);
        return Ok(Begun::There(There { disk, file: there, name, intent, looked, tree, quota }));
    }
    begin_part(disk, name, intent).map(Begun::Part)
}

/// What an attempt to replace the file has left, which is nearer to the new content than the file is; the disk, if there is
/// nothing that can be resumed.
fn resumable<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Part<D>, D> {
    let is_left =
        intent.replace && disk.find(&part_name(name)).is_some() && disk.find(&journal_name(name)).is_some();
    let Some(Ok(claimed)) = is_left.then(|| claim_part(&disk, name)) else { return Err(disk) };
    let mut part = Part::new(disk, claimed, name, intent);
    match part.recover() {
        Ok(()) if !part.have.is_empty() => Ok(part),
        _ => Err(part.disk),
    }
}

fn begin_part<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Part<D>, Failure> {
    let claimed = claim_part(&disk, name)?;
    let mut part = Part::new(disk, claimed, name, intent);
    match part.recover() {
        Ok(()) => Ok(part),
        Err(failure) => {
            part.forget_if_empty();
            Err(failure)
        }
    }
}

/// Claims the part of the file `name`, which another transfer may have.
pub(super) fn claim_part<D: Disk>(disk: &D, name: &str) -> Result<D::File, Failure> {
    disk.claim(&part_name(name)).map_err(|failure| match failure.code {
        Code::Receiving => being_received(Some(name)),
        _ => failure,
    })
}

/// Rows 6 and 23: the entry that has the name decides whether the transfer may begin.
fn there<D: Disk>(disk: &D, name: &str, intent: Intent) -> Result<Option<D::File>, Failure> {
    match disk.find(name) {
        None => Ok(None),
        Some(Found::Folder) => Err(errors::is_a_folder(name)),
        Some(Found::Special) => Err(never_replaced(name)),
        Some(Found::File { size }) if size == intent.size => match disk.open(name) {
            Ok(file) => Ok(Some(file)),
            Err(_) if intent.replace => Ok(None),
            Err(_) => Err(file_exists(name)),
        },
        Some(_) if intent.replace => Ok(None),
        Some(_) => Err(file_exists(name)),
    }
}

/// Reads a group of a file into the buffer; its hash.
fn read_group<D: Disk>(
    disk: &D,
    file: &D::File,
    tree: &HashTree,
    index: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<GroupHash> {
    tree.read(index, buffer, |start, bytes| disk.read_at(file, start, bytes))
}

impl<D: Disk> Begun<D> {
    /// Reserves quota for the missing bytes; for a file that may be identical, only when it turns out to differ.
    pub(crate) fn reserve(&mut self, quota: &Arc<Quota>) -> Result<(), Failure> {
        match self {
            Self::Part(part) => part.reserved = Some(part.share_of(quota)?),
            Self::There(there) => there.quota = Some(quota.clone()),
        }
        Ok(())
    }

    /// Abandons the transfer before any data came; what was there before stays.
    pub(crate) fn give_up(self) {
        if let Self::Part(mut part) = self {
            part.forget_if_empty();
        }
    }
}

impl<D: Disk> There<D> {
    /// The file is identical. It is refused if it was changed, renamed or removed since it was read. With `replace` it
    /// gets the permissions and the time of the offered one. It is synced even though nothing was written, since an
    /// earlier command may have used `fast` (row 13).
    pub(crate) fn confirm(&self) -> Result<(), Failure> {
        let stays = self.disk.is_as_it_was(&self.file, &self.name, self.looked, || self.reads_the_same());
        if !stays.map_err(|error| Failure::io(&error, format!("read {}", self.name)))? {
            return Err(errors::changed_while_compared(&self.name));
        }
        if self.intent.replace {
            // This fails for another user's file, which stays as it is.
            drop(self.disk.dress(&self.file, self.intent.mode, self.intent.modified));
        }
        if self.intent.fast {
            return Ok(());
        }
        let synced = self.disk.sync(&self.file).and_then(|()| self.disk.sync_names());
        synced.map_err(|error| Failure::io(&error, format!("sync {}", self.name)))
    }

    /// Reads it again.
    fn reads_the_same(&self) -> std::io::Result<bool> {
        let mut buffer = Vec::new();
        for index in 0..self.tree.count() {
            let hash = read_group(&self.disk, &self.file, &self.tree, index, &mut buffer)?;
            if self.tree.get(index) != Some(hash) {
                return Ok(false);
            }
        }
        Ok(self.disk.length(&self.file)? == self.intent.size)
    }

    /// The sender has another file, and sends of it what differs: the new part gets what was told, all groups of this one.
    /// What an earlier attempt left in it is read first (row 28).
    pub(crate) fn into_part(self) -> Result<Part<D>, Failure> {
        let reserved = self.quota.map(|quota| quota.entry(self.intent.size)).transpose()?;
        let mut part = begin_part(self.disk, &self.name, self.intent)?;
        part.reserved = reserved;
        match part.copy_from(&self.file, &self.tree) {
            Ok(()) => Ok(part),
            Err(failure) => Err(part.keep(failure)),
        }
    }

    /// Hashes of at most `most` groups from `first` on, read from the disk.
    pub(crate) fn hashes(&mut self, first: u64, most: u64) -> Result<Vec<GroupHash>, Failure> {
        let groups: Vec<u64> = (first..self.tree.count().min(first + most)).collect();
        let (disk, file, tree) = (&self.disk, &self.file, &self.tree);
        let hashes = in_shares(&groups, |share| {
            let mut buffer = Vec::new();
            share.iter().map(|&index| read_group(disk, file, tree, index, &mut buffer)).collect()
        });
        let hashes = hashes.map_err(|error| Failure::io(&error, format!("read {}", self.name)))?;
        for (index, hash) in groups.into_iter().zip(&hashes) {
            self.tree.set(index, *hash);
        }
        Ok(hashes)
    }
}

impl<D: Disk> Part<D> {
    fn new(disk: D, claimed: D::File, name: &str, intent: Intent) -> Self {
        let replaces = disk.find(name).is_some();
        Self {
            disk,
            file: claimed,
            name: name.into(),
            intent,
            replaces,
            journal: None,
            named: false,
            tree: HashTree::new(intent.size, intent.group),
            have: Vec::new(),
            unsaved: Vec::new(),
            unsaved_bytes: 0,
            saved_at: Instant::now(),
            spoilt: false,
            written: None,
            meddled: false,
            space: None,
            reserved: None,
        }
    }

    /// Copies what is not in the part yet of the groups of the file that is there. Each must still be as it was `told`: the
    /// sender does not send what it has the same.
    fn copy_from(&mut self, there: &D::File, told: &HashTree) -> Result<(), Failure> {
        let mut buffer = Vec::new();
        let mut groups = told.known();
        groups.retain(|&index| !self.has(index, told.get(index), &mut buffer));
        self.invalidate(&groups)?;
        for index in groups {
            let read = read_group(&self.disk, there, told, index, &mut buffer);
            let hash = read.map_err(|error| Failure::io(&error, format!("read {}", self.name)))?;
            if told.get(index) != Some(hash) {
                return Err(errors::changed_while_compared(&self.name));
            }
            self.write(index, &buffer, buffer.iter().all(|byte| *byte == 0))?;
            self.know(index, hash, buffer.len());
        }
        self.have = self.tree.known();
        Ok(())
    }

    /// True if the group is there with this hash.
    fn has(&self, index: u64, hash: Option<GroupHash>, buffer: &mut Vec<u8>) -> bool {
        let read = |buffer| read_group(&self.disk, &self.file, &self.tree, index, buffer).ok();
        hash.is_some() && self.tree.get(index) == hash && read(buffer) == hash
    }

    fn know(&mut self, index: u64, hash: GroupHash, bytes: usize) {
        self.tree.set(index, hash);
        self.unsaved.push((index, hash));
        self.unsaved_bytes += bytes as u64;
    }

    /// Row 5: claims disk space for the missing bytes; fails if they do not fit beside the claims of other transfers.
    fn check_space(&mut self) -> Result<(), Failure> {
        self.space = None;
        self.space = Some(self.disk.claim_space(&self.file, self.lacking())?);
        Ok(())
    }

    /// Reserves quota for the missing bytes; a part from an earlier attempt has its entry already.
    fn share_of(&self, quota: &Arc<Quota>) -> Result<Reserved, Failure> {
        if self.have.is_empty() { quota.entry(self.lacking()) } else { quota.set_apart(self.lacking()) }
    }

    /// Bytes that were not there at the start.
    pub(crate) fn lacking(&self) -> u64 {
        let there: u64 = self.have.iter().map(|&index| self.tree.extent(index).1 as u64).sum();
        self.intent.size.saturating_sub(there)
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> Failure {
        Failure::io(error, format!("{doing} {}", self.kept_as()))
    }

    pub(crate) fn tree(&self) -> &HashTree {
        &self.tree
    }

    /// Another file has the name until the commit replaces it.
    pub(crate) const fn replaces(&self) -> bool {
        self.replaces
    }

    /// The groups that were there at the start.
    pub(crate) fn have(&self) -> &[u64] {
        &self.have
    }

    /// Name of the file that holds the bytes received so far.
    pub(crate) fn kept_as(&self) -> String {
        part_name(&self.name)
    }

    /// Writes the groups whose bytes match the sender's hash. Returns the indices of the others, of which nothing is
    /// written (row 27).
    pub(crate) fn save(&mut self, arrived: &[Arrived]) -> Result<Vec<u64>, Failure> {
        let mut wrong = Vec::new();
        for Arrived { group, hash } in arrived {
            let (_, bytes) = self.tree.extent(group.index);
            if self.tree.hash(group.index, group.bytes()) != *hash {
                wrong.push(group.index);
                continue;
            }
            self.invalidate(&[group.index])?;
            self.write(group.index, group.bytes(), group.hole)?;
            self.know(group.index, *hash, bytes);
            if self.unsaved_bytes >= CHECKPOINT_BYTES || self.saved_at.elapsed() >= CHECKPOINT_TIME {
                self.checkpoint()?;
            }
        }
        Ok(wrong)
    }

    /// Writes a group; a hole beyond the end of the part stays a hole.
    fn write(&mut self, index: u64, bytes: &[u8], hole: bool) -> Result<(), Failure> {
        let (start, length) = self.tree.extent(index);
        let end = start + length as u64;
        self.watch();
        let written = match self.disk.length(&self.file) {
            Ok(there) if hole && there <= start => self.disk.set_length(&self.file, end),
            Ok(_) => self.disk.write_at(&self.file, start, bytes),
            Err(error) => Err(error),
        };
        if let (Ok(()), Some(space)) = (&written, &mut self.space) {
            space.used(length as u64);
        }
        self.written = self.disk.last_change(&self.file).ok();
        written.map_err(|error| {
            let what = format!("writing `{}` at offset {start}", self.kept_as());
            Failure::io(&error, what)
        })
    }

    /// Notices that another program wrote to the part after our last write (row 28).
    fn watch(&mut self) {
        let foreign = self.written.is_some_and(|ours| self.disk.last_change(&self.file).ok() != Some(ours));
        self.meddled |= foreign;
    }

    /// Reads groups that were here at the start back from the disk, since the part may have changed after the journal
    /// was written (row 28). Those that differ are forgotten, and their indices returned.
    pub(crate) fn verify(&mut self, groups: &[u64]) -> Result<Vec<u64>, Failure> {
        let (disk, file, tree) = (&self.disk, &self.file, &self.tree);
        let wrong = in_shares(groups, |share| {
            let (mut wrong, mut buffer) = (Vec::new(), Vec::new());
            for &index in share {
                // Forgotten meanwhile: there is nothing to compare with.
                let Some(known) = tree.get(index) else { continue };
                if read_group(disk, file, tree, index, &mut buffer)? != known {
                    wrong.push(index);
                }
            }
            Ok(wrong)
        });
        let wrong = wrong.map_err(|error| self.failed("read", &error))?;
        self.invalidate(&wrong)?;
        Ok(wrong)
    }

    /// Called before groups in the journal are overwritten: after a kill in between, the journal must not hold the old
    /// hashes for the new bytes.
    fn invalidate(&mut self, groups: &[u64]) -> Result<(), Failure> {
        let mut known = groups.to_vec();
        known.retain(|index| self.tree.get(*index).is_some());
        if known.is_empty() {
            return Ok(());
        }
        for index in known {
            self.know(index, UNKNOWN, 0);
            self.tree.forget(index);
        }
        self.checkpoint()
    }

    /// Records what was written so far, so that a crash does not lose it (with `fast`: a kill of nls, no power loss).
    pub(crate) fn checkpoint(&mut self) -> Result<(), Failure> {
        let Some((journal, end)) = &mut self.journal else { return Ok(()) };
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let failed = |error: &std::io::Error| Failure::io(error, format!("journal of {}", self.name));
        // A stable sort: of two entries for one group the later one stays last.
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

    /// The transfer failed: what arrived is kept. The returned failure says where.
    pub(crate) fn keep(mut self, failure: Failure) -> Failure {
        // A disk that is full may not take the records either: then the next attempt reads these groups again.
        if !self.spoilt {
            drop(self.checkpoint());
        }
        if self.spoilt {
            // Row 16: the next sync would succeed, although the system shows data that is not on the disk.
            self.forget();
            let why = format!("{}; the data received was not kept: the disk may have lost it", failure.why);
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
        // A part of the old version of a source is of no use for the new version (row 9).
        let goes_on = match failure.code {
            Code::Changed => "start again with `replace`",
            _ => "the same command resumes it",
        };
        let kept = format!(
            "{} of {} are kept as `{}`: {goes_on}",
            show_size(bytes),
            show_size(self.intent.size),
            self.kept_as()
        );
        Failure { why: format!("{}; {kept}", failure.why), ..failure }
    }

    /// Removes the part and its journal.
    fn forget(&mut self) {
        drop(self.drop_journal());
        drop(self.disk.remove(&part_name(&self.name)));
    }

    /// Removes an empty part: a refusal leaves no new file.
    fn forget_if_empty(&mut self) {
        if self.disk.length(&self.file).is_ok_and(|length| length == 0) {
            self.forget();
        }
    }
}
