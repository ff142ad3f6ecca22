//! Test Anything Protocol, version 14: <https://testanything.org/tap-version-14-specification.html>.

use super::Reporter;
use super::human::total;
use crate::base::escape::escape_line;
use crate::output::failed_test;
use crate::report::{FailedTest, Summary, TestPlan, TestRun, Verdict};

#[derive(Default)]
pub(super) struct Tap {
    number: usize,
}

impl Reporter for Tap {
    fn begin(&mut self, plan: &TestPlan) -> String {
        format!("TAP version 14\n1..{}\n", plan.tests)
    }

    fn test(&mut self, run: &TestRun) -> String {
        self.number += 1;
        let failed = matches!(run.verdict, Verdict::Failed(_));
        let word = if failed { "not ok" } else { "ok" };
        let mut out =
            format!("{word} {} - {}", self.number, plain(&format!("{}:{} {}", run.file, run.line, run.name)));
        if let Verdict::Skipped(reason) = &run.verdict {
            out += &format!(" # SKIP {}", plain(reason));
        }
        out.push('\n');
        let flaky = run.earlier.iter().flatten().collect::<Vec<_>>();
        if failed || run.is_flaky() {
            out += &format!("  ---\n  seconds: {:.3}\n", run.seconds);
            if run.is_flaky() {
                out += &format!("  flaky: true\n  attempts: {}\n", run.earlier.len() + 1);
            }
            out += &block(run.wrongs().iter().chain(flaky));
            out += "  ...\n";
        }
        out
    }

    fn end(&mut self, summary: &Summary) -> String {
        format!("# {}", total(summary))
    }
}

/// Escapes a test description: `#` would begin a directive, `\` an escape.
fn plain(text: &str) -> String {
    escape_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// The YAML block of a test. The first failure gives its keys; the others, from the clean-up and from earlier attempts,
/// follow below `also`, as a key may occur only once.
fn block<'a>(wrongs: impl Iterator<Item = &'a FailedTest>) -> String {
    let mut out = String::new();
    for (index, wrong) in wrongs.enumerate() {
        let keys = yaml(wrong);
        if index == 0 {
            out += &keys;
            continue;
        }
        if index == 1 {
            out += "  also:\n";
        }
        for (line, text) in keys.lines().enumerate() {
            let item = if line == 0 { "- " } else { "  " };
            out += &format!("  {item}{}\n", text.strip_prefix("  ").unwrap_or(text));
        }
    }
    out
}

/// The keys of one failure. Values are JSON strings, which are also YAML strings, so text from a peer cannot end
/// the block.
fn yaml(wrong: &FailedTest) -> String {
    let quoted = |text: &str| serde_json::Value::String(text.into()).to_string();
    let mut out = format!("  message: {}\n", quoted(&escape_line(&wrong.failure.to_string())));
    out += &format!("  severity: fail\n  code: {}\n", wrong.failure.code.word());
    if let Some(place) = &wrong.place {
        out += &format!(
            "  at:\n    file: {}\n    line: {}\n",
            quoted(&escape_line(&place.source.name)),
            place.line()
        );
    }
    if let Some(contrast) = &wrong.failure.contrast {
        out +=
            &format!("  expected: {}\n", quoted(&escape_line(&String::from_utf8_lossy(&contrast.expected))));
        out += &format!("  actual: {}\n", quoted(&escape_line(&String::from_utf8_lossy(&contrast.actual))));
    }
    out + &format!("  text: {}\n", quoted(&failed_test::lines(wrong).join("\n")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;

    #[test]
    fn the_plan_comes_first_and_directives_are_ours_alone() {
        let text = written(&mut Tap::default());
        assert!(
            text.starts_with("TAP version 14\n1..4\nok 1 - a/b.nls:1 files \"move\" \\# <fast>\n"),
            "{text}"
        );
        assert!(text.contains("\nnot ok 4 - "), "{text}");
        assert_eq!(text.matches(" # SKIP ").count(), 1);
        assert!(text.contains("# SKIP no IPv6 \\# here"));
        for block in text.split("  ---\n").skip(1) {
            let block = block.split("  ...\n").next().unwrap();
            let is_key =
                |line: &&str| line.starts_with("  ") && !line.starts_with("   ") && !line.starts_with("  -");
            let mut keys: Vec<_> = block.lines().filter(is_key).map(|line| line.split(':').next()).collect();
            let all = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), all, "each key once: {block}");
        }
        // Every line of a block is indented.
        assert!(!text.contains("\n::error::"), "{text}");
    }
}
