//! The file operations that a receive needs in one folder, on a real disk; `crashes` uses a simulated one that crashes
//! at every operation. Everything blocks.
//!
//! | file | holds |
//! |---|---|
//! | `real` | a folder of this machine |
//! | `beneath` | the handle of a root folder, and the way from it to the folders beneath |
//! | `mounted` | whether the file system of a folder is still mounted |
//! | `space` | free space, and what of it is about to be used |
//! | `lacking` | features that some file systems lack |

mod beneath;
mod lacking;
mod mounted;
mod real;
mod space;

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

pub(crate) use self::beneath::reopen;
pub(super) use self::beneath::{PATH_LIMIT, Root, Way, is_same};
pub(crate) use self::lacking::untold;
pub(crate) use self::real::{RealDisk, granted, os, set_look};
pub(crate) use self::space::{Space, check_free, check_space};
use crate::report::Failure;
use crate::service::ftp::protocol::Mode;
use crate::service::ftp::storage::journal::Boot;

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

/// A file got its name and replaced another, in a folder that somebody moved in that moment: that cannot be undone.
pub(crate) fn replaced_elsewhere() -> io::Error {
    io::Error::other(
        "somebody moved the folder just as the file replaced the one there: it is in it, wherever that is now",
    )
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
    /// True if what is stored in the folder is found under its name: nobody has moved the folder, and its file system is
    /// mounted still (row 18).
    fn is_in_place(&self) -> bool {
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
            if !self.is_at(file, name) || !self.is_in_place() {
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
    /// Renames this very file, and fails if it is not found under its name then, because somebody has moved the folder: it
    /// gets its former name again, unless it replaced another.
    fn publish(&self, file: &Self::File, from: &str, to: &str, replace: bool) -> io::Result<()> {
        self.check_place()?;
        let has_replaced = self.rename_own(file, from, to, replace)?;
        self.check_place().map_err(|error| {
            if has_replaced {
                return replaced_elsewhere();
            }
            if self.is_at(file, to) {
                drop(self.rename(to, from, false));
            }
            error
        })
    }
    /// Fails unless the folder [is in its place](Self::is_in_place).
    fn check_place(&self) -> io::Result<()> {
        let moved = "it was moved, or its file system is not mounted any more";
        if self.is_in_place() { Ok(()) } else { Err(io::Error::new(ErrorKind::NotFound, moved)) }
    }
    /// Renames this very file; an error if another one has its name by then, before or afterwards: who may write to the
    /// folder can exchange files. Returns whether it replaced another.
    fn rename_own(&self, file: &Self::File, from: &str, to: &str, replace: bool) -> io::Result<bool> {
        let exchanged = || io::Error::other("somebody put another file in its place");
        if !self.is_at(file, from) {
            let is_gone = self.find(from).is_none();
            return Err(if is_gone { ErrorKind::NotFound.into() } else { exchanged() });
        }
        let has_replaced = match self.rename(from, to, false) {
            Err(error) if replace && error.kind() == ErrorKind::AlreadyExists => {
                self.rename(from, to, true).map(|()| true)
            }
            renamed => renamed.map(|()| false),
        }?;
        if self.is_at(file, to) { Ok(has_replaced) } else { Err(exchanged()) }
    }
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Waits until the disk has the names in the folder.
    fn sync_names(&self) -> io::Result<()>;
    /// Identifies the present boot of the machine.
    fn boot(&self) -> Boot;
}
