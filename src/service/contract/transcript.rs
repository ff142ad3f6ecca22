//! A conversation written to a file: a line for each message, added as it happens.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use crate::base::Secrets;
use crate::base::wall_time::date_and_time;
use crate::report::Failure;

/// An open transcript; lines are appended to an existing file.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: File,
    name: String,
    /// Masked in each line.
    secrets: Secrets,
}

impl Transcript {
    pub(crate) fn open(path: &Path, secrets: &Secrets) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = OpenOptions::new().append(true).create(true).open(path);
        let secrets = secrets.clone();
        file.map(|file| Self { file, name: name.clone(), secrets })
            .map_err(|error| Failure::io(&error, format!("the transcript {name}")))
    }

    /// Appends `2026-11-25 18:30:05+01:00 ann: hello`; `text` is escaped already. These are short writes to the page
    /// cache, at the pace of people, so they need no blocking thread.
    pub(crate) fn add(&mut self, who: &str, text: &str) -> Result<(), Failure> {
        let mut line = format!("{} {who}: {text}\n", date_and_time(SystemTime::now()));
        self.secrets.hide(&mut line);
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| Failure::io(&error, format!("the transcript {}", self.name)))
    }
}
