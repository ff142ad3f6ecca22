//! Small files, folders and links that are stored together, below a root.

use std::sync::Arc;

use super::Denied;
use super::pending::{Pending, check_place, name_all};
use crate::report::Failure;
use crate::service::contract::errors::{file_exists, never_replaced};
use crate::service::files::disk::{Disk, Found, RealDisk, reopen};
use crate::service::files::name::{Rules, components};
use crate::service::files::root::Folder;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Label, Message};
use crate::service::ftp::storage::quota::Quota;

/// Most files of one client that are synced together: each holds its lock until it has its name.
const PENDING_LIMIT: usize = 64;
/// Messages from the first pending one on, and bytes, that cause a sync: a sender's window is four times as large.
const UNSETTLED_LIMIT: u64 = 256;
const UNSETTLED_BYTES: u64 = 2 << 20;

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
                || Pending::is_crowded()
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
        let pending = Pending::write(index, (dir, last), label, bytes, place)?;
        (self.bytes, self.files) = (self.bytes + length, self.files + 1);
        if flags.fast {
            return pending.publish_at_once();
        }
        self.pending.push(pending);
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
        let mut groups = Vec::<Vec<Pending>>::new();
        for pending in std::mem::take(&mut self.pending) {
            match groups.last_mut() {
                Some(group) if Arc::ptr_eq(&group[0].dir, &pending.dir) => group.push(pending),
                _ => groups.push(vec![pending]),
            }
        }
        let mut denied: Vec<Denied> =
            groups.into_iter().flat_map(|group| name_all(group, synced.clone())).collect();
        denied.sort_by_key(|(index, _)| *index);
        denied
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ftp::protocol::Flags;
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
        for (replace, there) in [(false, false), (true, false), (true, true)] {
            let (temp, mut keeper) = keeper(None);
            there.then(|| std::fs::write(temp.path().join("a"), "old").unwrap());
            keeper.take(vec![small("a", "new", replace, false)]);
            let mut pending = keeper.pending.pop().unwrap();
            pending.publish().unwrap();
            let (index, failure) = pending.take_back(&errors::arrived_damaged());
            assert_eq!((index, temp.path().join("a").exists()), (0, there));
            assert_eq!(failure.to_string().contains("replaced the one there"), there, "{failure}");
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
