//! A [`Plan`]: a script whose verbs, types and names are resolved. Only a plan can be run.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::arguments::Invocation;
use super::diagnostic::Source;
use super::lexer::Word;
use super::script::{Expectation, FileExpectation, Heading, Prefix};

/// What a text means.
#[derive(Debug, Default)]
pub struct Plan {
    /// The lines above the first `test`: they run afresh before each test. Without headings: everything.
    pub setup: Vec<Step>,
    pub tests: Vec<Test>,
}

#[derive(Debug)]
pub struct Test {
    pub heading: Heading,
    pub span: Range<usize>,
    pub source: Arc<Source>,
    pub steps: Vec<Step>,
}

/// One statement, with the text that it stands in.
#[derive(Clone, Debug)]
pub struct Step {
    pub source: Arc<Source>,
    pub span: Range<usize>,
    pub prefixes: Vec<Prefix>,
    pub action: Action,
}

impl Step {
    /// The statement as it was written.
    pub fn text(&self) -> &str {
        self.source.slice(&self.span)
    }

    /// True if the text holds a secret and must not be shown.
    pub fn has_secret(&self) -> bool {
        matches!(&self.action, Action::Command(invocation) if invocation.has_secret())
    }
}

#[derive(Clone, Debug)]
pub enum Action {
    Command(Box<Invocation>),
    Expect(Expectation),
    ExpectFile(FileExpectation),
    Secret(String),
    Let { name: String, value: Word },
    Shell(String),
    Skip { reason: Word, unless: Option<Word> },
    Timeout(Duration),
}
