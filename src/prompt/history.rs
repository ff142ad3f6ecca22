//! The history file: appended line by line, so that two shells running at once lose nothing; mode 0600.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::Secrets;
use crate::base::open::NO_WAIT;
use crate::base::secrets::key::seen;

/// Lines that are loaded at the start.
const LIMIT: usize = 10_000;
/// Longer lines, in bytes, are not kept.
const LINE_LIMIT: usize = 4096;

/// The loaded lines and the file to append to; without a file, nothing is kept.
pub(super) struct History {
    /// Oldest first.
    pub(super) lines: Vec<String>,
    file: Option<File>,
}

/// `NLS_HISTFILE`, or the system's state directory; an empty value means no history.
fn path() -> Option<PathBuf> {
    match std::env::var_os("NLS_HISTFILE") {
        Some(path) if path.is_empty() => None,
        Some(path) => Some(path.into()),
        None => {
            dirs::state_dir().or_else(dirs::data_local_dir).map(|folder| folder.join("nls").join("history"))
        }
    }
}

/// Opens the file without blocking: a FIFO in its place must not delay the start.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(NO_WAIT);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// True for a line that is not to come back: it begins with a space, or has a secret or a key in it.
pub(super) fn is_private(line: &str, secrets: &Secrets) -> bool {
    // Also in a line that is none of the language.
    line.starts_with(' ') || secrets.occur_in(line) || seen::occurs_in(line)
}

impl History {
    /// Loads the history. A file that cannot be read is left alone: the shell starts without it, with one warning
    /// (faults.md row 99).
    pub(super) fn open() -> (Self, Option<String>) {
        let Some(path) = path() else { return (Self { lines: Vec::new(), file: None }, None) };
        let opened = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| open(&path));
        let read = opened.and_then(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((String::from_utf8_lossy(&bytes).into_owned(), file))
        });
        match read {
            Ok((text, file)) => {
                let lines: Vec<String> = text.lines().map(str::to_owned).collect();
                let skip = lines.len().saturating_sub(LIMIT);
                (Self { lines: lines.into_iter().skip(skip).collect(), file: Some(file) }, None)
            }
            Err(error) => {
                let warning = format!(
                    "no history: {} cannot be used: {}",
                    path.display(),
                    crate::report::reason(&error)
                );
                (Self { lines: Vec::new(), file: None }, Some(warning))
            }
        }
    }

    /// Appends a line in one write, so that lines of two shells do not mix.
    pub(super) fn append(&mut self, line: &str) {
        if line.trim().is_empty() || line.len() > LINE_LIMIT {
            return;
        }
        if let Some(file) = &mut self.file {
            // If the disk is full, the history is lost, not the command.
            drop(file.write_all(format!("{line}\n").as_bytes()));
        }
    }
}
