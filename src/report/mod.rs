//! What happened, as data: results, events, failures. Knows neither who made it nor how it looks.

mod hide;
mod run;

pub use run::{Summary, TestPlan, TestRun, Verdict, Wrong};

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::base::{Fields, Value};
use crate::language::Source;
use crate::wire::Code;

/// Where pictures can be drawn: a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub columns: usize,
    pub rows: usize,
    /// It shows more than ASCII.
    pub unicode: bool,
}

/// What a command that succeeded has to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One or more lines for people.
    pub text: String,
    pub fields: Fields,
}

impl Outcome {
    pub fn new(text: impl Into<String>, fields: Fields) -> Self {
        Self { text: text.into(), fields }
    }
}

/// Why something failed: `what: why; fix`. Foreign text in it is escaped by who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// What failed: `send a.bin to 127.0.0.1:9000`.
    pub what: String,
    pub why: String,
    /// What to do.
    pub fix: Option<String>,
    /// Lines for people below the message: the expression with a caret, the last events.
    pub detail: Vec<String>,
    /// The other side said so: it need not hear it again.
    pub told: bool,
    /// What an expectation wanted, and what there was.
    pub contrast: Option<Box<Contrast>>,
}

/// Two values that should have been alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    pub expected: Vec<u8>,
    pub actual: Vec<u8>,
    /// Where both begin, if they are a part of something larger.
    pub offset: u64,
}

impl Contrast {
    /// Two whole values.
    pub fn of(expected: impl Into<Vec<u8>>, actual: impl Into<Vec<u8>>) -> Self {
        Self { expected: expected.into(), actual: actual.into(), offset: 0 }
    }
}

/// A statement of a script.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: Arc<Source>,
    pub span: Range<usize>,
    /// Its text holds a secret and is not shown.
    pub secret: bool,
}

/// Characters of a statement that are shown.
const PLACE_SHOWN: usize = 160;

impl Place {
    /// Its line, from 1.
    pub fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    /// The statement, cut and escaped.
    pub fn text(&self) -> String {
        if self.secret {
            return "***".to_owned();
        }
        crate::base::escape::excerpt(self.source.slice(&self.span).as_bytes(), PLACE_SHOWN)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.source.name, self.line(), self.text())
    }
}

impl Failure {
    pub fn new(code: Code, why: impl Into<String>) -> Self {
        Self {
            code,
            what: String::new(),
            why: why.into(),
            fix: None,
            detail: Vec::new(),
            told: false,
            contrast: None,
        }
    }

    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub fn detail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail.extend(lines);
        self
    }

    /// What was wanted, and what there was.
    pub fn contrast(mut self, contrast: Contrast) -> Self {
        self.contrast = Some(Box::new(contrast));
        self
    }

    /// Names what failed, unless something deeper did.
    pub fn of(mut self, what: impl Into<String>) -> Self {
        if self.what.is_empty() {
            self.what = what.into();
        }
        self
    }

    /// A thread or task of ours that ended without an answer.
    pub fn of_worker() -> Self {
        Self::new(Code::Internal, "a worker failed; this is an error in nls")
    }

    /// An operation of the system that failed.
    pub fn io(error: &std::io::Error, what: impl Into<String>) -> Self {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::NotFound => Code::Missing,
            ErrorKind::AlreadyExists => Code::Exists,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Code::Full,
            _ => Code::Disk,
        };
        Self::new(code, reason(error)).of(what)
    }
}

/// The system's reason, without its number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => "unknown reason".into(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.what.is_empty() {
            write!(f, "{}: ", self.what)?;
        }
        f.write_str(&self.why)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

/// Something that a session wants known while it lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub session: u64,
    /// The name it was given, else `%id`.
    pub label: String,
    /// A stable word: `listening`, `client`, `message`, …
    pub kind: &'static str,
    /// One line, escaped.
    pub text: String,
    pub fields: Fields,
    pub interest: Interest,
}

/// Who sees an event without asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nobody: it is in the log.
    Log,
    /// A person at the prompt.
    Prompt,
    Everybody,
}

impl Event {
    /// It tells the end of its session.
    pub fn is_end(&self) -> bool {
        matches!(self.kind, "done" | "failed" | "cancelled")
    }
}

/// How far a session is, for a progress line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// Anything that the output layer can show.
#[derive(Clone, Debug)]
pub enum Report {
    Result {
        verb: &'static str,
        session: Option<u64>,
        outcome: Outcome,
    },
    Event(Event),
    Failure {
        failure: Failure,
        verb: Option<String>,
        place: Option<Place>,
        session: Option<u64>,
    },
    Test(TestRun),
    Summary(Summary),
    /// A line from the program itself: warnings, hints.
    Notice(String),
    /// A picture in the place of the one before it; `None`: that one stays as it is.
    Picture {
        verb: &'static str,
        text: Option<String>,
    },
}

/// The first of the fields with this name.
pub fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
}
