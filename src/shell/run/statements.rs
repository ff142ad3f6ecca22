//! The statements that ran, for a report: the last ones, without secrets.

use std::collections::VecDeque;

use crate::base::Secrets;
use crate::language::Step;

/// Most statements that are kept.
const STATEMENT_LIMIT: usize = 200;

/// What ran in a shell.
#[derive(Debug, Default)]
pub(in crate::shell) struct Statements {
    last: VecDeque<String>,
    older: u64,
    /// The name of the text that holds the first one.
    source: Option<String>,
    /// They are those of a test, which has a seed of its own.
    pub(in crate::shell) of_a_test: bool,
}

impl Statements {
    /// A statement begins.
    pub(in crate::shell) fn note(&mut self, step: &Step, secrets: &Secrets) {
        if self.source.is_none() {
            self.source = Some(step.source.name.clone());
        }
        if self.last.len() == STATEMENT_LIMIT {
            self.last.pop_front();
            self.older += 1;
        }
        let mut text = if step.has_secret() { "***".to_owned() } else { step.text().to_owned() };
        secrets.hide(&mut text);
        self.last.push_back(text);
    }

    /// The last ones, oldest first.
    pub(in crate::shell) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    /// Number of those that are kept no more.
    pub(in crate::shell) const fn older(&self) -> u64 {
        self.older
    }

    /// The name of the text that holds the first one.
    pub(in crate::shell) fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }
}
