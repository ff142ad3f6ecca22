//! Recovery: what an earlier attempt left of a file is found and checked before anything is received.

use super::begin::claim_part;
use super::writing::CHECKPOINT_BYTES;
use super::{Intent, Part, read_group};
use crate::report::Failure;
use crate::service::files::disk::Disk;
use crate::service::files::name::{KEPT_SUFFIX, journal_name, part_name};
use crate::service::ftp::errors;
use crate::service::ftp::storage::hashes::tree::HashTree;
use crate::service::ftp::storage::journal::{self, HEADER, Header, Journal, UNKNOWN};

/// Most bytes of a journal, which is read into memory: this many describe a file of 2 TiB.
const JOURNAL_LIMIT: u64 = 256 << 20;

impl<D: Disk> Part<D> {
    pub(super) fn begin(disk: D, name: &str, intent: Intent) -> Result<Self, Failure> {
        let claimed = claim_part(&disk, name)?;
        let mut part = Self::new(disk, claimed, name, intent);
        match part.recover() {
            Ok(()) => Ok(part),
            Err(failure) => {
                part.forget_if_empty();
                Err(failure)
            }
        }
    }

    /// Finds what an earlier attempt left: the groups in the journal, and those written after its last record.
    pub(crate) fn recover(&mut self) -> Result<(), Failure> {
        let length = self.disk.length(&self.file).map_err(|error| self.failed("read", &error))?;
        let known = self.disk.find(&journal_name(&self.name)).is_some();
        if !self.wants_journal() && !known {
            return self.restart(length);
        }
        let file = self.disk.claim(&journal_name(&self.name))?;
        let read = self.read_journal(&file);
        self.journal = Some((file, 0));
        match read {
            // No journal, or an empty one: nothing of the part can be trusted.
            Ok(None) => self.restart(length),
            // Row 10: without a readable journal nothing of the part can be trusted; it is kept for inspection.
            Err(()) => {
                self.set_aside(length)?;
                self.restart(length)
            }
            Ok(Some(journal)) if self.is_about_this(&journal.header) => self.resume(&journal, length),
            Ok(Some(journal)) if journal.groups.is_empty() && length == 0 => self.restart(length),
            Ok(Some(_)) if self.intent.replace => self.restart(length),
            // Row 9: the part belongs to another version of the source.
            Ok(Some(_)) => Err(errors::source_changed(length, &self.name, &self.kept_as())),
        }
    }

    pub(crate) const fn wants_journal(&self) -> bool {
        self.intent.kept && self.intent.size > self.intent.group
    }

    fn is_about_this(&self, header: &Header) -> bool {
        (header.size, header.modified, u64::from(header.group))
            == (self.intent.size, self.intent.modified, self.intent.group)
    }

    fn read_journal(&self, file: &D::File) -> Result<Option<Journal>, ()> {
        let length = self.disk.length(file).map_err(drop)?;
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; length.min(JOURNAL_LIMIT) as usize];
        self.disk.read_at(file, 0, &mut bytes).map_err(drop)?;
        // The header is incomplete, so no record follows.
        if bytes.len() < HEADER {
            return Ok(None);
        }
        journal::read(&bytes, &self.disk.boot()).map(Some).map_err(drop)
    }

    /// Resumes where the journal ends. Data written after its last record is hashed and offered to the sender, which
    /// compares it.
    fn resume(&mut self, journal: &Journal, length: u64) -> Result<(), Failure> {
        for &(index, hash) in &journal.groups {
            let (start, bytes) = self.tree.extent(index);
            if start + bytes as u64 > length {
                // The part is shorter than the journal says: the journal describes another one.
                self.tree = HashTree::new(self.intent.size, self.intent.group);
                return self.restart(length);
            }
            if hash == UNKNOWN {
                self.tree.forget(index);
            } else {
                self.tree.set(index, hash);
            }
        }
        if let Some((file, end)) = &mut self.journal {
            // A torn record must not hide the records that are appended after it.
            *end = journal.end;
            self.disk
                .set_length(file, journal.end)
                .map_err(|error| Failure::io(&error, format!("journal of {}", self.name)))?;
        }
        self.salvage(length)?;
        self.have = self.tree.known();
        self.check_space()
    }

    /// Hashes groups that are in the part but not in the journal, up to [`CHECKPOINT_BYTES`].
    fn salvage(&mut self, length: u64) -> Result<(), Failure> {
        let (mut buffer, mut read) = (Vec::new(), 0);
        for index in 0..self.tree.count() {
            let (start, bytes) = self.tree.extent(index);
            if start + bytes as u64 > length || read >= CHECKPOINT_BYTES {
                break;
            }
            if self.tree.get(index).is_some() {
                continue;
            }
            let hash = read_group(&self.disk, &self.file, &self.tree, index, &mut buffer);
            let hash = hash.map_err(|error| self.failed("read", &error))?;
            read += bytes as u64;
            self.know(index, hash, bytes);
        }
        Ok(())
    }

    /// Starts from nothing: empties the journal and the part.
    fn restart(&mut self, length: u64) -> Result<(), Failure> {
        if let Some((file, _)) = &self.journal {
            let emptied = self.disk.length(file).and_then(|known| {
                if known == 0 {
                    return Ok(());
                }
                self.disk.set_length(file, 0)?;
                // Always, even with `fast`: an old journal must never describe new data.
                self.disk.sync(file)
            });
            emptied.map_err(|error| Failure::io(&error, format!("journal of {}", self.name)))?;
        }
        if length > 0 {
            self.disk.set_length(&self.file, 0).map_err(|error| self.failed("write", &error))?;
        }
        // Before the header is written: a disk without space for it has none for the file.
        self.check_space()?;
        if !self.wants_journal() {
            return self.drop_journal();
        }
        self.write_header()
    }

    fn write_header(&mut self) -> Result<(), Failure> {
        let header = Header {
            group: self.intent.group as u32,
            size: self.intent.size,
            modified: self.intent.modified,
        };
        let Some((file, end)) = &mut self.journal else { return Ok(()) };
        *end = HEADER as u64;
        self.disk
            .write_at(file, 0, &header.encode())
            .map_err(|error| Failure::io(&error, format!("journal of {}", self.name)))
    }

    pub(crate) fn drop_journal(&mut self) -> Result<(), Failure> {
        if self.journal.take().is_some() {
            self.disk
                .remove(&journal_name(&self.name))
                .map_err(|error| Failure::io(&error, format!("journal of {}", self.name)))?;
        }
        Ok(())
    }

    /// Keeps the part under another name (nothing is copied), and creates a new one.
    fn set_aside(&mut self, length: u64) -> Result<(), Failure> {
        if length == 0 {
            return Ok(());
        }
        let (name, kept) = (part_name(&self.name), format!("{}{KEPT_SUFFIX}", part_name(&self.name)));
        self.disk.rename(&name, &kept, true).map_err(|error| self.failed("set aside", &error))?;
        self.file = self.disk.claim(&name)?;
        Ok(())
    }
}
