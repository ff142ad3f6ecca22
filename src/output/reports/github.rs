//! Annotations of GitHub Actions. A line that begins with `::` is a workflow command there. So the output of tests and
//! peers is enclosed in `stop-commands` with a word that they cannot guess, and is taken as text only.

use super::Reporter;
use super::human::{Human, total};
use crate::base::mix;
use crate::output::Style;
use crate::report::{FailedTest, Summary, TestPlan, TestRun};

pub(super) struct Github {
    human: Human,
    word: String,
}

impl Github {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            human: Human::new(Style::plain()),
            word: format!("nls-{:016x}{:016x}", mix(seed), mix(mix(seed) ^ 1)),
        }
    }
}

impl Reporter for Github {
    fn begin(&mut self, plan: &TestPlan) -> String {
        self.human.begin(plan)
    }

    fn test(&mut self, run: &TestRun) -> String {
        let word = &self.word;
        let mut out = format!("::stop-commands::{word}\n{}::{word}::\n", self.human.test(run));
        run.wrongs().iter().for_each(|wrong| out += &annotation("error", run, wrong));
        if run.is_flaky() {
            run.earlier.iter().flatten().for_each(|wrong| out += &annotation("warning", run, wrong));
        }
        out
    }

    fn end(&mut self, summary: &Summary) -> String {
        let all = total(summary);
        if summary.failed == 0 {
            all
        } else {
            format!("{all}::error title=nls test::{}\n", value(all.trim_end()))
        }
    }
}

fn annotation(level: &str, run: &TestRun, wrong: &FailedTest) -> String {
    let (file, line) = match &wrong.place {
        Some(place) => (place.source.name.as_str(), place.line()),
        None => (run.file.as_str(), run.line),
    };
    let flaky = if level == "warning" { "flaky: " } else { "" };
    let title = property(&format!("{flaky}{}", run.name));
    format!(
        "::{level} file={},line={line},title={title}::{}\n",
        property(file),
        value(&wrong.failure.to_string())
    )
}

/// The message of a workflow command: characters that could end it are percent-encoded.
fn value(text: &str) -> String {
    let text = crate::base::escape::escape(text);
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;

    #[test]
    fn what_a_peer_said_gives_no_command() {
        let text = written(&mut Github::new(3));
        let mut stopped: Option<String> = None;
        let mut errors = 0;
        for line in text.lines() {
            match &stopped {
                Some(word) if line == format!("::{word}::") => stopped = None,
                Some(_) => {}
                None => {
                    if let Some(word) = line.strip_prefix("::stop-commands::") {
                        stopped = Some(word.to_owned());
                    } else if let Some(error) = line.strip_prefix("::error ") {
                        errors += 1;
                        assert!(!error.starts_with("::oops"), "{line}");
                    }
                }
            }
        }
        // One for the failed test, one for the total.
        assert_eq!((stopped, errors), (None, 2), "{text}");
        assert!(text.contains("::error file=a/b.nls,line=2,title=files \"move\" # <fast>::"), "{text}");
    }
}
