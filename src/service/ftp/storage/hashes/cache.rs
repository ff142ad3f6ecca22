//! Hashes of large files that were sent before, kept in the user's cache folder, so that resuming one need not read it
//! again. The name of an entry identifies one state of one file: device, inode, size, and both of its times. An entry
//! holds hashes only, mode 0600; if it is lost or damaged, that costs time and nothing else.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::tree::{GROUP, HashTree};
use crate::service::files::disk::last_change;
use crate::service::files::root::Source;
use crate::service::ftp::protocol::GroupHash;
use crate::service::ftp::storage::journal::{self, Header, SYNCED};

/// Files of fewer bytes are not cached: hashing them again takes little time.
pub(crate) const CACHE_FROM: u64 = 64 << 20;
/// Hashes that are written together: those of 64 MiB of the file.
const SAVE_EVERY: usize = 256;
/// Most files whose hashes are kept; the oldest are removed.
const FILES_LIMIT: usize = 64;
/// A file that changed more recently is not cached: it may change again without a new time stamp. What a program writes
/// into its mapping of the file has one only the first time after the system has written the page back, within 35 s.
/// The time of the file may have been set back; that of its last change can not.
const SETTLED: Duration = Duration::from_mins(1);

/// The cached hashes of one file.
#[derive(Debug)]
pub(crate) struct Hashes {
    file: File,
    end: u64,
    unsaved: Vec<(u64, GroupHash)>,
}

impl Hashes {
    /// Loads cached hashes into `tree`. `None`: the file is small, or was just changed, or the cache cannot be used.
    pub(crate) fn open(source: &Source, tree: &mut HashTree) -> Option<Self> {
        Self::open_in(&folder_for(source)?, source, SystemTime::now(), tree)
    }

    fn open_in(folder: &Path, source: &Source, now: SystemTime, tree: &mut HashTree) -> Option<Self> {
        let path = folder.join(entry(source, now)?);
        std::fs::create_dir_all(folder).ok()?;
        if !path.exists() {
            prune(folder);
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).ok()?;
        // Two senders of one file: the second does without the cache.
        file.try_lock().ok()?;
        let end = match load(&file, source, tree).ok()? {
            Some(end) => end,
            None => {
                let header = header(source).encode();
                file.set_len(0).ok()?;
                file.write_all_at(&header, 0).ok()?;
                header.len() as u64
            }
        };
        Some(Self { file, end, unsaved: Vec::new() })
    }

    pub(crate) fn add(&mut self, index: u64, hash: GroupHash) {
        self.unsaved.push((index, hash));
        if self.unsaved.len() >= SAVE_EVERY {
            self.save();
        }
    }

    /// Writes new hashes; those that cannot be written are computed again another time.
    pub(crate) fn save(&mut self) {
        self.unsaved.sort_unstable_by_key(|(index, _)| *index);
        let records = journal::records(&self.unsaved, &SYNCED);
        if self.file.write_all_at(&records, self.end).is_ok() {
            self.end += records.len() as u64;
        }
        self.unsaved.clear();
    }
}

/// The hash of a whole file, if all of its groups are cached. Nothing is written: who only asks makes no entry, and
/// pushes no other one out.
pub(crate) fn known(source: &Source) -> Option<blake3::Hash> {
    if source.size < CACHE_FROM {
        return None;
    }
    known_in(&folder_for(source)?, source, SystemTime::now())
}

fn known_in(folder: &Path, source: &Source, now: SystemTime) -> Option<blake3::Hash> {
    let file = File::open(folder.join(entry(source, now)?)).ok()?;
    let mut tree = HashTree::new(source.size, GROUP);
    load(&file, source, &mut tree).ok()??;
    tree.root()
}

/// Where the hashes of a file are kept; `None`: nowhere, because a mapping may change it without a trace.
fn folder_for(source: &Source) -> Option<PathBuf> {
    if !notes_mapped_writes(&source.file) {
        return None;
    }
    dirs::cache_dir().map(|cache| cache.join("nls").join("hashes"))
}

/// File systems on which a write through a mapping changes the times of the file (`linux/magic.h`): ext2 to ext4, XFS, btrfs,
/// F2FS, ZFS, bcachefs. Of others it is not known: tmpfs never writes anything back, and an overlay may be over one.
#[cfg(target_os = "linux")]
const NOTING: [u32; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e];

/// True if no program can change the file without a new time.
#[cfg(target_os = "linux")]
fn notes_mapped_writes(file: &std::fs::File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| NOTING.contains(&(system.f_type as u32)))
}

/// What this system has does.
#[cfg(not(target_os = "linux"))]
fn notes_mapped_writes(_: &std::fs::File) -> bool {
    true
}

/// The entry of a file; `None`: it is small, or was just changed.
fn entry(source: &Source, now: SystemTime) -> Option<String> {
    if source.size < CACHE_FROM {
        return None;
    }
    let metadata = source.file.metadata().ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(last_change(&metadata).0.try_into().ok()?);
    let newest = metadata.modified().ok()?.max(changed);
    (now.duration_since(newest).ok()? >= SETTLED).then(|| name(&metadata))
}

fn header(source: &Source) -> Header {
    Header { group: GROUP as u32, size: source.size, modified: source.modified }
}

/// Reads the hashes of an entry into `tree`, and tells where they end; `None`: it is of another file, or damaged.
fn load(file: &File, source: &Source, tree: &mut HashTree) -> std::io::Result<Option<u64>> {
    let mut bytes = vec![0; file.metadata()?.len().min(source.size / GROUP * 64 + 4096) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let journal = journal::read(&bytes, &SYNCED).ok().filter(|journal| journal.header == header(source));
    Ok(journal.map(|journal| {
        journal.groups.iter().for_each(|&(index, hash)| tree.set(index, hash));
        journal.end
    }))
}

fn name(metadata: &std::fs::Metadata) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [metadata.dev(), metadata.ino(), metadata.size()] {
        hasher.update(&part.to_be_bytes());
    }
    for part in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
        hasher.update(&part.to_be_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Removes the oldest entries, so that there is room for one more.
fn prune(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut known: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    known.sort();
    let surplus = (known.len() + 1).saturating_sub(FILES_LIMIT);
    known.iter().take(surplus).for_each(|(_, path)| drop(std::fs::remove_file(path)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::root::local_source;

    /// When the files of these tests are old.
    fn later() -> SystemTime {
        SystemTime::now() + SETTLED + Duration::from_secs(2)
    }

    fn source(folder: &Path, age: Duration) -> Source {
        let path = folder.join("big");
        let file = File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        file.set_len(CACHE_FROM).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        local_source(&path).unwrap()
    }

    #[test]
    fn hashes_are_there_again_while_the_file_is_the_same() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = Duration::from_secs(100);
        let mut tree = HashTree::new(CACHE_FROM, GROUP);
        let known = source(folder.path(), old);
        let mut hashes = Hashes::open_in(cache.path(), &known, later(), &mut tree).unwrap();
        hashes.add(3, [3; 32]);
        hashes.save();
        drop(hashes);
        let mut again = HashTree::new(CACHE_FROM, GROUP);
        drop(Hashes::open_in(cache.path(), &known, later(), &mut again).unwrap());
        assert_eq!((again.get(3), again.get(2)), (Some([3; 32]), None));
        let mut other = HashTree::new(CACHE_FROM, GROUP);
        let touched = source(folder.path(), old * 2);
        drop(Hashes::open_in(cache.path(), &touched, later(), &mut other).unwrap());
        assert_eq!(other.get(3), None);
    }

    #[test]
    fn who_asks_for_the_hash_of_a_file_makes_no_entry() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = source(folder.path(), Duration::from_secs(100));
        assert_eq!(known_in(cache.path(), &file, later()), None);
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
        let mut tree = HashTree::new(CACHE_FROM, GROUP);
        let count = tree.count();
        let mut hashes = Hashes::open_in(cache.path(), &file, later(), &mut tree).unwrap();
        let mut add = |index| {
            tree.set(index, [7; 32]);
            hashes.add(index, [7; 32]);
            hashes.save();
        };
        (1..count).for_each(&mut add);
        assert_eq!(known_in(cache.path(), &file, later()), None, "one is missing");
        add(0);
        assert_eq!(known_in(cache.path(), &file, later()), tree.root());
    }

    #[test]
    fn a_file_that_was_just_written_is_not_remembered() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Its time may have been set back, or be in the future.
        for (age, wait) in [(Duration::ZERO, Duration::ZERO), (SETTLED * 9, SETTLED / 2)] {
            let fresh = source(folder.path(), age);
            let mut tree = HashTree::new(CACHE_FROM, GROUP);
            assert!(Hashes::open_in(cache.path(), &fresh, SystemTime::now() + wait, &mut tree).is_none());
        }
        let later = SystemTime::now() - Duration::from_secs(9);
        assert_eq!(known_in(cache.path(), &source(folder.path(), Duration::ZERO), later), None);
    }

    #[test]
    fn only_so_many_files_are_remembered() {
        let cache = tempfile::tempdir().unwrap();
        for n in 0..FILES_LIMIT + 5 {
            std::fs::write(cache.path().join(n.to_string()), "").unwrap();
        }
        prune(cache.path());
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), FILES_LIMIT - 1);
    }
}
