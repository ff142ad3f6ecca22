//! What transfers left: parts (incomplete files), with their journals.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::service::files::name::{is_part, journal_of};

/// Most folders and files that are examined.
const LOOK_LIMIT: usize = 1_000_000;
/// Most levels of folders in folders.
const DEPTH_LIMIT: usize = 64;
/// Bytes of a unit of `st_blocks`.
const SECTOR: u64 = 512;

/// An incomplete file.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// Bytes that it takes on the disk.
    pub(crate) bytes: u64,
    /// Time since the last byte came.
    pub(crate) age: Duration,
    /// A transfer has it open.
    pub(crate) busy: bool,
}

/// All parts below `folder`, sorted by path, and whether everything could be examined. No link is followed.
pub(crate) fn find(folder: &Path) -> io::Result<(Vec<Leftover>, bool)> {
    let (mut found, mut whole) = (Vec::new(), true);
    let mut waiting = vec![(folder.to_owned(), 0)];
    let mut looked = 0;
    let mut first = true;
    while let Some((folder, depth)) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if first => return Err(error),
            Err(_) => {
                whole = false;
                continue;
            }
            Ok(entries) => entries,
        };
        first = false;
        for entry in entries.flatten() {
            looked += 1;
            if looked > LOOK_LIMIT {
                return Ok((found, false));
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                whole &= depth < DEPTH_LIMIT;
                if depth < DEPTH_LIMIT {
                    waiting.push((entry.path(), depth + 1));
                }
            } else if metadata.is_file() && is_part(&entry.file_name()) {
                let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
                let (path, bytes) = (entry.path(), metadata.blocks() * SECTOR);
                let busy = is_busy(&path);
                found.push(Leftover { path, bytes, age: age.unwrap_or_default(), busy });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((found, whole))
}

/// True if a transfer holds the lock of the part.
fn is_busy(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

impl Leftover {
    /// Removes the part and its journal; fails with `ResourceBusy` if a transfer has it open.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if is_busy(&self.path) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        std::fs::remove_file(&self.path)?;
        let Some(journal) = self.path.file_name().and_then(journal_of) else { return Ok(()) };
        match std::fs::remove_file(self.path.with_file_name(journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::name::{journal_name, part_name};

    #[test]
    fn parts_are_found_below_a_folder_and_go_with_their_journals_unless_they_are_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), "12345").unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        let names = [part_name("a"), journal_name("a"), format!("deep/{}", part_name("b"))];
        names.iter().for_each(|name| write(name));
        write("whole");
        let open = File::open(folder.path().join(&names[2])).unwrap();
        open.lock().unwrap();
        let (parts, whole) = find(folder.path()).unwrap();
        assert!(whole && parts.len() == 2 && !parts[0].busy && parts[1].busy, "{parts:?}");
        assert!(parts[0].bytes > 0 && parts[1].remove().is_err());
        parts[0].remove().unwrap();
        let (left, _) = find(folder.path()).unwrap();
        assert!(left.len() == 1 && !folder.path().join(&names[1]).exists(), "{left:?}");
        assert!(folder.path().join("whole").exists());
    }
}
