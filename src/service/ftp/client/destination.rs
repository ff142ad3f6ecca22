//! Where a file or folder of the server goes, and where that place is if it was moved meanwhile.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::report::Failure;
use crate::service::files::name::raw;
use crate::service::ftp::errors;
use crate::service::ftp::transfer::by_disk;
use crate::session::Handle;

/// What `to` means for a file, and for a folder.
pub(crate) struct Destination {
    pub(crate) file: PathBuf,
    /// `to PATH` is the copy itself, even if an earlier attempt created it; with `to PATH/` the copy goes into PATH.
    pub(crate) folder: PathBuf,
}

impl Destination {
    /// `to` may be an existing folder or a new name; `None` is the current folder.
    pub(crate) fn new(directory: &Path, to: Option<&str>, name: &str) -> Result<Self, Failure> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let last = raw(last).ok_or_else(errors::invalid_escape)?;
        let (file, folder) = match to.map(|to| (directory.join(to), to)) {
            None => (directory.join(&last), directory.join(&last)),
            Some((path, to)) if to.ends_with('/') || path.file_name().is_none() || to == "." => {
                (path.join(&last), path.join(&last))
            }
            Some((path, _)) if path.is_dir() => (path.join(&last), path),
            Some((path, _)) => (path.clone(), path),
        };
        Ok(Self { file, folder })
    }
}

/// The parent folder of a file, held open: wherever it is moved meanwhile, the file is found in it.
pub(crate) struct Around {
    folder: Option<(File, PathBuf)>,
}

impl Around {
    pub(crate) fn hold(file: &Path) -> Self {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = File::open(parent).ok().and_then(|folder| {
            let place = place_of(&folder)?;
            Some((folder, place))
        });
        Self { folder }
    }

    /// The same, on a thread that may block.
    pub(crate) async fn hold_on_disk(session: &Handle, file: &Path) -> Result<Self, Failure> {
        let file = file.to_owned();
        by_disk(session, move || Self::hold(&file)).await
    }

    /// The present path of the file that was to be at `file`.
    pub(crate) fn find(&self, file: &Path) -> PathBuf {
        let moved = self.folder.as_ref().and_then(|(folder, before)| {
            let now = place_of(folder).filter(|now| now != before)?;
            Some(now.join(file.file_name()?))
        });
        moved.unwrap_or_else(|| file.to_owned())
    }

    /// The result, unless no path leads to the folder any more: another file system was mounted over it.
    pub(crate) fn check<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        let result = result?;
        let Some((folder, before)) = &self.folder else { return Ok(result) };
        let place = place_of(folder).unwrap_or_else(|| before.clone());
        match (folder.metadata(), std::fs::metadata(&place)) {
            (Ok(held), Ok(there)) if (held.dev(), held.ino()) != (there.dev(), there.ino()) => {
                Err(errors::folder_covered(&place))
            }
            _ => Ok(result),
        }
    }
}

/// The present path of an open folder; `None` if the system does not tell it (it does on Linux).
fn place_of(folder: &File) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_in_a_folder_that_was_moved() {
        let temp = tempfile::tempdir().unwrap();
        let (here, there) = (temp.path().join("here"), temp.path().join("there"));
        std::fs::create_dir(&here).unwrap();
        let around = Around::hold(&here.join("file"));
        assert_eq!(around.find(&here.join("file")), here.join("file"));
        std::fs::rename(&here, &there).unwrap();
        assert_eq!(around.find(&here.join("file")), there.canonicalize().unwrap().join("file"));
    }
}
