//! A [`Plan`]: a script whose verbs, types and names are resolved. Only a plan can be run.
//!
//! | file | holds |
//! |---|---|
//! | `planner` | statements → plan |
//! | `scope` | what is known about names before anything runs |
//! | `condition` | checks conditions as far as they are known |

mod condition;
pub mod planner;
pub mod scope;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::arguments::Invocation;
use super::diagnostic::Source;
use super::parse::lexer::Word;
use super::script::{Expectation, FileExpectation, Heading, Prefix, SessionExpectation};
use crate::base::secrets::key::seen;

/// The checked steps of a script.
#[derive(Debug, Default)]
pub struct Plan {
    /// The lines above the first `test`, which run again before each test. In a script without tests: all lines.
    pub setup: Vec<Step>,
    /// The tests in the order of the text.
    pub tests: Vec<Test>,
}

/// One test of a script.
#[derive(Debug)]
pub struct Test {
    /// Its name and options.
    pub heading: Heading,
    /// Byte range of the heading in `source`.
    pub span: Range<usize>,
    /// The text that the test is in.
    pub source: Arc<Source>,
    /// The steps of the test, without those of the setup.
    pub steps: Vec<Step>,
}

/// One statement, with the text that it is from.
#[derive(Clone, Debug)]
pub struct Step {
    /// The text, which may be that of a sourced file.
    pub source: Arc<Source>,
    /// Byte range of the statement in `source`.
    pub span: Range<usize>,
    /// Prefixes such as `retry`, outermost first.
    pub prefixes: Vec<Prefix>,
    /// What to run.
    pub action: Action,
}

impl Step {
    /// The rest of the statement as it was written, from a place in the source on.
    pub fn text_after(&self, place: usize) -> &str {
        if self.span.contains(&place) { self.source.slice(&(place..self.span.end)) } else { "" }
    }

    /// The statement as it was written.
    pub fn text(&self) -> &str {
        self.source.slice(&self.span)
    }

    /// True if the text holds a secret and must not be shown: an argument that is one, or a key, wherever it stands.
    pub fn has_secret(&self) -> bool {
        matches!(&self.action, Action::Command(invocation) if invocation.has_secret())
            || seen::occurs_in(self.text())
    }
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Runs a verb.
    Command(Box<Invocation>),
    /// Fails unless a condition on values holds.
    Expect(Expectation),
    /// Fails unless a condition on what a session receives holds.
    ExpectSession(SessionExpectation),
    /// Fails unless a condition on a file holds.
    ExpectFile(FileExpectation),
    /// Reads the environment variable of this name and masks its value from now on.
    Secret(String),
    /// Binds the value of a word to a name.
    Let {
        /// Without `$`.
        name: String,
        /// What it is bound to.
        value: Word,
    },
    /// Runs a command line in the system's shell.
    Shell(String),
    /// Skips the rest of the test for a reason, unless the condition holds.
    Skip {
        /// Why the test is skipped.
        reason: Word,
        /// It goes on if this holds.
        unless: Option<Word>,
    },
    /// Limits the time of the rest of the test or script, from now on.
    Timeout(Duration),
}
