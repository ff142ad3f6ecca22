//! A private folder, as `$tmp`, that is removed with what made it. What a killed run left is removed by the next one that
//! makes a folder.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

const PREFIX: &str = "nls-";
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
    clear(&std::env::temp_dir());
    loop {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()?;
        let lock = lock_of(folder.path());
        let locked = File::create_new(&lock)?;
        // On a file system without locks, other shells remove nothing either.
        drop(locked.lock());
        // Another shell may have removed the lock and the folder before the lock was held: then this is tried again.
        if locked.metadata()?.nlink() > 0 {
            let lock = tempfile::TempPath::try_from_path(lock)?;
            return Ok(Temporary { folder, _lock: lock, _locked: locked });
        }
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(LOCK_SUFFIX);
    folder.with_file_name(name)
}

/// Removes folders of this user whose lock nobody holds. What cannot be removed stays.
fn clear(all: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Some(folder) = name.strip_suffix(LOCK_SUFFIX) else { continue };
        let is_own = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.uid() == own);
        // Another user may put a FIFO, which can take for ever to open, in its place meanwhile.
        let mut options = File::options();
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let Some(lock) = is_own.then(|| options.open(entry.path()).ok()).flatten() else { continue };
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))) {
            continue;
        }
        drop(std::fs::remove_dir_all(all.join(folder)));
        drop(std::fs::remove_file(entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_with_the_next_and_what_is_used_stays() {
        let all = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::create_dir(all.path().join(name)).unwrap();
            std::fs::write(all.path().join(name).join("file"), "x").unwrap();
            File::create(all.path().join(format!("{name}{LOCK_SUFFIX}"))).unwrap()
        };
        let (used, left) = (make("nls-used"), make("nls-left"));
        drop(make("other"));
        let fifo = all.path().join("nls-fifo.lock");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        used.lock().unwrap();
        drop(left);
        clear(all.path());
        let mut names: Vec<_> =
            std::fs::read_dir(all.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["nls-fifo.lock", "nls-used", "nls-used.lock", "other", "other.lock"]);
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
