//! What a run of tests found, as data: every report shows the same facts.

use super::{Failure, Place};

/// What is going to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestPlan {
    /// How many tests, each counted as often as it is repeated.
    pub tests: usize,
    /// What is drawn at random in them comes from this.
    pub seed: u64,
    /// How many run at the same time.
    pub jobs: usize,
}

/// One test, after it ran.
#[derive(Clone, Debug)]
pub struct TestRun {
    pub name: String,
    pub file: String,
    /// Where it begins in its file, from 1.
    pub line: usize,
    pub tags: Vec<String>,
    pub verdict: Verdict,
    pub seconds: f64,
    /// Failures of earlier attempts: with these, a test that passed is flaky.
    pub earlier: Vec<Vec<Wrong>>,
}

impl TestRun {
    /// It passed, but not at its first attempt.
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && !self.earlier.is_empty()
    }

    /// What went wrong, in the last attempt.
    pub fn wrongs(&self) -> &[Wrong] {
        match &self.verdict {
            Verdict::Failed(wrongs) => wrongs,
            _ => &[],
        }
    }
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed,
    Failed(Vec<Wrong>),
    Skipped(String),
}

/// One thing that went wrong in a test.
#[derive(Clone, Debug)]
pub struct Wrong {
    pub failure: Failure,
    pub place: Option<Place>,
}

impl PartialEq for Wrong {
    fn eq(&self, other: &Self) -> bool {
        self.failure == other.failure
    }
}

/// What all tests came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Of those that passed: not at the first attempt.
    pub flaky: usize,
    /// Sessions that a test left open and that could not be closed.
    pub leaked: usize,
    pub seconds: f64,
    pub seed: u64,
}

impl Summary {
    /// Counts one more.
    pub fn count(&mut self, run: &TestRun) {
        match run.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
        self.flaky += usize::from(run.is_flaky());
    }
}
