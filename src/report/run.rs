//! The results of a test run, as data: every report format shows the same facts.

use super::{Failure, Place};

/// The tests that are about to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestPlan {
    /// Number of test runs: a repeated test counts each time.
    pub tests: usize,
    /// Seed of all random choices in the tests.
    pub seed: u64,
    /// How many tests run at the same time.
    pub jobs: usize,
}

/// One test, after it ran.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The name in its `test` line.
    pub name: String,
    /// The script that contains the test.
    pub file: String,
    /// Line number of the test in its file, from 1.
    pub line: usize,
    /// The tags of the test, for `--tag`.
    pub tags: Vec<String>,
    /// How the test ended, at its last attempt.
    pub verdict: Verdict,
    /// Duration in seconds.
    pub seconds: f64,
    /// Failures of each earlier attempt; a test that passed after these is flaky.
    pub earlier: Vec<Vec<FailedTest>>,
}

impl TestRun {
    /// The test passed, but not at its first attempt.
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && !self.earlier.is_empty()
    }

    /// The failures of the last attempt; empty if it passed or was skipped.
    pub fn wrongs(&self) -> &[FailedTest] {
        match &self.verdict {
            Verdict::Failed(wrongs) => wrongs,
            _ => &[],
        }
    }
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing failed.
    Passed,
    /// The failures of the last attempt, in the order in which they happened.
    Failed(Vec<FailedTest>),
    /// The test did not run, for this reason.
    Skipped(String),
}

/// One failure in a test.
#[derive(Clone, Debug)]
pub struct FailedTest {
    /// What failed, and why.
    pub failure: Failure,
    /// The statement that failed; `None` if no statement did.
    pub place: Option<Place>,
}

impl PartialEq for FailedTest {
    fn eq(&self, other: &Self) -> bool {
        self.failure == other.failure
    }
}

/// The totals of a test run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Tests that passed, the flaky ones included.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that did not run.
    pub skipped: usize,
    /// Tests that passed, but not at their first attempt.
    pub flaky: usize,
    /// Sessions that tests left open and that could not be closed.
    pub leaked: usize,
    /// Duration of the whole run in seconds.
    pub seconds: f64,
    /// Seed of all random choices, as in [`TestPlan`].
    pub seed: u64,
}

impl Summary {
    /// Adds one test to the totals.
    pub fn count(&mut self, run: &TestRun) {
        match run.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
        self.flaky += usize::from(run.is_flaky());
    }
}
