//! XML as read by the xUnit plugin of Jenkins (its schema `junit-10.xsd`): one suite per file.

use std::collections::BTreeMap;

use super::Reporter;
use crate::base::escape::escape;
use crate::output::failed_test;
use crate::report::{FailedTest, Summary, TestPlan, TestRun, Verdict};

#[derive(Default)]
pub(super) struct Junit {
    /// The tests of each file, in the order in which they ended.
    suites: BTreeMap<String, Vec<TestRun>>,
    plan: TestPlan,
}

impl Reporter for Junit {
    fn begin(&mut self, plan: &TestPlan) -> String {
        self.plan = plan.clone();
        String::new()
    }

    fn test(&mut self, run: &TestRun) -> String {
        self.suites.entry(run.file.clone()).or_default().push(run.clone());
        String::new()
    }

    fn end(&mut self, summary: &Summary) -> String {
        let total = summary.passed + summary.failed + summary.skipped;
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nls\" tests=\"{total}\" failures=\"{}\" errors=\"0\" \
             time=\"{:.3}\">\n",
            summary.failed, summary.seconds
        );
        for (file, runs) in &self.suites {
            out += &suite(file, runs, self.plan.seed);
        }
        out + "</testsuites>\n"
    }
}

fn suite(file: &str, runs: &[TestRun], seed: u64) -> String {
    let count = |wanted: fn(&Verdict) -> bool| runs.iter().filter(|run| wanted(&run.verdict)).count();
    let name = attribute(file);
    let mut out = format!(
        "  <testsuite name=\"{name}\" file=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\">\n",
        runs.len(),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        runs.iter().map(|run| run.seconds).sum::<f64>(),
    );
    out += &format!("    <properties><property name=\"seed\" value=\"{seed}\"/></properties>\n");
    for run in runs {
        out += &case(file, run);
    }
    out + "  </testsuite>\n"
}

fn case(file: &str, run: &TestRun) -> String {
    let mut out = format!(
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
        attribute(&run.name),
        attribute(file.strip_suffix(".nls").unwrap_or(file)),
        run.seconds
    );
    let mut inner = String::new();
    match &run.verdict {
        Verdict::Skipped(reason) => {
            inner += &format!("      <skipped message=\"{}\"/>\n", attribute(reason));
        }
        Verdict::Failed(wrongs) => wrongs.iter().for_each(|wrong| inner += &element("failure", wrong)),
        Verdict::Passed => {}
    }
    // An earlier attempt that failed: `flakyFailure` if the test passed in the end, else `rerunFailure`.
    let earlier = if run.is_flaky() { "flakyFailure" } else { "rerunFailure" };
    run.earlier.iter().flatten().for_each(|wrong| inner += &element(earlier, wrong));
    if inner.is_empty() {
        out += "/>\n";
    } else {
        out += &format!(">\n{inner}    </testcase>\n");
    }
    out
}

fn element(kind: &str, wrong: &FailedTest) -> String {
    let message = attribute(&wrong.failure.to_string());
    let code = wrong.failure.code.word();
    let text = content(&failed_test::lines(wrong).join("\n"));
    // In `flakyFailure` and `rerunFailure` the schema wants the text in a child element.
    let text = if kind == "failure" { text } else { format!("<stackTrace>{text}</stackTrace>") };
    format!("      <{kind} message=\"{message}\" type=\"{code}\">{text}</{kind}>\n")
}

/// Text between tags; characters that XML 1.0 does not allow are escaped or replaced.
fn content(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An attribute value; a parser would turn an unescaped newline or tab into a blank (XML 1.0, section 3.3.3).
fn attribute(text: &str) -> String {
    content(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;

    #[test]
    fn attributes_are_quoted_and_attempts_are_kept() {
        let text = written(&mut Junit::default());
        assert!(text.contains("name=\"files &quot;move&quot; # &lt;fast&gt;\""), "{text}");
        assert!(text.contains("<flakyFailure message=") && text.contains("<skipped message="), "{text}");
        assert!(text.contains("]]&gt;") && text.contains("&#10;::error::oops"), "{text}");
        assert!(text.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{text}");
    }
}
