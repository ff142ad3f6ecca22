//! What happened, as data: results, events, failures. Independent of the code that reports it and of how it is shown.

mod hide;
mod run;
mod symbol;

pub use run::{FailedTest, Summary, TestPlan, TestRun, Verdict};
pub use symbol::{Ground, Symbol};

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::base::{Fields, Time, Value};
use crate::language::Source;
use crate::record::PacketEvent;
use crate::wire::Code;

/// The size of a terminal that pictures can be drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Width in characters.
    pub columns: usize,
    /// Height in lines.
    pub rows: usize,
    /// It shows characters beyond ASCII.
    pub unicode: bool,
}

/// The result of a command that succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// One or more lines for people; may be empty.
    pub text: String,
    /// The same facts as named values, for `--json` and `expect`.
    pub fields: Fields,
    /// Drawn above the text; `None` for most.
    pub symbol: Option<Symbol>,
    /// It shows a key because the user asked for it: it is not masked (`key show`).
    pub reveals: bool,
}

impl Outcome {
    /// A result with this text for people and these fields for programs.
    pub fn new(text: impl Into<String>, fields: Fields) -> Self {
        Self { text: text.into(), fields, symbol: None, reveals: false }
    }
}

/// Why something failed, shown as `what: why; fix`. Text from a peer must be escaped by the code that puts it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of error, for programs and exit codes.
    pub code: Code,
    /// What failed: `send a.bin to 127.0.0.1:9000`; empty until [`Self::of`] sets it.
    pub what: String,
    /// The reason, in one line.
    pub why: String,
    /// What the user can do; `None` if there is no advice.
    pub fix: Option<String>,
    /// Lines for people below the message: the expression with a caret, the last events.
    pub detail: Vec<String>,
    /// The other side reported this failure, so it need not be reported back to it.
    pub told: bool,
    /// Expected and actual value of a failed expectation; `None` if nothing was compared.
    pub contrast: Option<Box<Contrast>>,
}

/// Two values that should have been equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// What the expectation asked for, or a part of it.
    pub expected: Vec<u8>,
    /// What was found, or a part of it.
    pub actual: Vec<u8>,
    /// Offset in bytes of both parts within the compared data; 0 for whole values.
    pub offset: u64,
}

impl Contrast {
    /// Compares two whole values.
    pub fn of(expected: impl Into<Vec<u8>>, actual: impl Into<Vec<u8>>) -> Self {
        Self { expected: expected.into(), actual: actual.into(), offset: 0 }
    }
}

/// A statement of a script.
#[derive(Clone, Debug)]
pub struct Place {
    /// The script.
    pub source: Arc<Source>,
    /// Byte range of the statement in the script.
    pub span: Range<usize>,
    /// The statement contains a secret and is not shown.
    pub secret: bool,
}

/// Most characters of a statement that are shown.
const PLACE_SHOWN: usize = 160;

impl Place {
    /// Line number of the statement, from 1.
    pub fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    /// The statement, shortened and escaped; `***` if it contains a secret.
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
    /// A failure without `what`, advice or details.
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

    /// Sets what the user can do about it.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Appends lines for people below the message.
    pub fn detail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail.extend(lines);
        self
    }

    /// Sets the expected and the actual value.
    pub fn contrast(mut self, contrast: Contrast) -> Self {
        self.contrast = Some(Box::new(contrast));
        self
    }

    /// Sets what failed, unless a deeper call did.
    pub fn of(mut self, what: impl Into<String>) -> Self {
        if self.what.is_empty() {
            self.what = what.into();
        }
        self
    }

    /// A thread or task of the program that ended without an answer.
    pub fn of_worker() -> Self {
        Self::new(Code::Internal, "a worker task failed; this is a bug in nls")
    }

    /// A failed operation of the system; the code follows from the kind of error.
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

/// The system's reason in lower case, without the error number.
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

/// Something that happens in a session while it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Id of the session.
    pub session: u64,
    /// The name of the session, or `%id` if it has none.
    pub label: String,
    /// A stable word: `listening`, `client`, `message`, …
    pub kind: &'static str,
    /// One line for people, escaped.
    pub text: String,
    /// The same facts as named values.
    pub fields: Fields,
    /// Who is shown the event.
    pub interest: Interest,
}

/// Who is shown an event without asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nobody; the event is only in the session's log.
    Log,
    /// A person at the prompt.
    Prompt,
    /// Every user, in scripts and at the prompt.
    Everybody,
    /// The same, as a warning that must not be overlooked.
    Warning,
}

impl Event {
    /// True for the last event of a session.
    pub fn is_end(&self) -> bool {
        matches!(self.kind, "done" | "failed" | "cancelled")
    }
}

/// How far a session is, for a progress line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes transferred so far.
    pub done: u64,
    /// Bytes in total.
    pub total: u64,
}

/// Anything that the output layer can show.
#[derive(Clone, Debug)]
pub enum Report {
    /// A command succeeded.
    Result {
        /// The command's first word.
        verb: &'static str,
        /// The session that ran it; `None` if it needed none.
        session: Option<u64>,
        /// Its result.
        outcome: Outcome,
    },
    /// Something happened in a session.
    Event(Event),
    /// A command failed.
    Failure {
        /// Why it failed.
        failure: Failure,
        /// The command that failed; `None` if `place` shows it, or if it was no command.
        verb: Option<String>,
        /// The statement that failed; `None` if it was no statement.
        place: Option<Place>,
        /// The session that failed; `None` if there was none.
        session: Option<u64>,
    },
    /// A test ended.
    Test(TestRun),
    /// All tests ended.
    Summary(Summary),
    /// What happened to packets, for a line each.
    Packets {
        /// The session in whose record they are.
        session: u64,
        /// The name of the session, or `%id`.
        label: String,
        /// The oldest first.
        events: Vec<PacketEvent>,
        /// The time of the first event of the record, which lines count from.
        began: Time,
    },
    /// A line from the program itself: warnings, hints.
    Notice(String),
    /// A picture that is redrawn in place, such as a plot.
    Picture {
        /// The command's first word.
        verb: &'static str,
        /// Replaces the picture before it; `None`: that one stays on the screen for good.
        text: Option<String>,
    },
}

impl Report {
    /// True for a result that shows a key because the user asked for it.
    pub fn reveals(&self) -> bool {
        matches!(self, Self::Result { outcome, .. } if outcome.reveals)
    }
}

/// The value of the first field with this name; `None` if there is none.
pub fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
}
