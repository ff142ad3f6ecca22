//! One JSON object per line, as with `--json`.

use super::Reporter;
use crate::output::json;
use crate::report::{Report, Summary, TestPlan, TestRun};

pub(super) struct Lines;

impl Reporter for Lines {
    fn begin(&mut self, _: &TestPlan) -> String {
        String::new()
    }

    fn test(&mut self, run: &TestRun) -> String {
        json::render(&Report::Test(run.clone()))
    }

    fn end(&mut self, summary: &Summary) -> String {
        json::render(&Report::Summary(summary.clone()))
    }
}
