//! A file that is there, and may be the one that is offered.

use std::sync::Arc;

use super::{Intent, Part, read_group};
use crate::report::Failure;
use crate::service::files::disk::{Disk, LastChange};
use crate::service::files::name::part_name;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::GroupHash;
use crate::service::ftp::storage::hashes::in_shares::in_shares;
use crate::service::ftp::storage::hashes::tree::HashTree;
use crate::service::ftp::storage::quota::Quota;

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
    pub(super) quota: Option<Arc<Quota>>,
}

impl<D: Disk> There<D> {
    pub(super) fn new(disk: D, file: D::File, name: &str, intent: Intent) -> Self {
        let tree = HashTree::new(intent.size, intent.group);
        let (name, looked, quota) = (name.into(), disk.last_change(&file).ok(), None);
        Self { disk, file, name, intent, looked, tree, quota }
    }

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

    /// It is the file that was offered: what an earlier attempt left beside it is of no use any more. A part of another
    /// version, and one that somebody receives, stay.
    pub(crate) fn forget_left(self) {
        let intent = Intent { replace: false, ..self.intent };
        if self.disk.find(&part_name(&self.name)).is_some()
            && let Ok(mut part) = Part::begin(self.disk, &self.name, intent)
        {
            part.forget();
        }
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
        let mut part = Part::begin(self.disk, &self.name, self.intent)?;
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
}
