//! The groups that come are written, and recorded in the journal when the disk has them; what a transfer that failed leaves.

use std::time::{Duration, Instant};

use super::{Arrived, Part, read_group};
use crate::base::quantity::show_size;
use crate::report::Failure;
use crate::service::files::disk::Disk;
use crate::service::files::name::part_name;
use crate::service::ftp::storage::hashes::in_shares::in_shares;
use crate::service::ftp::storage::journal::{self, SYNCED, UNKNOWN};
use crate::wire::Code;

/// A kill loses at most this many bytes of work, or …
pub(super) const CHECKPOINT_BYTES: u64 = 64 << 20;
/// … the work of this much time (row 11).
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);

impl<D: Disk> Part<D> {
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
    pub(super) fn write(&mut self, index: u64, bytes: &[u8], hole: bool) -> Result<(), Failure> {
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
    pub(super) fn watch(&mut self) {
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
    pub(super) fn invalidate(&mut self, groups: &[u64]) -> Result<(), Failure> {
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
    pub(super) fn forget(&mut self) {
        drop(self.drop_journal());
        drop(self.disk.remove(&part_name(&self.name)));
    }

    /// Removes an empty part: a refusal leaves no new file.
    pub(super) fn forget_if_empty(&mut self) {
        if self.disk.length(&self.file).is_ok_and(|length| length == 0) {
            self.forget();
        }
    }
}
