//! An open file that is sent.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::nanoseconds;
use crate::base::open::NO_WAIT;
use crate::report::Failure;
use crate::service::files::errors;
use crate::service::ftp::protocol::Mode;

/// An open file to send.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) mode: Mode,
    /// Its state when it was opened, before any of it was read.
    pub(crate) state: Metadata,
}

/// The open file as a source; `None` if it is not a regular file. A file in `/proc` or `/sys` reports a size of 0 or of a
/// page, and has other content: it must not be sent as an empty file, nor wait for what never comes.
pub(super) fn source(file: File) -> Result<Option<Source>, Failure> {
    let Ok(mut metadata) = file.metadata() else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() == 0 && file.read_at(&mut [0], 0).is_ok_and(|read| read > 0) {
        // An ordinary file may have grown since.
        metadata = file.metadata().map_err(|error| Failure::io(&error, "the file"))?;
        if metadata.len() == 0 {
            return Err(errors::size_unknown());
        }
    }
    let is_elsewhere = metadata.len() > 0 && metadata.blocks() == 0;
    if is_elsewhere && file.read_at(&mut [0], metadata.len() - 1).is_ok_and(|read| read == 0) {
        return Err(errors::size_unknown());
    }
    Ok(Some(Source::of(file, metadata)))
}

impl Source {
    fn of(file: File, state: Metadata) -> Self {
        let mode = (state.mode() & 0o777) as Mode;
        Self { size: state.len(), modified: stamp(&state), mode, state, file }
    }

    /// A regular file that has bytes, as the system knows it: one whose size it gives as 0 has to be read to be sure.
    #[cfg(target_os = "linux")]
    pub(in crate::service::files) fn in_memory(file: File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() > 0).then(|| Self::of(file, metadata))
    }
}

/// Time of the last modification in nanoseconds since 1970; 0 for earlier times.
pub(crate) fn stamp(metadata: &Metadata) -> u64 {
    nanoseconds(metadata.mtime(), metadata.mtime_nsec())
}

/// A local file that the user wants to send (rows 1 and 3).
pub(crate) fn local_source(path: &Path) -> Result<Source, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::io(&error, format!("send {shown}"));
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(errors::not_a_file_but_a_folder().of(format!("send {shown}")));
    }
    if !metadata.is_file() {
        return Err(errors::not_a_regular_file().of(format!("send {shown}")));
    }
    let file = File::options().read(true).custom_flags(NO_WAIT).open(path).map_err(failed)?;
    let source = source(file).map_err(|failure| failure.of(format!("send {shown}")))?;
    source.ok_or_else(|| errors::no_longer_a_regular_file().of(format!("send {shown}")))
}
