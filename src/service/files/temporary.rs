//! A private folder, as `$tmp`, that is removed with what made it. What a killed run left is removed by the next one that
//! makes a folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::base::open::NO_WAIT_NO_LINK;

const PREFIX: &str = "nls-";
/// Letters and digits behind it.
const LETTERS: usize = 6;
/// What a lock says of itself: nothing else is taken for one.
const MARK: &[u8] = b"lock of a temporary folder of nls\n";
/// Suffix of the file that the folder's owner holds locked. It is beside the folder, so that it is not seen in there.
const LOCK_SUFFIX: &str = ".lock";

/// A folder and its lock.
#[derive(Debug)]
pub(crate) struct Temporary {
    // Dropped in this order: a folder without its lock would stay for ever.
    folder: tempfile::TempDir,
    _lock: tempfile::TempPath,
    _locked: File,
}

impl Temporary {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a folder and its lock, after removing folders that killed runs left.
pub(crate) fn make() -> io::Result<Temporary> {
    let all = Some(std::env::temp_dir()).filter(|all| !all.as_os_str().is_empty());
    let all = all.unwrap_or_else(|| "/tmp".into());
    clear(&all);
    loop {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(LETTERS)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(&all)?;
        let lock = lock_of(folder.path());
        let mut locked = File::create_new(&lock)?;
        // On a file system without locks, other shells remove nothing either.
        drop(locked.lock());
        // Another shell may have removed the lock and the folder before the lock was held: then this is tried again.
        if locked.metadata()?.nlink() > 0 {
            let lock = tempfile::TempPath::try_from_path(lock)?;
            locked.write_all(MARK)?;
            return Ok(Temporary { folder, _lock: lock, _locked: locked });
        }
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(LOCK_SUFFIX);
    folder.with_file_name(name)
}

/// Removes folders of this user whose lock nobody holds. What cannot be removed stays, and what was not made here.
fn clear(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(folder) = name.to_str().and_then(|name| name.strip_suffix(LOCK_SUFFIX)) else { continue };
        let letters = folder.strip_prefix(PREFIX).unwrap_or_default();
        if letters.len() != LETTERS || !letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let (folder, Some(lock)) = (all.join(folder), lock_of_ours(&entry.path())) else { continue };
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))) {
            continue;
        }
        if is_ours(&folder) {
            drop(std::fs::remove_dir_all(folder));
        }
        drop(std::fs::remove_file(entry.path()));
    }
}

/// The lock at this path, if a run of this user made it.
fn lock_of_ours(path: &Path) -> Option<File> {
    // Another user may put a FIFO, which can take for ever to open, in its place meanwhile.
    let lock = File::options().read(true).custom_flags(NO_WAIT_NO_LINK).open(path).ok()?;
    let found = lock.metadata().ok()?;
    let mut said = Vec::new();
    let is_ours = found.is_file() && found.nlink() == 1 && found.uid() == rustix::process::geteuid().as_raw();
    (&lock).take(MARK.len() as u64 + 1).read_to_end(&mut said).ok()?;
    (is_ours && said == MARK).then_some(lock)
}

/// True for a folder, no link, of this user alone.
fn is_ours(folder: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let found = folder.symlink_metadata();
    found.is_ok_and(|found| found.is_dir() && found.uid() == own && found.mode() & 0o777 == 0o700)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_with_the_next_and_what_is_used_stays() {
        let all = tempfile::tempdir().unwrap();
        let make = |name: &str, says: &[u8]| {
            let folder = all.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
            std::fs::write(folder.join("file"), "x").unwrap();
            let lock = all.path().join(format!("{name}{LOCK_SUFFIX}"));
            std::fs::write(&lock, says).unwrap();
            File::open(lock).unwrap()
        };
        let (used, left) = (make("nls-aUsed1", MARK), make("nls-aLeft2", MARK));
        // What people call so, what has another lock, and what is for all.
        drop((make("nls-my-thesis", MARK), make("nls-backup", b""), make("nls-aOpen3", MARK)));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(all.path().join("nls-aOpen3"), open).unwrap();
        let fifo = all.path().join("nls-aFifo4.lock");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        used.lock().unwrap();
        drop(left);
        clear(all.path());
        let mut names: Vec<_> = std::fs::read_dir(all.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names.join(" "),
            "nls-aFifo4.lock nls-aOpen3 nls-aUsed1 nls-aUsed1.lock nls-backup nls-backup.lock nls-my-thesis \
             nls-my-thesis.lock"
        );
    }

    #[test]
    fn the_folder_is_for_its_user_alone() {
        let made = super::make().unwrap();
        let (path, lock) = (made.path().to_owned(), lock_of(made.path()));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(made);
        assert!(!path.exists() && !lock.exists());
    }
}
