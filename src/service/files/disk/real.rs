//! A folder of this machine.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::beneath::{Way, are_of_one, reopen};
use super::lacking::{Lacking, lacks, or_without};
use super::space::{Space, free};
use super::{Disk, Found, LastChange, last_change};
use crate::base::open::NO_WAIT_NO_LINK;
use crate::report::Failure;
use crate::service::files::errors;
use crate::service::files::name::raw;
use crate::service::ftp::protocol::{Label, Mode, NO_TIME};
use crate::service::ftp::storage::journal::Boot;

/// Attempts to lock a part, each of which fails if the part is renamed between its opening and its locking.
const PART_ATTEMPTS: usize = 10;
/// Modification times later than now plus this are clamped (faults.md row 32).
const CLOCK_SKEW: Duration = Duration::from_hours(24);
/// The permission bits that a peer can set (faults.md row 32).
const MODE_MASK: u32 = 0o755;

/// A folder of this machine, opened below its root.
#[derive(Debug)]
pub(crate) struct RealDisk {
    pub(crate) dir: Dir,
    way: Way,
}

impl Disk for RealDisk {
    type File = File;

    fn find(&self, name: &str) -> Option<Found> {
        let metadata = self.dir.symlink_metadata(os(name)).ok()?;
        Some(match metadata {
            metadata if metadata.is_file() => Found::File { size: metadata.len() },
            metadata if metadata.is_dir() => Found::Folder,
            metadata if metadata.is_symlink() && !self.leads_to_special(name) => Found::Link,
            _ => Found::Special,
        })
    }

    /// Between opening and locking, the last owner may have given the file its name: then the lock is on the published
    /// file, and a new part must be created.
    fn claim(&self, name: &str) -> Result<File, Failure> {
        if !self.is_in_place() {
            return Err(errors::folder_gone());
        }
        for _ in 0..PART_ATTEMPTS {
            let file = open_or_create(&self.dir, name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::Error(error)) if lacks(&error, Lacking::Locks) => {}
                Err(_) => break,
            }
            if self.is_at(&file, name) {
                return Ok(file);
            }
        }
        Err(errors::being_received(None))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NO_WAIT_NO_LINK);
        self.dir.open_with(os(name), &options).map(cap_std::fs::File::into_std)
    }

    fn read_at(&self, file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(buffer, at)
    }

    fn write_at(&self, file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        file.metadata().map(|metadata| metadata.len())
    }

    fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn claim_space(&self, file: &File, bytes: u64) -> Result<Space, Failure> {
        Space::claim(file, bytes)
    }

    fn free(&self, file: &File) -> u64 {
        free(file)
    }

    /// What is so already is not set again: others who compare the file would see that it has changed.
    fn dress(&self, file: &File, mode: Mode, modified: u64) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let now = file.metadata()?;
        if now.permissions().mode() & 0o7777 != granted(mode) {
            let mode = std::fs::Permissions::from_mode(granted(mode));
            or_without(file.set_permissions(mode), Lacking::Permissions)?;
        }
        if modified == NO_TIME || now.modified().is_ok_and(|time| time == clamp(modified)) {
            return Ok(());
        }
        or_without(file.set_modified(clamp(modified)), Lacking::Times)
    }

    fn last_change(&self, file: &File) -> io::Result<LastChange> {
        file.metadata().map(|now| last_change(&now))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        or_without(file.sync_all(), Lacking::Syncs)
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let (from, to) = (os(from), os(to));
        if replace {
            return self.dir.rename(from, &self.dir, to);
        }
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(&self.dir, &from, &self.dir, &to, rustix::fs::RenameFlags::NOREPLACE)
        {
            Err(
                rustix::io::Errno::INVAL
                | rustix::io::Errno::NOSYS
                | rustix::io::Errno::PERM
                | rustix::io::Errno::OPNOTSUPP,
            ) => {}
            other => return other.map_err(Into::into),
        }
        // A hard link never replaces a file; after it the part's own name is removed.
        match self.dir.hard_link(&from, &self.dir, &to) {
            Ok(()) => self.dir.remove_file(from),
            Err(error) if lacks(&error, Lacking::Links) => match self.dir.symlink_metadata(&to) {
                Ok(_) => Err(ErrorKind::AlreadyExists.into()),
                Err(_) => self.dir.rename(from, &self.dir, to),
            },
            Err(error) => Err(error),
        }
    }

    fn is_in_place(&self) -> bool {
        self.way.leads_to(&self.dir)
    }

    fn is_at(&self, file: &File, name: &str) -> bool {
        let there = rustix::fs::statat(&self.dir, os(name), rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        are_of_one(rustix::fs::fstat(file), there)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.dir.remove_file(os(name))
    }

    /// The handle of the folder is `O_PATH`, which cannot be synced: another one is opened for that.
    fn sync_names(&self) -> io::Result<()> {
        or_without(rustix::fs::fsync(reopen(&self.dir)?).map_err(Into::into), Lacking::Syncs)
    }

    fn boot(&self) -> Boot {
        // Without a boot id the answer is different each time: then nothing unsynced is trusted.
        let run = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_else(|_| format!("{} {:?}", std::process::id(), SystemTime::now()));
        let hash = blake3::hash(run.as_bytes());
        std::array::from_fn(|n| hash.as_bytes()[n])
    }
}

impl RealDisk {
    pub(crate) const fn new(dir: Dir, way: Way) -> Self {
        Self { dir, way }
    }

    /// With `replace`, a file that was there already gets the permissions and the time of the offered one. This may
    /// fail for another user's file, which stays as it is.
    pub(crate) fn adorn(&self, name: &str, label: &Label) {
        if let (true, Ok(file)) = (label.flags.replace, self.open(name)) {
            drop(self.dress(&file, label.mode, label.modified));
        }
    }

    /// True for a link to a device, a FIFO or a socket, wherever that is: `/dev/stdout` is one.
    fn leads_to_special(&self, name: &str) -> bool {
        use rustix::fs::{AtFlags, FileType, statat};
        statat(&self.dir, os(name), AtFlags::empty()).is_ok_and(|there| {
            !matches!(FileType::from_raw_mode(there.st_mode), FileType::RegularFile | FileType::Directory)
        })
    }
}

/// The name as the file system has it, without escapes; a text with invalid escapes is taken as it is.
pub(crate) fn os(name: &str) -> OsString {
    raw(name).unwrap_or_else(|| name.into())
}

/// Permissions of a new file from the mode that its sender gave: never more than the file had there.
pub(crate) fn granted(mode: Mode) -> u32 {
    u32::from(mode) & MODE_MASK & !umask()
}

/// The user's umask. It is read from `/proc`, because the system call that reads it also changes it for a moment.
fn umask() -> u32 {
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
    })
}

/// Takes over a part of an earlier transfer, but only a regular file of this user without other hard links (row 23).
fn open_or_create(dir: &Dir, name: &str) -> Result<File, Failure> {
    let failed = |error: &io::Error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => errors::folder_not_writable(error),
        ErrorKind::NotFound => errors::folder_gone(),
        _ => Failure::io(error, name),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let path = os(name);
    match dir.open_with(&path, &options) {
        Ok(file) => return Ok(file.into_std()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&error)),
    }
    let in_the_way = || errors::in_the_way(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(NO_WAIT_NO_LINK);
    let file = match dir.open_with(&path, &options) {
        Ok(file) => file.into_std(),
        Err(_) if !dir.symlink_metadata(&path).is_ok_and(|known| known.is_file()) => return Err(in_the_way()),
        Err(error) => return Err(failed(&error)),
    };
    match rustix::fs::fstat(&file) {
        Ok(stat)
            if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
                && stat.st_nlink < 2
                && stat.st_uid == rustix::process::geteuid().as_raw() =>
        {
            Ok(file)
        }
        _ => Err(in_the_way()),
    }
}

/// A time from a peer, in nanoseconds since 1970, clamped to now plus [`CLOCK_SKEW`].
pub(crate) fn clamp(modified: u64) -> SystemTime {
    let limit = SystemTime::now() + CLOCK_SKEW;
    (UNIX_EPOCH + Duration::from_nanos(modified)).min(limit)
}

/// Sets the time of a folder, and its permissions unless `None`.
pub(crate) fn set_look(dir: &Dir, modified: u64, mode: Option<u32>) -> std::io::Result<()> {
    let folder = reopen(dir)?;
    if let Some(mode) = mode {
        let changed = rustix::fs::fchmod(&folder, rustix::fs::Mode::from_raw_mode(mode));
        or_without(changed.map_err(Into::into), Lacking::Permissions)?;
    }
    let time = clamp(modified).duration_since(UNIX_EPOCH).unwrap_or_default();
    let time =
        rustix::fs::Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    or_without(rustix::fs::futimens(folder, &times).map_err(Into::into), Lacking::Times)
}
