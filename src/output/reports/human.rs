//! The report for people.

use colored::Colorize;

use super::Reporter;
use crate::base::escape::escape_line;
use crate::base::quantity::show_duration;
use crate::output::{Style, failed_test};
use crate::report::{FailedTest, Summary, TestPlan, TestRun, Verdict};

/// With more tests than this, the failed ones are listed once more at the end.
const MANY: usize = 20;

pub(in crate::output) struct Human {
    style: Style,
    tests: usize,
    failed: Vec<String>,
}

impl Human {
    pub(in crate::output) fn new(style: Style) -> Self {
        Self { style, tests: 0, failed: Vec::new() }
    }

    fn paint(&self, word: &str, good: bool) -> String {
        match (self.style.colours.out, good) {
            (false, _) => word.to_owned(),
            (true, true) => word.green().to_string(),
            (true, false) => word.red().bold().to_string(),
        }
    }
}

pub(super) fn time(seconds: f64) -> String {
    show_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
}

/// The failures, indented, for the lines below that of the test.
pub(super) fn details(wrongs: &[FailedTest]) -> String {
    wrongs.iter().flat_map(failed_test::lines).map(|line| format!("       {line}\n")).collect()
}

impl Reporter for Human {
    fn begin(&mut self, plan: &TestPlan) -> String {
        self.tests = plan.tests;
        String::new()
    }

    fn test(&mut self, run: &TestRun) -> String {
        let TestRun { name, file, line, .. } = run;
        let (name, time) = (escape_line(name), time(run.seconds));
        match &run.verdict {
            Verdict::Passed if run.is_flaky() => {
                let attempts = run.earlier.len() + 1;
                let word = self.paint("FLAKY", false);
                let first = run.earlier.first().map(|wrongs| details(wrongs)).unwrap_or_default();
                format!("{word} {file}:{line}  {name}  {time}  (passed on attempt {attempts})\n{first}")
            }
            Verdict::Passed => format!("{} {file}:{line}  {name}  {time}\n", self.paint("ok  ", true)),
            Verdict::Skipped(reason) => format!("skip {file}:{line}  {name}: {}\n", escape_line(reason)),
            Verdict::Failed(wrongs) => {
                self.failed.push(format!("{file}:{line}  {name}"));
                let word = self.paint("FAIL", false);
                format!("{word} {file}:{line}  {name}  {time}\n{}", details(wrongs))
            }
        }
    }

    fn end(&mut self, summary: &Summary) -> String {
        let mut out = String::new();
        if !self.failed.is_empty() && self.tests > MANY {
            out += "\nfailed:\n";
            self.failed.iter().for_each(|line| out += &format!("  {line}\n"));
        }
        out + &total(summary)
    }
}

/// `3 passed, 1 failed, 1 flaky in 1.2 s (--seed 7)`; the seed only if a test failed.
pub(in crate::output) fn total(summary: &Summary) -> String {
    let Summary { passed, failed, skipped, flaky, leaked, seconds, seed } = summary;
    let more = |count: &usize, word: &str| {
        if *count > 0 { format!(", {count} {word}") } else { String::new() }
    };
    let seed = if *failed > 0 { format!(" (--seed {seed})") } else { String::new() };
    format!(
        "{passed} passed, {failed} failed{}{}{} in {}{seed}\n",
        more(skipped, "skipped"),
        more(flaky, "flaky"),
        more(leaked, "leaked"),
        time(*seconds)
    )
}
