//! Small files that travel as one message: reading them, and storing many at a time. One wait for the disk serves many
//! files: write all, sync the file system, rename all, sync the folders. Everything blocks.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use super::part::claim_part;
use super::quota::{Quota, Reserved};
use crate::base::{Count, Counted};
use crate::report::Failure;
use crate::service::contract::errors::{changed_while_reading, file_exists, never_replaced};
use crate::service::files::disk::check_free;
use crate::service::files::disk::{Disk, Found, LastChange, RealDisk, reopen};
use crate::service::files::name::{Rules, components, journal_name, part_name};
use crate::service::files::root::{Folder, Source};
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Flags, Label, Message, SMALL_LIMIT};

/// Most files of all clients that wait for a sync: each holds two descriptors.
const ALL_PENDING_LIMIT: usize = 512;
static PENDING: Count = Count::new();

/// Most files of one client that are synced together: each holds its lock until it has its name.
const PENDING_LIMIT: usize = 64;
/// Messages from the first pending one on, and bytes, that cause a sync: a sender's window is four times as large.
const UNSETTLED_LIMIT: u64 = 256;
const UNSETTLED_BYTES: u64 = 2 << 20;

/// Reads a small file; returns its metadata, under the name `name`, and its bytes.
pub(crate) fn read(
    folder: &Folder,
    path: &str,
    name: String,
    flags: Flags,
) -> Result<(Label, bytes::Bytes), Failure> {
    read_source(folder.source(path)?, name, flags)
}

pub(crate) fn read_source(
    mut source: Source,
    name: String,
    flags: Flags,
) -> Result<(Label, bytes::Bytes), Failure> {
    let mut bytes = Vec::with_capacity(source.size.min(SMALL_LIMIT) as usize + 1);
    (&mut source.file)
        .take(SMALL_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(&error, format!("reading {name}")))?;
    if bytes.len() as u64 != source.size || source.size > SMALL_LIMIT {
        return Err(changed_while_reading(source.size.min(bytes.len() as u64)));
    }
    let hash = blake3::hash(&bytes).into();
    let label = Label { flags, mode: source.mode, modified: source.modified, hash, name };
    Ok((label, bytes.into()))
}

/// A file that is written and does not have its final name yet.
#[derive(Debug)]
struct Pending {
    index: u64,
    dir: Arc<RealDisk>,
    name: String,
    replace: bool,
    /// Holds the lock of the part.
    file: File,
    written: Written,
    place: Reserved,
    _counted: Counted,
}

impl Pending {
    /// Fails if another program has written to the part meanwhile, or moved its folder.
    fn check(&self) -> Result<(), Failure> {
        check_place(&self.dir)?;
        let is_whole = self.written.is_still_in(&self.dir, &self.file);
        if is_whole { Ok(()) } else { Err(errors::part_was_changed(&part_name(&self.name))) }
    }

    fn remove(&self) {
        drop(self.dir.remove(&part_name(&self.name)));
    }

    /// If it fails, nothing is left.
    fn publish(&self) -> Result<(), Failure> {
        let part = part_name(&self.name);
        or_removed(&self.dir, &self.name, self.dir.rename_own(&self.file, &part, &self.name, self.replace))
    }
}

impl Pending {
    /// It has its name, but the folder was moved: what is refused is not there, unless it replaced another.
    fn take_back(self, failure: &Failure) -> Denied {
        if self.replace {
            self.place.keep();
        } else if self.dir.is_at(&self.file, &self.name) {
            drop(self.dir.remove(&self.name));
        }
        (self.index, failure.clone())
    }
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

/// Stores small files and folders below a root.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    folder: Arc<Folder>,
    rules: Rules,
    quota: Arc<Quota>,
    /// The folder used last, by its path: the next file mostly goes there too.
    last: Option<(String, Arc<RealDisk>)>,
    pending: Vec<Pending>,
    /// Bytes of small files since the last [`Self::settle`].
    unsettled: u64,
    /// A sync is due for something other than pending files: folders, links, or files that were there already.
    made: bool,
    /// Messages that were handled: stored, pending or refused.
    pub(crate) taken: u64,
    /// Files that were there already, of the messages that are handled at present, by folder.
    there: Vec<(Arc<RealDisk>, Vec<u64>)>,
    /// Bytes and files that are stored.
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// Files that were there already with the same content, and those that replaced another.
    pub(crate) same: u64,
    pub(crate) updated: u64,
    /// Offers that are to be sent: their index, and whether they replace another file.
    wanted: Vec<(u64, bool)>,
}

/// A message that was refused: its index, from 0.
pub(crate) type Denied = (u64, Failure);

impl BatchWriter {
    pub(crate) fn new(folder: Arc<Folder>, rules: Rules, quota: Arc<Quota>) -> Self {
        Self {
            folder,
            rules,
            quota,
            last: None,
            pending: Vec::new(),
            unsettled: 0,
            made: false,
            taken: 0,
            there: Vec::new(),
            bytes: 0,
            files: 0,
            same: 0,
            updated: 0,
            wanted: Vec::new(),
        }
    }

    /// Takes the offers since the last call that are to be sent, and whether each replaces another file.
    pub(crate) fn take_wanted(&mut self) -> Vec<(u64, bool)> {
        std::mem::take(&mut self.wanted)
    }

    /// True if a file waits for a sync.
    pub(crate) const fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How many messages, counted from the first, are stored or refused for good.
    pub(crate) fn settled(&self) -> u64 {
        self.pending.first().map_or(self.taken, |first| first.index)
    }

    /// Handles messages in order; returns those that were refused, while the rest goes on.
    pub(crate) fn take(&mut self, messages: Vec<Message>) -> Vec<Denied> {
        let mut denied = Vec::new();
        // Somebody may have moved it meanwhile, and made another one.
        self.last.take_if(|(_, dir)| !dir.is_in_place());
        for message in messages {
            let index = self.taken;
            self.taken += 1;
            let stored = match message {
                Message::Folder { mode: 0, path, .. } => {
                    self.entry(&path, |folder, rules| folder.make(&path, rules))
                }
                Message::Folder { mode, modified, path } => {
                    self.made = true;
                    self.folder.finish(&path, modified, mode, self.rules)
                }
                Message::Link { replace, path, target } => {
                    self.entry(&path, |folder, rules| folder.link(&path, &target, replace, rules))
                }
                Message::Offer { label, size } => self.offer(index, &label, size),
                Message::Small { label, bytes } => self.small(index, &label, &bytes),
                _ => Err(errors::not_of_a_tree()),
            };
            denied.extend(stored.err().map(|failure| (index, failure)));
            let full = self.pending.len() >= PENDING_LIMIT
                || PENDING.now() >= ALL_PENDING_LIMIT
                || self.taken - self.settled() >= UNSETTLED_LIMIT
                || self.unsettled >= UNSETTLED_BYTES;
            if full {
                denied.extend(self.settle());
            }
        }
        denied.extend(self.check_there());
        denied
    }

    /// Makes a folder or a link, which says whether it was there already.
    fn entry(
        &mut self,
        path: &str,
        make: impl FnOnce(&Folder, Rules) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        self.made = true;
        let place = self.quota.entry(0);
        if let Err(failure) = &place {
            // What is there already needs no place.
            let (dir, last) = self.dir_of(path)?;
            dir.find(last).ok_or_else(|| failure.clone())?;
        }
        if let (false, Ok(place)) = (make(&self.folder, self.rules)?, place) {
            place.keep();
        }
        Ok(())
    }

    /// The same content under the same name is success; otherwise the client is asked for the bytes.
    fn offer(&mut self, index: u64, label: &Label, size: u64) -> Result<(), Failure> {
        let (dir, last) = self.dir_of(&label.name)?;
        match dir.find(last) {
            Some(Found::Folder) => Err(errors::is_a_folder(last)),
            Some(found) if is_same(&dir, last, found, label.hash, size as usize) => {
                self.is_there(index, dir, last, label);
                Ok(())
            }
            Some(_) if !label.flags.replace => Err(file_exists(last)),
            found => {
                self.wanted.push((index, found.is_some()));
                Ok(())
            }
        }
    }

    fn small(&mut self, index: u64, label: &Label, bytes: &[u8]) -> Result<(), Failure> {
        let Label { flags, hash, name, .. } = label;
        self.unsettled += bytes.len() as u64;
        if blake3::hash(bytes).as_bytes() != hash {
            return Err(errors::arrived_damaged());
        }
        let (dir, last) = self.dir_of(name)?;
        match dir.find(last) {
            Some(Found::Folder) => return Err(errors::is_a_folder(last)),
            Some(Found::Special) => return Err(never_replaced(last)),
            Some(found) if is_same(&dir, last, found, *hash, bytes.len()) => {
                self.is_there(index, dir, last, label);
                return Ok(());
            }
            Some(_) if !flags.replace => return Err(file_exists(last)),
            Some(_) => self.updated += 1,
            None => {}
        }
        let length = bytes.len() as u64;
        let place = self.quota.entry(length)?;
        let file = write_part(&dir, last, label, bytes)?;
        (self.bytes, self.files) = (self.bytes + length, self.files + 1);
        if flags.fast {
            let published = dir.publish(&file, &part_name(last), last, flags.replace);
            return or_removed(&dir, last, published).map(|()| place.keep());
        }
        let name = last.to_owned();
        let written = Written { hash: *hash, bytes: bytes.len(), at: dir.last_change(&file).ok() };
        self.pending.push(Pending {
            index,
            dir,
            name,
            replace: flags.replace,
            file,
            written,
            place,
            _counted: PENDING.add(),
        });
        Ok(())
    }

    /// The file is there already. Nothing is written, but a sync is due: an earlier command may have used `fast` (row
    /// 13).
    fn is_there(&mut self, index: u64, dir: Arc<RealDisk>, name: &str, label: &Label) {
        self.same += 1;
        self.made |= !label.flags.fast;
        dir.adorn(name, label);
        match self.there.last_mut() {
            Some((last, files)) if Arc::ptr_eq(last, &dir) => files.push(index),
            _ => self.there.push((dir, vec![index])),
        }
    }

    /// The files that were there already are not under their names, if somebody has moved their folder meanwhile: looked
    /// at once for each folder.
    fn check_there(&mut self) -> Vec<Denied> {
        let mut denied = Vec::new();
        for (dir, files) in std::mem::take(&mut self.there) {
            if let Err(failure) = check_place(&dir) {
                self.same -= files.len() as u64;
                denied.extend(files.into_iter().map(|index| (index, failure.clone())));
            }
        }
        denied
    }

    fn dir_of<'a>(&mut self, name: &'a str) -> Result<(Arc<RealDisk>, &'a str), Failure> {
        let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
        let (dir, last) = match &self.last {
            // The name is checked all the same; only the folder need not be opened again.
            Some((known, dir)) if known == parent && !self.rules.portable => {
                self.rules.check(name, &components(name)?)?;
                (dir.clone(), name.rsplit('/').next().unwrap_or(name))
            }
            _ => {
                let (disk, last) = self.folder.place(name, self.rules)?;
                (Arc::new(disk), last)
            }
        };
        self.last = Some((parent.to_owned(), dir.clone()));
        Ok((dir, last))
    }

    /// Syncs, and gives the pending files their names; returns those that failed: also each whose name may not be on the
    /// disk.
    pub(crate) fn settle(&mut self) -> Vec<Denied> {
        self.unsettled = 0;
        if self.pending.is_empty() && !self.made {
            return Vec::new();
        }
        self.made = false;
        let synced = self.sync_file_systems().map_err(|error| Failure::io(&error, "sync of the file system"));
        let (mut denied, mut named) = (Vec::<Denied>::new(), Vec::<Vec<Pending>>::new());
        for pending in std::mem::take(&mut self.pending) {
            // What is not whole, or may not be on the disk, is not kept.
            let whole = synced.clone().and_then(|()| pending.check()).inspect_err(|_| pending.remove());
            if let Err(failure) = whole.and_then(|()| pending.publish()) {
                denied.push((pending.index, failure));
                continue;
            }
            match named.last_mut() {
                Some(group) if Arc::ptr_eq(&group[0].dir, &pending.dir) => group.push(pending),
                _ => named.push(vec![pending]),
            }
        }
        for group in named {
            let dir = &group[0].dir;
            let synced = dir.sync_names().map_err(|error| Failure::io(&error, "sync of a folder"));
            if let Err(failure) = check_place(dir) {
                denied.extend(group.into_iter().map(|pending| pending.take_back(&failure)));
                continue;
            }
            if let Err(failure) = synced {
                denied.extend(group.iter().map(|pending| (pending.index, failure.clone())));
            }
            group.into_iter().for_each(|pending| pending.place.keep());
        }
        denied.sort_by_key(|(index, _)| *index);
        denied
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

impl BatchWriter {
    /// Syncs each file system once: a folder below the root may be on another one.
    fn sync_file_systems(&self) -> std::io::Result<()> {
        let mut synced = Vec::new();
        let handles = self.pending.iter().map(|pending| reopen(&pending.dir.dir));
        for handle in handles.chain([self.folder.reopen()]) {
            let handle = handle?;
            let device = rustix::fs::fstat(&handle)?.st_dev;
            if !synced.contains(&device) {
                rustix::fs::syncfs(handle)?;
                synced.push(device);
            }
        }
        Ok(())
    }
}

/// Removes files that do not have their names yet: a client that sends them again starts over.
impl Drop for BatchWriter {
    fn drop(&mut self) {
        self.pending.iter().for_each(Pending::remove);
    }
}

/// True if a regular file of that name has this content; a link to such a file does not count.
fn is_same(dir: &RealDisk, name: &str, found: Found, hash: [u8; 32], length: usize) -> bool {
    let mut there = vec![0; length];
    found == Found::File { size: length as u64 }
        && dir.open(name).is_ok_and(|file| dir.read_at(&file, 0, &mut there).is_ok())
        && *blake3::hash(&there).as_bytes() == hash
}

fn check_place(dir: &RealDisk) -> Result<(), Failure> {
    dir.check_place().map_err(|error| errors::folder_or_part_gone(&error))
}

/// If a file could not get its name, nothing is left of it.
fn or_removed(dir: &RealDisk, name: &str, renamed: std::io::Result<()>) -> Result<(), Failure> {
    renamed.map_err(|error| {
        drop(dir.remove(&part_name(name)));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => errors::appeared_meanwhile(name),
            std::io::ErrorKind::NotFound => errors::folder_or_part_gone(&error),
            _ => Failure::io(&error, format!("commit {name}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ftp::storage::quota::ENTRIES;
    use crate::wire::Code;

    fn keeper(quota: Option<u64>) -> (tempfile::TempDir, BatchWriter) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(temp.path(), false).unwrap());
        (temp, BatchWriter::new(folder, Rules::default(), Arc::new(Quota::new(quota))))
    }

    fn small(name: &str, bytes: &'static str, replace: bool, fast: bool) -> Message {
        let hash = blake3::hash(bytes.as_bytes()).into();
        let label =
            Label { flags: Flags { replace, fast }, mode: 0o644, modified: 5, hash, name: name.into() };
        Message::Small { label, bytes: bytes.into() }
    }

    fn folder(path: &str) -> Message {
        Message::Folder { mode: 0, modified: 1_000_000_000, path: path.into() }
    }

    #[test]
    fn row_28_what_another_program_writes_to_a_part_that_waits_is_noticed() {
        for content in ["Jello", "hello"] {
            let (temp, mut keeper) = keeper(None);
            assert!(keeper.take(vec![small("a", "hello", false, false)]).is_empty() && keeper.has_pending());
            let part = temp.path().join(".a.nls-part");
            let changed = || keeper.pending[0].dir.last_change(&keeper.pending[0].file).unwrap();
            let before = changed();
            // Within one tick of its clock the file system does not tell two writes apart.
            while changed() == before {
                std::fs::write(&part, content).unwrap();
            }
            let denied = keeper.settle();
            assert_eq!(denied.is_empty(), content == "hello", "{denied:?}");
            assert_eq!(temp.path().join("a").exists(), content == "hello");
            assert!(!part.exists());
        }
    }

    #[test]
    fn row_6_a_file_whose_folder_is_moved_while_it_is_compared_is_not_called_there() {
        for is_moved in [false, true] {
            let (temp, mut keeper) = keeper(None);
            std::fs::create_dir(temp.path().join("d")).unwrap();
            std::fs::write(temp.path().join("d/a"), "same").unwrap();
            let Message::Small { label, bytes } = small("d/a", "same", false, true) else { unreachable!() };
            keeper.offer(7, &label, 4).unwrap();
            keeper.small(8, &label, &bytes).unwrap();
            assert_eq!(keeper.same, 2);
            if is_moved {
                std::fs::rename(temp.path().join("d"), temp.path().join("e")).unwrap();
            }
            let denied: Vec<u64> = keeper.check_there().into_iter().map(|(index, _)| index).collect();
            assert_eq!((denied, keeper.same), if is_moved { (vec![7, 8], 0) } else { (vec![], 2) });
        }
    }

    #[test]
    fn row_18_what_is_refused_after_it_was_named_is_not_there_unless_it_replaced_another() {
        for replace in [false, true] {
            let (temp, mut keeper) = keeper(None);
            keeper.take(vec![small("a", "new", replace, false)]);
            let pending = keeper.pending.pop().unwrap();
            pending.publish().unwrap();
            let (index, _) = pending.take_back(&errors::arrived_damaged());
            assert_eq!((index, temp.path().join("a").exists()), (0, replace));
        }
    }

    #[test]
    fn a_tree_appears_with_its_names_when_the_disk_has_it() {
        let (temp, mut keeper) = keeper(None);
        let denied =
            keeper.take(vec![folder("d"), small("d/a", "one", false, false), small("b", "two", false, true)]);
        assert!(denied.is_empty() && keeper.settled() == 1);
        assert!(temp.path().join("b").exists() && !temp.path().join("d/a").exists());
        assert!(keeper.settle().is_empty() && keeper.settled() == 3);
        assert_eq!(std::fs::read_to_string(temp.path().join("d/a")).unwrap(), "one");
        assert_eq!(std::fs::read_dir(temp.path().join("d")).unwrap().count(), 1, "no part is left");
    }

    #[test]
    fn row_6_and_20_what_is_refused_is_said_by_its_index_and_the_rest_goes_on() {
        let (temp, mut keeper) = keeper(Some(10));
        std::fs::write(temp.path().join("there"), "same").unwrap();
        std::fs::write(temp.path().join("other"), "diff").unwrap();
        let mut damaged = small("damaged", "x", false, true);
        if let Message::Small { label, .. } = &mut damaged {
            label.hash[0] ^= 1;
        }
        let denied = keeper.take(vec![
            small("there", "same", false, true),
            small("other", "same", false, true),
            small("../out", "x", false, true),
            damaged,
            small("absent/a", "x", false, true),
            small("good", "1234567", false, true),
            small("quota", "1234", false, true),
            small("other", "new", true, true),
            folder("good"),
        ]);
        let codes: Vec<(u64, Code)> = denied.iter().map(|(index, failure)| (*index, failure.code)).collect();
        let expected = [
            (1, Code::Exists),
            (2, Code::Policy),
            (3, Code::Integrity),
            (4, Code::Missing),
            (6, Code::Full),
            (8, Code::Exists),
        ];
        assert_eq!(codes, expected);
        assert_eq!(std::fs::read_to_string(temp.path().join("other")).unwrap(), "new");
        let names = std::fs::read_dir(temp.path()).unwrap().count();
        assert_eq!(names, 3, "there, other, good");
    }
    #[test]
    fn row_17_empty_files_folders_and_links_are_bounded_by_the_quota_too() {
        let (temp, mut keeper) = keeper(Some(1));
        let made = |n: u64| match n % 3 {
            0 => small(&format!("file{n}"), "", false, true),
            1 => folder(&format!("folder{n}")),
            _ => Message::Link { replace: false, path: format!("link{n}"), target: "file0".into() },
        };
        assert_eq!(keeper.take((0..ENTRIES).map(made).collect()), Vec::new());
        let refused = keeper.take((ENTRIES..ENTRIES + 3).map(made).collect());
        assert_eq!(refused.len(), 3, "{refused:?}");
        assert!(refused.iter().all(|(_, failure)| failure.code == Code::Full));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count() as u64, ENTRIES);
        // What is there needs no place.
        assert_eq!(keeper.take((0..6).map(made).collect()), Vec::new());
    }
}
