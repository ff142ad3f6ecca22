//! What a file that is being received needs of a folder: the real one here, a simulated one that crashes at every
//! operation in `crashes`. Everything blocks.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::journal::Boot;
use crate::report::{Failure, reason};
use crate::wire::Code;

/// How often a part may be taken away between its opening and its locking.
const PART_ATTEMPTS: usize = 10;
/// Times beyond now and this are clamped (FAULTS row 32).
const CLOCK_SKEW: Duration = Duration::from_hours(24);
/// All that a peer can say of a mode.
const MODE_FILE: u32 = 0o644;
const MODE_EXECUTABLE: u32 = 0o755;

/// What stands under a name; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    File { size: u64 },
    Folder,
    Other,
}

/// Operations on one folder.
pub(super) trait Disk: std::fmt::Debug + Send + 'static {
    type File: std::fmt::Debug + Send + 'static;

    fn find(&self, name: &str) -> Option<Found>;
    /// Creates a plain file, or takes over one that is there, for this process alone.
    fn claim(&self, name: &str) -> Result<Self::File, Failure>;
    /// Opens a plain file to be read.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    fn read_at(&self, file: &Self::File, at: u64, buffer: &mut [u8]) -> io::Result<()>;
    fn write_at(&self, file: &Self::File, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn length(&self, file: &Self::File) -> io::Result<u64>;
    fn set_length(&self, file: &Self::File, length: u64) -> io::Result<()>;
    /// Bytes that can still be written.
    fn free(&self, file: &Self::File) -> u64;
    /// Mode and time of a file that is whole.
    fn dress(&self, file: &Self::File, executable: bool, modified: u64) -> io::Result<()>;
    /// Waits until the disk has it.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Gives a file its name; without `replace` nothing may stand there.
    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Waits until the disk has the names.
    fn sync_names(&self) -> io::Result<()>;
    /// Which run of the machine this is.
    fn boot(&self) -> Boot;
}

/// A folder of this machine, opened below its root.
#[derive(Debug)]
pub(super) struct RealDisk(pub(super) Dir);

impl Disk for RealDisk {
    type File = File;

    fn find(&self, name: &str) -> Option<Found> {
        let metadata = self.0.symlink_metadata(name).ok()?;
        Some(match metadata {
            metadata if metadata.is_file() => Found::File { size: metadata.len() },
            metadata if metadata.is_dir() => Found::Folder,
            _ => Found::Other,
        })
    }

    /// Between opening and locking the last owner may have given the file its name: then the lock is on the published
    /// file, and another must be made.
    fn claim(&self, name: &str) -> Result<File, Failure> {
        for _ in 0..PART_ATTEMPTS {
            let file = open_or_create(&self.0, name)?;
            if file.try_lock().is_err() {
                break;
            }
            if self.stands_under(&file, name) {
                return Ok(file);
            }
        }
        Err(Failure::new(Code::Receiving, "it is being received already")
            .fix("wait for it, or choose another name"))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
        self.0.open_with(name, &options).map(cap_std::fs::File::into_std)
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

    fn free(&self, file: &File) -> u64 {
        free(file)
    }

    fn dress(&self, file: &File, executable: bool, modified: u64) -> io::Result<()> {
        let mode = if executable { MODE_EXECUTABLE } else { MODE_FILE };
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.set_modified(clamp(modified))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        if replace {
            return self.0.rename(from, &self.0, to);
        }
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(&self.0, from, &self.0, to, rustix::fs::RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            other => return other.map_err(Into::into),
        }
        // A link never replaces; then the part's own name goes.
        self.0.hard_link(from, &self.0, to)?;
        self.0.remove_file(from)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }

    /// The handle itself is only a place to open from (`O_PATH`): syncing needs a real one.
    fn sync_names(&self) -> io::Result<()> {
        rustix::fs::fsync(reopen(&self.0)?).map_err(Into::into)
    }

    fn boot(&self) -> Boot {
        // Where the system does not tell, no two answers are the same: nothing unsynced is trusted.
        let run = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_else(|_| format!("{} {:?}", std::process::id(), SystemTime::now()));
        let hash = blake3::hash(run.as_bytes());
        std::array::from_fn(|n| hash.as_bytes()[n])
    }
}

impl RealDisk {
    fn stands_under(&self, file: &File, name: &str) -> bool {
        let there = rustix::fs::statat(&self.0, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        match (rustix::fs::fstat(file), there) {
            (Ok(mine), Ok(there)) => (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino),
            _ => false,
        }
    }
}

fn free(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses what cannot fit where `file` lies.
pub(crate) fn check_space(file: &File, size: u64) -> Result<(), Failure> {
    super::part::check_space(free(file), size)
}

/// A handle of a folder that can be synced.
pub(super) fn reopen(dir: &Dir) -> io::Result<std::os::fd::OwnedFd> {
    rustix::fs::openat(
        dir,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .map_err(Into::into)
}

/// A part left by an earlier transfer is taken over; anything but a plain file of one name is not (row 23).
fn open_or_create(dir: &Dir, name: &str) -> Result<File, Failure> {
    let failed = |error: &io::Error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Failure::new(Code::Policy, format!("the folder cannot be written to: {}", reason(error)))
        }
        ErrorKind::NotFound => Failure::new(Code::Missing, "the folder is gone").fix("make it again"),
        _ => Failure::io(error, name),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    match dir.open_with(name, &options) {
        Ok(file) => return Ok(file.into_std()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&error)),
    }
    let in_the_way = || {
        Failure::new(Code::Policy, format!("`{name}` is in the way and is no plain file")).fix("remove it")
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32);
    let file = match dir.open_with(name, &options) {
        Ok(file) => file.into_std(),
        Err(_) if !dir.symlink_metadata(name).is_ok_and(|known| known.is_file()) => return Err(in_the_way()),
        Err(error) => return Err(failed(&error)),
    };
    match rustix::fs::fstat(&file) {
        Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_nlink < 2 => {
            Ok(file)
        }
        _ => Err(in_the_way()),
    }
}

/// A time from a peer, in nanoseconds since 1970.
pub(super) fn clamp(modified: u64) -> SystemTime {
    let limit = SystemTime::now() + CLOCK_SKEW;
    (UNIX_EPOCH + Duration::from_nanos(modified)).min(limit)
}
