//! What is in a folder.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat};

use super::nanoseconds;
use crate::report::Failure;
use crate::service::files::errors::unreadable;
use crate::service::files::name::{is_hidden, is_scaffold, written};
use crate::service::files::protocol::{Entry, EntryKind};
use crate::service::ftp::protocol::Mode;

/// An entry of a folder.
pub(crate) enum RootEntry {
    Entry(Entry),
    Hidden(Entry),
    /// A device, a FIFO or a socket.
    Special,
    /// It exists but cannot be examined: its name, and why.
    Unreadable(String, Failure),
}

/// Describes an entry of a folder; `None` if it vanished meanwhile. A part or a journal of nls is something special.
pub(crate) fn describe(dir: &Dir, own: &OsStr) -> Option<RootEntry> {
    if is_scaffold(own) {
        return Some(RootEntry::Special);
    }
    let name = written(own);
    let stat = match stat(dir, own) {
        Ok(stat) => stat,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(RootEntry::Unreadable(name.clone(), unreadable(&error, &name))),
    };
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => link_entry(dir, own, &stat)?,
        _ => match entry(name, &stat) {
            Some(entry) => entry,
            None => return Some(RootEntry::Special),
        },
    };
    Some(if is_hidden(own) { RootEntry::Hidden(found) } else { RootEntry::Entry(found) })
}

/// What the system says of something in a folder; a link is not followed.
pub(super) fn stat(dir: &Dir, name: &OsStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// `None` if it is neither a file nor a folder.
pub(super) fn entry(name: String, stat: &Stat) -> Option<Entry> {
    let (kind, size) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => (EntryKind::File, u64::try_from(stat.st_size).unwrap_or(0)),
        FileType::Directory => (EntryKind::Folder, 0),
        _ => return None,
    };
    let (mode, modified) = ((stat.st_mode & 0o777) as Mode, modified(stat));
    Some(Entry { name, kind, mode, size, modified })
}

/// Nanoseconds since 1970.
fn modified(stat: &Stat) -> u64 {
    nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

fn link_entry(dir: &Dir, name: &OsStr, stat: &Stat) -> Option<Entry> {
    let target = written(dir.read_link_contents(name).ok()?.as_os_str());
    let modified = modified(stat);
    Some(Entry { name: written(name), kind: EntryKind::Link(target), mode: 0o777, size: 0, modified })
}

/// Gives `take` all names in a folder, in any order, until it returns false.
pub(crate) fn all_names(dir: &Dir, path: &str, mut take: impl FnMut(&OsStr) -> bool) -> Result<(), Failure> {
    for entry in dir.entries().map_err(|error| unreadable(&error, path))? {
        if !take(&entry.map_err(|error| unreadable(&error, path))?.file_name()) {
            break;
        }
    }
    Ok(())
}

/// Time of the last change to the folder's entries (nanoseconds since 1970), and its permissions.
pub(crate) fn look_of(dir: &Dir) -> (u64, Mode) {
    rustix::fs::fstat(dir).map_or((0, 0o700), |stat| (modified(&stat), (stat.st_mode & 0o777) as Mode))
}
