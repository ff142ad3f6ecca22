//! Receiving: in a real folder, and on a disk that stops at every operation.
//!
//! | file | holds |
//! |---|---|
//! | `parts` | what is refused, what an earlier attempt left, and what has a name when |
//! | `moved` | folders that somebody moves meanwhile |
//! | `crashes`, `simdisk` | a crash at every operation |

mod crashes;
mod moved;
mod parts;
mod simdisk;

/// Waits until the clock of the file system has moved on: what is written within one tick has one time.
pub(in crate::service::ftp) fn next_tick(folder: &std::path::Path) {
    let changed = || {
        let probe = tempfile::NamedTempFile::new_in(folder).unwrap();
        let stat = rustix::fs::fstat(probe.as_file()).unwrap();
        (stat.st_ctime, stat.st_ctime_nsec)
    };
    let first = changed();
    while changed() == first {}
}
