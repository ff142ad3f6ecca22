//! The handle of a root folder, and the way from it to the folders beneath: whether it still leads to them. A folder that
//! is open is the same folder wherever it is moved to, but what is stored there then is not what its name says (faults.md
//! row 18).

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use super::mounted::Mount;

/// Longest path, in bytes, that is opened in one system call; a longer one is opened in steps.
pub(crate) const PATH_LIMIT: usize = 4000;

/// An open root folder.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) dir: Dir,
    /// Symbolic links to folders are followed if they stay inside.
    follows: bool,
    mount: Mount,
}

impl Root {
    pub(crate) fn new(dir: Dir, follows: bool) -> Self {
        Self { dir, follows, mount: Mount::default() }
    }

    /// True if the folder was removed: nothing can be found in it, or stored.
    pub(crate) fn is_removed(&self) -> bool {
        fstat(&self.dir).is_ok_and(|known| known.st_nlink == 0)
    }

    /// Opens a folder beneath, in as many steps as the length of its path needs.
    pub(crate) fn descend(&self, parts: &[OsString]) -> io::Result<Dir> {
        if !self.follows {
            self.check_no_links(parts)?;
        }
        let mut dir = self.dir.try_clone()?;
        let (mut step, mut length) = (PathBuf::new(), 0);
        for part in parts {
            if length + part.len() >= PATH_LIMIT {
                dir = dir.open_dir(&step)?;
                (step, length) = (PathBuf::new(), 0);
            }
            step.push(part);
            length += part.len() + 1;
        }
        if step.as_os_str().is_empty() { Ok(dir) } else { dir.open_dir(step) }
    }

    /// Fails if a component is a link: otherwise a peer could create a link to a place that its names cannot reach.
    pub(crate) fn check_no_links(&self, parts: &[OsString]) -> io::Result<()> {
        let mut at = reopen(&self.dir)?;
        for part in parts {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
            at = openat(&at, part, flags, Mode::empty())?;
        }
        Ok(())
    }
}

/// How a folder was reached.
#[derive(Debug)]
pub(crate) struct Way {
    root: Arc<Root>,
    parts: Vec<OsString>,
}

impl Way {
    pub(crate) fn new(root: &Arc<Root>, parts: &[OsString]) -> Self {
        Self { root: root.clone(), parts: parts.to_vec() }
    }

    /// True if this is the way to `folder` still, and the file system of the root is mounted.
    pub(super) fn leads_to(&self, folder: &Dir) -> bool {
        self.root.mount.is_there(&self.root.dir)
            && (self.parts.is_empty()
                || self.root.descend(&self.parts).is_ok_and(|there| is_same(&there, folder)))
    }
}

/// True if both are one folder.
pub(crate) fn is_same(one: &Dir, other: &Dir) -> bool {
    are_of_one(fstat(one), fstat(other))
}

/// True if both were told of one file or folder.
pub(super) fn are_of_one(one: Result<Stat, Errno>, other: Result<Stat, Errno>) -> bool {
    let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
    one.is_ok_and(|one| other.is_ok_and(|other| identity(one) == identity(other)))
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
