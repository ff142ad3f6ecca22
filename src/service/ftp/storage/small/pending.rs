//! A small file that is written and waits for its name.

use std::fs::File;
use std::sync::Arc;

use super::Denied;
use crate::base::{Count, Counted};
use crate::report::Failure;
use crate::service::files::disk::{Disk, LastChange, RealDisk, check_free, replaced_elsewhere};
use crate::service::files::name::{journal_name, part_name};
use crate::service::ftp::errors;
use crate::service::ftp::protocol::Label;
use crate::service::ftp::storage::part::claim_part;
use crate::service::ftp::storage::quota::Reserved;

/// Most files of all clients that wait for a sync: each holds two descriptors.
const ALL_PENDING_LIMIT: usize = 512;
static PENDING: Count = Count::new();

/// A file that is written and does not have its final name yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// That of its message.
    pub(super) index: u64,
    pub(super) dir: Arc<RealDisk>,
    name: String,
    replace: bool,
    /// Another had its name.
    has_replaced: bool,
    /// Holds the lock of the part.
    pub(super) file: File,
    written: Written,
    place: Reserved,
    _counted: Counted,
}

impl Pending {
    /// True if as many as may be wait for a sync.
    pub(super) fn is_crowded() -> bool {
        PENDING.now() >= ALL_PENDING_LIMIT
    }

    /// Writes a file beside its name.
    pub(super) fn write(
        index: u64,
        (dir, name): (Arc<RealDisk>, &str),
        label: &Label,
        bytes: &[u8],
        place: Reserved,
    ) -> Result<Self, Failure> {
        let file = write_part(&dir, name, label, bytes)?;
        let written = Written { hash: label.hash, bytes: bytes.len(), at: dir.last_change(&file).ok() };
        Ok(Self {
            index,
            dir,
            name: name.to_owned(),
            replace: label.flags.replace,
            has_replaced: false,
            file,
            written,
            place,
            _counted: PENDING.add(),
        })
    }

    /// Fails if another program has written to the part meanwhile.
    fn check(&self) -> Result<(), Failure> {
        let is_whole = self.written.is_still_in(&self.dir, &self.file);
        if is_whole { Ok(()) } else { Err(errors::part_was_changed(&part_name(&self.name))) }
    }

    pub(super) fn remove(&self) {
        drop(self.dir.remove(&part_name(&self.name)));
    }

    /// Gives the file its name. If that fails, nothing is left. The place of the folder is for the caller to check, once
    /// for all that are in it.
    pub(super) fn publish(&mut self) -> Result<(), Failure> {
        let part = part_name(&self.name);
        let renamed = self.dir.rename_own(&self.file, &part, &self.name, self.replace);
        self.has_replaced = or_removed(&self.dir, &self.name, renamed)?;
        Ok(())
    }

    /// Gives a file its name that is not synced.
    pub(super) fn publish_at_once(self) -> Result<(), Failure> {
        let published = self.dir.publish(&self.file, &part_name(&self.name), &self.name, self.replace);
        or_removed(&self.dir, &self.name, published)?;
        self.keep();
        Ok(())
    }

    /// It has its name, and stays.
    fn keep(self) {
        self.place.keep();
    }

    /// It has its name, but the folder was moved: what is refused is not there, unless it replaced another.
    pub(super) fn take_back(self, failure: &Failure) -> Denied {
        if self.has_replaced {
            self.place.keep();
            return (self.index, Failure::io(&replaced_elsewhere(), format!("commit {}", self.name)));
        }
        if self.dir.is_at(&self.file, &self.name) {
            drop(self.dir.remove(&self.name));
        }
        (self.index, failure.clone())
    }
}

/// Gives files of one folder their names, if they are `synced`; returns those that failed: also each whose name may not be on
/// the disk. Its place is looked at before and behind that.
pub(super) fn name_all(group: Vec<Pending>, synced: Result<(), Failure>) -> Vec<Denied> {
    let Some(dir) = group.first().map(|first| first.dir.clone()) else { return Vec::new() };
    let ready = synced.and_then(|()| check_place(&dir));
    let (mut denied, mut named) = (Vec::new(), Vec::new());
    for mut pending in group {
        // What is not whole, or may not be on the disk, is not kept.
        let whole = ready.clone().and_then(|()| pending.check()).inspect_err(|_| pending.remove());
        match whole.and_then(|()| pending.publish()) {
            Ok(()) => named.push(pending),
            Err(failure) => denied.push((pending.index, failure)),
        }
    }
    if named.is_empty() {
        return denied;
    }
    let synced = dir.sync_names().map_err(|error| Failure::io(&error, "sync of a folder"));
    if let Err(failure) = check_place(&dir) {
        denied.extend(named.into_iter().map(|pending| pending.take_back(&failure)));
        return denied;
    }
    if let Err(failure) = synced {
        denied.extend(named.iter().map(|pending| (pending.index, failure.clone())));
    }
    named.into_iter().for_each(Pending::keep);
    denied
}

/// What a part holds, and when it was written.
#[derive(Debug)]
struct Written {
    hash: [u8; 32],
    bytes: usize,
    at: Option<LastChange>,
}

impl Written {
    /// True if no other program has written to the part since, which may wait long for its name (row 28).
    fn is_still_in(&self, dir: &RealDisk, file: &File) -> bool {
        let reads_the_same = || {
            let mut there = vec![0; self.bytes];
            dir.length(file).is_ok_and(|length| length == self.bytes as u64)
                && dir.read_at(file, 0, &mut there).is_ok()
                && *blake3::hash(&there).as_bytes() == self.hash
        };
        dir.last_change(file).ok() == self.at || reads_the_same()
    }
}

/// Row 9: the journal belongs to a part of another version.
fn remove_journal(dir: &RealDisk, name: &str, replace: bool) -> Result<(), Failure> {
    if dir.find(&journal_name(name)).is_none() {
        return Ok(());
    }
    let part = part_name(name);
    if !replace {
        return Err(errors::part_of_another_version(&part));
    }
    dir.remove(&journal_name(name)).map_err(|error| Failure::io(&error, part.as_str()))
}

/// Writes the content of a file beside its final name.
fn write_part(dir: &RealDisk, name: &str, label: &Label, bytes: &[u8]) -> Result<File, Failure> {
    let part = part_name(name);
    // Before its journal is looked at: it may be that of a transfer that is under way.
    let file = claim_part(dir, name)?;
    remove_journal(dir, name, label.flags.replace)?;
    let written = check_free(dir.free(&file), bytes.len() as u64).and_then(|()| {
        dir.set_length(&file, 0)
            .and_then(|()| dir.write_at(&file, 0, bytes))
            .and_then(|()| dir.dress(&file, label.mode, label.modified))
            .map_err(|error| Failure::io(&error, format!("writing {name}")))
    });
    if let Err(failure) = written {
        drop(dir.remove(&part));
        return Err(failure);
    }
    Ok(file)
}

pub(super) fn check_place(dir: &RealDisk) -> Result<(), Failure> {
    dir.check_place().map_err(|error| errors::folder_or_part_gone(&error))
}

/// If a file could not get its name, nothing is left of it.
fn or_removed<T>(dir: &RealDisk, name: &str, renamed: std::io::Result<T>) -> Result<T, Failure> {
    renamed.map_err(|error| {
        drop(dir.remove(&part_name(name)));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => errors::appeared_meanwhile(name),
            std::io::ErrorKind::NotFound => errors::folder_or_part_gone(&error),
            _ => Failure::io(&error, format!("commit {name}")),
        }
    })
}
