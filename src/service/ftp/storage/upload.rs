//! A file that comes in order and without block hashes, as other protocols than ours send it. Like [`super::part`] it
//! has its name only when it is whole and on the disk (faults.md N1, N2); unlike it, an incomplete one is removed, for
//! such a client could not go on with it.

use std::fs::{File, Metadata};
use std::sync::Arc;

use super::part::claim_part;
use super::quota::{Quota, Reserved};
use crate::report::Failure;
use crate::service::contract::errors::{file_exists, more_than_declared, never_replaced};
use crate::service::files::disk::{Disk, Found, LastChange, RealDisk, Space};
use crate::service::files::name::{Rules, journal_name, part_name};
use crate::service::files::root::{Folder, stamp};
use crate::service::ftp::errors;
use crate::service::ftp::protocol::Mode;

/// Permissions of a new file; the umask narrows them.
const MODE: Mode = 0o644;
/// Space and quota for a file of unknown size are set apart in steps of this many bytes.
const STEP: u64 = 16 << 20;
/// What is compared once more is read in such steps.
const READ_STEP: u64 = 1 << 20;

/// A file that was stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) hash: blake3::Hash,
    /// A file of that name with the same content was there already.
    pub(crate) there: bool,
}

/// A file that is being received in order. Everything blocks.
#[derive(Debug)]
pub(crate) struct Upload {
    disk: RealDisk,
    name: String,
    file: File,
    /// What the client declared.
    size: Option<u64>,
    /// Bytes that came.
    bytes: u64,
    hasher: blake3::Hasher,
    quota: Arc<Quota>,
    reserved: Vec<Reserved>,
    /// Bytes that were set apart so far.
    set_apart: u64,
    space: Vec<Space>,
    manner: Manner,
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Into the part.
    Write,
    /// Nowhere: a file of that name is there, and may be the same. When it had last changed as it was opened.
    Compare(Option<LastChange>),
    /// The part was given its name.
    Done,
}

impl Upload {
    /// Begins to receive a file. Any refusal that can be known happens here, before any data.
    pub(crate) fn begin(
        folder: &Folder,
        rules: Rules,
        quota: &Arc<Quota>,
        name: &str,
        size: Option<u64>,
    ) -> Result<Self, Failure> {
        let (disk, last) = folder.place(name, rules)?;
        let (file, manner) = match disk.find(last) {
            None => (claim(&disk, last)?, Manner::Write),
            Some(Found::Folder) => return Err(errors::is_a_folder(name)),
            Some(Found::Special) => return Err(never_replaced(name)),
            Some(Found::File { size: there }) if size.is_none_or(|size| size == there) => look(&disk, last)?,
            Some(_) => return Err(file_exists(name)),
        };
        let mut upload = Self {
            disk,
            name: last.to_owned(),
            file,
            size,
            bytes: 0,
            hasher: blake3::Hasher::new(),
            quota: quota.clone(),
            reserved: Vec::new(),
            set_apart: 0,
            space: Vec::new(),
            manner,
        };
        if manner == Manner::Write {
            let empty = upload.disk.set_length(&upload.file, 0);
            empty.map_err(|error| upload.failed(&error))?;
            upload.reserved.push(quota.entry(0)?);
            upload.provide(size.unwrap_or(0))?;
        }
        Ok(upload)
    }

    /// Sets quota and space apart, so that `bytes` fit; for an unknown size in steps, as long as the quota has so much.
    fn provide(&mut self, bytes: u64) -> Result<(), Failure> {
        if self.set_apart >= bytes {
            return Ok(());
        }
        let need = bytes - self.set_apart;
        let step = if self.size.is_some() { need } else { need.max(STEP) };
        let (step, reserved) = match self.quota.reserve(step) {
            Some(reserved) => (step, reserved),
            None => (need, self.quota.set_apart(need)?),
        };
        self.reserved.push(reserved);
        self.space.push(self.disk.claim_space(&self.file, step)?);
        self.set_apart += step;
        Ok(())
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let end = self.bytes + bytes.len() as u64;
        if self.size.is_some_and(|size| end > size) {
            return Err(more_than_declared("the client", self.bytes));
        }
        match self.manner {
            Manner::Compare(_) => self.compare(bytes)?,
            _ => {
                self.provide(end)?;
                let written = self.disk.write_at(&self.file, self.bytes, bytes);
                written.map_err(|error| self.failed(&error))?;
            }
        }
        self.hasher.update(bytes);
        self.bytes = end;
        Ok(())
    }

    /// The bytes must be those of the file that has the name.
    fn compare(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut there = vec![0; bytes.len()];
        match self.disk.read_at(&self.file, self.bytes, &mut there) {
            Ok(()) if there == bytes => Ok(()),
            _ => Err(file_exists(&self.name)),
        }
    }

    /// All bytes were those of the file that has the name: it must have no more, and be the same still. It is synced even
    /// though nothing was written, since an earlier command may have used `fast` (row 13).
    fn confirm(&self, looked: Option<LastChange>, hash: blake3::Hash) -> Result<(), Failure> {
        let length = self.disk.length(&self.file).map_err(|error| self.failed(&error))?;
        if length != self.bytes {
            return Err(file_exists(&self.name));
        }
        let reads = || self.reads_the_same(hash);
        let stays = self.disk.is_as_it_was(&self.file, &self.name, looked, reads);
        if !stays.map_err(|error| self.failed(&error))? {
            return Err(errors::changed_while_compared(&self.name));
        }
        let synced = self.disk.sync(&self.file).and_then(|()| self.disk.sync_names());
        synced.map_err(|error| self.failed(&error))
    }

    /// Reads the file that is there again.
    fn reads_the_same(&self, hash: blake3::Hash) -> std::io::Result<bool> {
        let (mut hasher, mut buffer, mut at) = (blake3::Hasher::new(), Vec::new(), 0);
        while at < self.bytes {
            buffer.resize((self.bytes - at).min(READ_STEP) as usize, 0);
            self.disk.read_at(&self.file, at, &mut buffer)?;
            hasher.update(&buffer);
            at += buffer.len() as u64;
        }
        Ok(hasher.finalize() == hash && self.disk.length(&self.file)? == self.bytes)
    }

    /// All bytes came: the file is synced and, if it `is_wanted` still, gets its name. Also returns how it looks then.
    pub(crate) fn finish(
        mut self,
        is_wanted: impl FnOnce() -> bool,
    ) -> Result<(Stored, Option<Metadata>), Failure> {
        if let Some(size) = self.size.filter(|size| *size != self.bytes) {
            return Err(errors::upload_ended_early(self.bytes, size));
        }
        let (bytes, hash) = (self.bytes, self.hasher.finalize());
        if let Manner::Compare(looked) = self.manner {
            self.confirm(looked, hash)?;
            return Ok((Stored { bytes, hash, there: true }, self.file.metadata().ok()));
        }
        let modified = self.file.metadata().map_or(0, |metadata| stamp(&metadata));
        let dressed = self.disk.dress(&self.file, MODE, modified).and_then(|()| self.disk.sync(&self.file));
        dressed.map_err(|error| self.failed(&error))?;
        if !is_wanted() {
            return Err(errors::upload_broken_off(bytes));
        }
        let published = self.disk.publish(&self.file, &part_name(&self.name), &self.name, false);
        published.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => file_exists(&self.name),
            std::io::ErrorKind::NotFound => errors::folder_or_part_gone(&error),
            _ => self.failed(&error),
        })?;
        self.manner = Manner::Done;
        let mut unused = self.set_apart - bytes;
        for reserved in self.reserved.drain(..).rev() {
            unused = reserved.keep_all_but(unused);
        }
        self.disk.sync_names().map_err(|error| self.failed(&error))?;
        Ok((Stored { bytes, hash, there: false }, self.file.metadata().ok()))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::io(error, format!("receiving {}", self.name))
    }
}

impl Drop for Upload {
    /// An upload that did not end leaves nothing.
    fn drop(&mut self) {
        if self.manner == Manner::Write {
            drop(self.disk.remove(&part_name(&self.name)));
        }
    }
}

/// Opens the file that has the name, to compare it.
fn look(disk: &RealDisk, name: &str) -> Result<(File, Manner), Failure> {
    let file = disk.open(name).map_err(|_| file_exists(name))?;
    let looked = disk.last_change(&file).ok();
    Ok((file, Manner::Compare(looked)))
}

/// Takes the place of the incomplete file. What an interrupted `send` left there can be resumed, and stays.
fn claim(disk: &RealDisk, name: &str) -> Result<File, Failure> {
    // First: the journal may be that of a transfer that is under way.
    let file = claim_part(disk, name)?;
    if disk.find(&journal_name(name)).is_some() {
        return Err(errors::resumable_part_in_the_way(name, &part_name(name)));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::part::{self, Begun, Intent};
    use super::super::small::BatchWriter;
    use super::*;
    use crate::service::ftp::protocol::{Flags, Label, Message};
    use crate::wire::Code;

    fn begin(folder: &Folder, name: &str, size: Option<u64>) -> Result<Upload, Failure> {
        Upload::begin(folder, Rules::default(), &Arc::new(Quota::new(Some(100))), name, size)
    }

    fn names(folder: &Folder) -> Vec<String> {
        let entries = std::fs::read_dir(&folder.path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        (temp, folder)
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let (temp, folder) = folder();
        for size in [None, Some(6)] {
            let name = format!("a{}", size.is_some());
            let mut upload = begin(&folder, &name, size).unwrap();
            upload.write(b"abc").unwrap();
            assert!(!temp.path().join(&name).exists());
            upload.write(b"def").unwrap();
            let (stored, _) = upload.finish(|| true).unwrap();
            assert_eq!((stored.bytes, stored.hash, stored.there), (6, blake3::hash(b"abcdef"), false));
            assert_eq!(std::fs::read(temp.path().join(&name)).unwrap(), b"abcdef");
        }
        assert_eq!(names(&folder).len(), 2);
    }

    #[test]
    fn an_upload_that_does_not_end_leaves_nothing() {
        let (_temp, folder) = folder();
        let mut upload = begin(&folder, "a", None).unwrap();
        upload.write(b"abc").unwrap();
        drop(upload);
        let mut short = begin(&folder, "a", Some(9)).unwrap();
        short.write(b"abc").unwrap();
        assert!(short.finish(|| true).unwrap_err().to_string().contains("3 of 9"));
        let mut long = begin(&folder, "a", Some(2)).unwrap();
        assert!(long.write(b"abc").is_err());
        drop(long);
        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn what_comes_under_the_name_of_a_file_under_way_is_told_so_and_harms_it_not() {
        let (temp, folder) = folder();
        let (disk, name) = folder.place("a", Rules::default()).unwrap();
        let intent = Intent { replace: true, ..Intent::new(1 << 20, 1) };
        let Begun::Part(_under_way) = part::begin(disk, name, intent).unwrap() else { panic!() };
        let journal = temp.path().join(".a.nls-journal");
        assert!(journal.exists());
        assert_eq!(begin(&folder, "a", None).unwrap_err().code, Code::Receiving);
        let (hash, flags) = (blake3::hash(b"small").into(), Flags { replace: true, fast: false });
        let label = Label { flags, mode: 0o644, modified: 5, hash, name: "a".into() };
        let mut batch = BatchWriter::new(Arc::new(folder), Rules::default(), Arc::new(Quota::new(None)));
        let denied = batch.take(vec![Message::Small { label, bytes: b"small".as_slice().into() }]);
        assert!(matches!(&denied[..], [(0, failure)] if failure.code == Code::Receiving), "{denied:?}");
        assert!(journal.exists());
    }

    #[test]
    fn row_28_a_file_that_somebody_puts_in_its_place_is_not_published() {
        let (temp, folder) = folder();
        let part = temp.path().join(".a.nls-part");
        let mut upload = begin(&folder, "a", None).unwrap();
        upload.write(b"abc").unwrap();
        std::fs::rename(&part, temp.path().join("moved")).unwrap();
        std::fs::write(&part, "evil").unwrap();
        let failure = upload.finish(|| true).unwrap_err();
        assert!(failure.to_string().contains("another file in its place"), "{failure}");
        assert!(!temp.path().join("a").exists());
    }

    #[test]
    fn row_12_what_nobody_wants_any_more_gets_no_name() {
        let (_temp, folder) = folder();
        let mut upload = begin(&folder, "a", None).unwrap();
        upload.write(b"abc").unwrap();
        assert_eq!(upload.finish(|| false).unwrap_err().code, Code::Broken);
        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn row_5_and_17_the_quota_holds_for_sizes_that_are_declared_and_for_those_that_are_not() {
        let (_temp, folder) = folder();
        let quota = Arc::new(Quota::new(Some(100)));
        let refused = Upload::begin(&folder, Rules::default(), &quota, "a", Some(101)).unwrap_err();
        assert_eq!(refused.code, Code::Full, "{refused}");
        let mut upload = Upload::begin(&folder, Rules::default(), &quota, "a", Some(60)).unwrap();
        upload.write(&[1; 60]).unwrap();
        upload.finish(|| true).unwrap();
        assert!(Upload::begin(&folder, Rules::default(), &quota, "b", Some(41)).is_err());
        assert!(Upload::begin(&folder, Rules::default(), &quota, "b", Some(40)).is_ok());
        let steps = Arc::new(Quota::new(Some(STEP + STEP / 2)));
        let mut upload = Upload::begin(&folder, Rules::default(), &steps, "c", None).unwrap();
        upload.write(&[1; 1000]).unwrap();
        upload.finish(|| true).unwrap();
        assert!(steps.reserve(STEP + STEP / 2 - 1000).is_some(), "what was set apart in vain is given back");
    }

    #[test]
    fn row_6_another_file_of_that_name_stays_and_the_same_is_there() {
        let (temp, folder) = folder();
        std::fs::write(temp.path().join("a"), "abc").unwrap();
        for (size, bytes, is_same) in
            [(Some(3), "abc", true), (None, "abc", true), (Some(3), "abd", false), (None, "ab", false)]
        {
            let mut upload = begin(&folder, "a", size).unwrap();
            let stored = upload.write(bytes.as_bytes()).and_then(|()| upload.finish(|| true));
            assert_eq!(stored.is_ok_and(|(stored, _)| stored.there), is_same, "{bytes}");
        }
        assert_eq!(begin(&folder, "a", Some(4)).unwrap_err().code, Code::Exists);
        assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), b"abc");
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    fn row_6_what_is_changed_renamed_or_removed_meanwhile_is_not_called_there() {
        let (temp, folder) = folder();
        let at = |name: &str| temp.path().join(name);
        let change = || {
            let changed = || std::fs::metadata(at("a")).map(|now| (now.ctime(), now.ctime_nsec())).unwrap();
            let before = changed();
            // The clock of files is coarse.
            while changed() == before {
                std::fs::write(at("a"), "abd").unwrap();
            }
        };
        let rename = || std::fs::rename(at("a"), at("b")).unwrap();
        let exchange = || {
            std::fs::write(at("c"), "abc").unwrap();
            std::fs::rename(at("c"), at("a")).unwrap();
        };
        let meddlings: [&dyn Fn(); 4] =
            [&change, &rename, &exchange, &|| std::fs::remove_file(at("a")).unwrap()];
        let compared = || {
            std::fs::write(at("a"), "abc").unwrap();
            let mut upload = begin(&folder, "a", Some(3)).unwrap();
            upload.write(b"abc").unwrap();
            let (disk, last) = folder.place("a", Rules::default()).unwrap();
            let intent = Intent { replace: true, ..Intent::new(3, 1_000_000_000) };
            let begun = part::begin(disk, last, intent).unwrap();
            let Begun::There(mut there) = begun else { panic!("it is there") };
            there.hashes(0, 1).unwrap();
            (upload, there)
        };
        for (n, meddle) in meddlings.into_iter().enumerate() {
            let (upload, there) = compared();
            meddle();
            assert_eq!(upload.finish(|| true).unwrap_err().code, Code::Changed, "{n}");
            assert_eq!(there.confirm().unwrap_err().code, Code::Changed, "{n}");
        }
        // Its look may change: others who send the same do that, too.
        let (upload, there) = compared();
        let (_, same) = compared();
        std::fs::hard_link(at("a"), at("d")).unwrap();
        there.confirm().unwrap();
        same.confirm().unwrap();
        assert!(upload.finish(|| true).unwrap().0.there);
    }

    #[test]
    fn row_7_what_send_can_resume_is_not_taken() {
        let (temp, folder) = folder();
        std::fs::write(temp.path().join(".a.nls-part"), "half").unwrap();
        std::fs::write(temp.path().join(".a.nls-journal"), "journal").unwrap();
        assert!(begin(&folder, "a", Some(4)).unwrap_err().to_string().contains(".a.nls-part"));
        assert_eq!(std::fs::read(temp.path().join(".a.nls-part")).unwrap(), b"half");
    }
}
