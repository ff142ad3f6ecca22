//! The file operations that a receive needs in one folder, on a real disk; `crashes` uses a simulated one that crashes
//! at every operation. Everything blocks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::errors;
use super::mounted::Mount;
use super::name::raw;
use crate::base::quantity::all_of;
use crate::report::Failure;
use crate::service::ftp::protocol::{Label, Mode};
use crate::service::ftp::storage::journal::Boot;

/// Largest file in bytes: no file system holds a larger one, and sums of offsets cannot overflow.
const FILE_LIMIT: u64 = 1 << 60;
/// Attempts to lock a part, each of which fails if the part is renamed between its opening and its locking.
const PART_ATTEMPTS: usize = 10;
/// Modification times later than now plus this are clamped (faults.md row 32).
const CLOCK_SKEW: Duration = Duration::from_hours(24);
/// The permission bits that a peer can set (faults.md row 32).
const MODE_MASK: u32 = 0o755;

/// How often a file is looked at that others keep changing.
const LOOKS: usize = 4;

/// What has a name; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File {
        size: u64,
    },
    Folder,
    Link,
    /// A FIFO, a device or a socket: never replaced (row 23).
    Special,
}

/// Seconds and nanoseconds of a file's last change (`st_ctime`, which no program can set).
pub(crate) type LastChange = (i64, i64);

/// When a file last changed, of what the system says of it.
pub(crate) fn last_change(file: &Metadata) -> LastChange {
    (file.ctime(), file.ctime_nsec())
}

/// Operations on one folder.
pub(crate) trait Disk: std::fmt::Debug + Send + Sync + 'static {
    type File: std::fmt::Debug + Send + Sync + 'static;

    /// What has this name; `None` if nothing has.
    fn find(&self, name: &str) -> Option<Found>;
    /// Creates a regular file, or takes over an existing one, and locks it for this process.
    fn claim(&self, name: &str) -> Result<Self::File, Failure>;
    /// Opens a regular file for reading.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Fills the whole buffer from offset `at`, or fails.
    fn read_at(&self, file: &Self::File, at: u64, buffer: &mut [u8]) -> io::Result<()>;
    fn write_at(&self, file: &Self::File, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn length(&self, file: &Self::File) -> io::Result<u64>;
    fn set_length(&self, file: &Self::File, length: u64) -> io::Result<()>;
    /// Claims space for bytes that are about to be written, so that of two transfers that do not fit together only one
    /// begins (row 14).
    fn claim_space(&self, file: &Self::File, bytes: u64) -> Result<Space, Failure>;
    /// Free bytes on the file system.
    fn free(&self, file: &Self::File) -> u64;
    /// Sets mode and time of a complete file.
    fn dress(&self, file: &Self::File, mode: Mode, modified: u64) -> io::Result<()>;
    /// When anything last wrote to the file, or changed what is known of it.
    fn last_change(&self, _: &Self::File) -> io::Result<LastChange> {
        Ok(LastChange::default())
    }
    /// Waits until the disk has the file.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Renames a file; without `replace` it fails if `to` exists.
    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()>;
    /// True if what is written to the folder can be found again: its file system is still mounted (row 18).
    fn is_mounted(&self) -> bool {
        true
    }
    /// True if the name is that of this very file.
    fn is_at(&self, _: &Self::File, _: &str) -> bool {
        true
    }
    /// True if the name is still that of this very file, with the content that was read of it. If anything has changed
    /// since `then`, its [`last_change`](Self::last_change) at the time, `reads_the_same` reads it again: it may be no
    /// more than its mode, its time, or another link.
    fn is_as_it_was(
        &self,
        file: &Self::File,
        name: &str,
        mut then: Option<LastChange>,
        mut reads_the_same: impl FnMut() -> io::Result<bool>,
    ) -> io::Result<bool> {
        for _ in 0..LOOKS {
            let now = self.last_change(file).ok();
            if !self.is_at(file, name) {
                return Ok(false);
            }
            if now == std::mem::replace(&mut then, now) {
                return Ok(true);
            }
            if !reads_the_same()? {
                return Ok(false);
            }
        }
        Ok(false)
    }
    /// Renames this very file; an error if another one has its name by then, before or afterwards: who may write to the
    /// folder can exchange files.
    fn publish(&self, file: &Self::File, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let exchanged = || io::Error::other("somebody put another file in its place");
        if !self.is_mounted() {
            return Err(io::Error::new(ErrorKind::NotFound, "its file system is not mounted any more"));
        }
        if !self.is_at(file, from) {
            let is_gone = self.find(from).is_none();
            return Err(if is_gone { ErrorKind::NotFound.into() } else { exchanged() });
        }
        self.rename(from, to, replace)?;
        if self.is_at(file, to) { Ok(()) } else { Err(exchanged()) }
    }
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Waits until the disk has the names in the folder.
    fn sync_names(&self) -> io::Result<()>;
    /// Identifies the present boot of the machine.
    fn boot(&self) -> Boot;
}

/// A folder of this machine, opened below its root.
#[derive(Debug)]
pub(crate) struct RealDisk {
    pub(crate) dir: Dir,
    mount: Mount,
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
        if !self.is_mounted() {
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
        options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
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
        if now.modified().is_ok_and(|time| time == clamp(modified)) {
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
            Err(error) if lacks(&error, Lacking::Links) && self.dir.symlink_metadata(&to).is_err() => {
                self.dir.rename(from, &self.dir, to)
            }
            Err(error) => Err(error),
        }
    }

    fn is_mounted(&self) -> bool {
        self.mount.is_there(&self.dir)
    }

    fn is_at(&self, file: &File, name: &str) -> bool {
        let there = rustix::fs::statat(&self.dir, os(name), rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        match (rustix::fs::fstat(file), there) {
            (Ok(mine), Ok(there)) => (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino),
            _ => false,
        }
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
    pub(crate) fn new(dir: Dir) -> Self {
        Self { dir, mount: Mount::default() }
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

/// Features that file systems turned out to lack, as bits; and those of them that were reported.
static LACKING: AtomicU8 = AtomicU8::new(0);
static TOLD: AtomicU8 = AtomicU8::new(0);

/// Features that some file systems lack (FUSE, SMB, exFAT, some containers): nls does without them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lacking {
    Permissions,
    Times,
    Locks,
    Links,
    Syncs,
}

impl Lacking {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Permissions, "permissions"),
        (Self::Times, "times"),
        (Self::Locks, "locks"),
        (Self::Links, "hard links"),
        (Self::Syncs, "syncs"),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// True if the error means that the file system lacks the feature, which is then remembered.
fn lacks(error: &io::Error, thing: Lacking) -> bool {
    use rustix::io::Errno;
    let known = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOTTY, Errno::INVAL, Errno::NOLCK];
    let lacks = known.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    if lacks {
        LACKING.fetch_or(thing.bit(), Ordering::Relaxed);
    }
    lacks
}

/// Turns an error into success if it means that the file system lacks the feature.
pub(crate) fn or_without(result: io::Result<()>, thing: Lacking) -> io::Result<()> {
    result.or_else(|error| if lacks(&error, thing) { Ok(()) } else { Err(error) })
}

/// A warning about lacking features that were not reported yet.
pub(crate) fn untold() -> Option<String> {
    let lacking = LACKING.load(Ordering::Relaxed);
    let new = lacking & !TOLD.swap(lacking, Ordering::Relaxed);
    let missed = Lacking::ALL.iter().filter(|(thing, _)| new & thing.bit() != 0);
    let things: Vec<&str> = missed.map(|(_, word)| *word).collect();
    (new != 0).then(|| format!("the file system does not support {}: done without", all_of(&things)))
}

fn free(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Fails if `size` bytes do not fit on the file system of `file`, beside what is about to be written there.
pub(crate) fn check_space(file: &File, size: u64) -> Result<(), Failure> {
    Space::claim(file, size).map(drop)
}

/// Bytes that transfers of this process are about to write, by file system.
static CLAIMED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// Space on a file system that is claimed until it is written or given up.
#[derive(Debug, Default)]
pub(crate) struct Space {
    device: u64,
    bytes: u64,
}

impl Space {
    pub(super) fn claim(file: &File, bytes: u64) -> Result<Self, Failure> {
        let device = rustix::fs::fstat(file).map_or(0, |stat| stat.st_dev);
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let others = claimed.entry(device).or_default();
        check_free(free(file).saturating_sub(*others), bytes)?;
        *others += bytes;
        Ok(Self { device, bytes })
    }

    /// `bytes` of the claim are written.
    pub(crate) fn used(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if let Some(others) = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.device) {
            *others = others.saturating_sub(bytes);
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.used(self.bytes);
    }
}

/// A handle of a folder that can be synced.
pub(crate) fn reopen(dir: &Dir) -> io::Result<std::os::fd::OwnedFd> {
    rustix::fs::openat(
        dir,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .map_err(Into::into)
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
    options.read(true).write(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
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

/// Row 5: refuses a file that cannot fit, before it travels.
pub(crate) fn check_free(free: u64, size: u64) -> Result<(), Failure> {
    if size > FILE_LIMIT || size > free {
        return Err(errors::disk_full(size, free));
    }
    Ok(())
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
