//! Features that some file systems lack: nls does without them, and says so once.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::base::quantity::all_of;

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
pub(super) fn lacks(error: &io::Error, thing: Lacking) -> bool {
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
