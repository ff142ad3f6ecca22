//! A conversation written to a file: a line for each message, added as it happens.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use crate::base::Secrets;
use crate::base::wall_time::date_and_time;
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::Code;

/// An open transcript; lines are appended to an existing file.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: File,
    name: String,
    /// Masked in each line.
    secrets: Secrets,
    /// Why it ended before the conversation.
    failure: Option<Failure>,
}

impl Transcript {
    pub(crate) fn open(path: &Path, secrets: &Secrets) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = OpenOptions::new().append(true).create(true).open(path);
        let secrets = secrets.clone();
        file.map(|file| Self { file, name: name.clone(), secrets, failure: None })
            .map_err(|error| Failure::io(&error, format!("the transcript {name}")))
    }

    /// Appends `2026-11-25 18:30:05+01:00 ann: hello`; `text` is escaped already. These are short writes to the page
    /// cache, at the pace of people, so they need no blocking thread. If one fails, the transcript ends, and the
    /// conversation goes on.
    pub(crate) fn add(&mut self, session: &Handle, who: &str, text: &str) {
        if self.failure.is_some() {
            return;
        }
        let mut line = format!("{} {who}: {text}\n", date_and_time(SystemTime::now()));
        self.secrets.hide(&mut line);
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            let failure = Failure::io(&error, format!("the transcript {}", self.name));
            session.tell("trouble", format!("{failure}; the transcript ends here"));
            self.failure = Some(failure);
        }
    }

    /// The result of the conversation, which has failed if not all of it could be written down.
    pub(crate) fn check<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        match &self.failure {
            Some(failure) if result.as_ref().err().is_none_or(|other| other.code == Code::Cancelled) => {
                Err(failure.clone())
            }
            _ => result,
        }
    }
}
