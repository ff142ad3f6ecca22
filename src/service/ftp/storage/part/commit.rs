//! The end of a part: it gets its name if it is complete and verified.

use std::io::ErrorKind;

use super::Part;
use crate::report::Failure;
use crate::service::files::disk::Disk;
use crate::service::files::name::{BAD_SUFFIX, part_name};
use crate::service::ftp::errors;

impl<D: Disk> Part<D> {
    /// Gives the file its name: file sync, rename, directory sync; only then is it done (row 13). A complete file with
    /// a wrong hash is kept under another name for inspection (row 28).
    pub(crate) fn commit(mut self, expected: [u8; 32]) -> Result<blake3::Hash, Failure> {
        self.watch();
        if self.meddled
            && let Err(failure) = self.read_back()
        {
            return Err(self.keep(failure));
        }
        let Some(root) = self.tree.root().filter(|root| *root.as_bytes() == expected) else {
            return Err(self.reject());
        };
        let name = self.name.clone();
        let failed = |error: &std::io::Error| Failure::io(error, format!("commit {name}"));
        let (mode, modified) = (self.intent.mode, self.intent.modified);
        // The file may end in a hole, or the part may hold the end of a longer file from before.
        let dressed = self.disk.set_length(&self.file, self.intent.size);
        dressed.and_then(|()| self.disk.dress(&self.file, mode, modified)).map_err(|error| failed(&error))?;
        if !self.intent.fast
            && let Err(failure) = self.sync()
        {
            return Err(self.keep(failure));
        }
        let (part, replace) = (part_name(&self.name), self.intent.replace);
        let renamed = self.disk.publish(&self.file, &part, &self.name, replace);
        renamed.map_err(|error| rename_failure(&error, &self.name))?;
        // The file has its name: whatever fails from here on, its bytes are used up.
        if let Some(reserved) = self.reserved.take() {
            reserved.keep();
        }
        if !self.intent.fast {
            self.disk.sync_names().map_err(|error| failed(&error))?;
        }
        // A journal that stays is removed by the next transfer of that name.
        drop(self.drop_journal());
        Ok(root)
    }

    /// Waits until the disk has the file. That may take long: what another program writes to it meanwhile is noticed.
    fn sync(&mut self) -> Result<(), Failure> {
        let before = self.disk.last_change(&self.file).ok();
        if let Err(error) = self.disk.sync(&self.file) {
            self.spoilt = true;
            return Err(Failure::io(&error, format!("commit {}", self.name)));
        }
        if self.disk.last_change(&self.file).ok() == before { Ok(()) } else { self.read_back() }
    }

    /// Another program wrote to the part: what is called verified is what is there now (row 28).
    fn read_back(&mut self) -> Result<(), Failure> {
        let damaged = self.verify(&self.tree.known())?;
        if damaged.is_empty() { Ok(()) } else { Err(errors::part_was_changed(&self.kept_as())) }
    }

    fn reject(mut self) -> Failure {
        let bad = format!("{}{BAD_SUFFIX}", part_name(&self.name));
        let renamed = self.disk.rename(&part_name(&self.name), &bad, true);
        if let Some(reserved) = self.reserved.take() {
            reserved.keep();
        }
        let kept = if renamed.is_ok() { bad } else { part_name(&self.name) };
        drop(self.drop_journal());
        errors::hash_mismatch(&kept)
    }
}

/// Why a complete part could not get the name `name`.
fn rename_failure(error: &std::io::Error, name: &str) -> Failure {
    match error.kind() {
        ErrorKind::AlreadyExists => errors::appeared_meanwhile_part_kept(name, &part_name(name)),
        ErrorKind::NotFound => errors::folder_or_part_gone(error),
        _ => Failure::io(error, format!("commit {name}")),
    }
}
