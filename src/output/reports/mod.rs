//! Reports of a test run: the same facts in each format.
//!
//! | file | format |
//! |---|---|
//! | `human` | for people |
//! | `tap` | Test Anything Protocol, version 14 |
//! | `html` | a page for a browser |
//! | `junit` | XML in the schema of Jenkins (`junit-10.xsd`) |
//! | `lines` | one JSON object per line |
//! | `github` | annotations of GitHub Actions |

mod github;
mod html;
pub(super) mod human;
mod junit;
mod lines;
mod tap;

use super::Style;
use crate::report::{Summary, TestPlan, TestRun};

/// Turns the events of a test run into text. Each call returns the text to append to the report.
pub trait Reporter: Send {
    /// Before the first test.
    fn begin(&mut self, plan: &TestPlan) -> String;
    /// After each test.
    fn test(&mut self, run: &TestRun) -> String;
    /// After the last test.
    fn end(&mut self, summary: &Summary) -> String;
}

/// The formats, by their names on the command line.
pub const FORMATS: [&str; 6] = ["human", "tap", "junit", "jsonl", "github", "html"];

/// A reporter for this format; `None` if there is no such format. `seed` gives the words that tests must not guess.
pub fn reporter(format: &str, style: Style, seed: u64) -> Option<Box<dyn Reporter>> {
    Some(match format {
        "human" => Box::new(human::Human::new(style)),
        "tap" => Box::new(tap::Tap::default()),
        "junit" => Box::new(junit::Junit::default()),
        "jsonl" => Box::new(lines::Lines),
        "html" => Box::new(html::Html::default()),
        "github" => Box::new(github::Github::new(seed)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Source;
    use crate::report::{Contrast, FailedTest, Failure, Place, Verdict};
    use crate::wire::Code;

    /// A passed, a flaky, a skipped and a failed test; the failure text has all special characters a peer could send.
    pub(super) fn samples() -> Vec<TestRun> {
        let source = Source::new("a/b.nls", "test \"x\"\nexpect $a says \"y\"\n");
        let place = Place { source, span: 9..26, secret: false };
        let why = "it said `]]>\u{1b}[31m\"<&'\n::error::oops %0A`";
        let failure = Failure::new(Code::Expectation, why).contrast(Contrast::of("1", "2"));
        let wrong = FailedTest { failure, place: Some(place) };
        let run = TestRun {
            name: "files \"move\" # <fast>".into(),
            file: "a/b.nls".into(),
            line: 1,
            tags: vec!["slow".into()],
            verdict: Verdict::Passed,
            seconds: 0.25,
            earlier: Vec::new(),
        };
        vec![
            run.clone(),
            TestRun { earlier: vec![vec![wrong.clone()]], ..run.clone() },
            TestRun { verdict: Verdict::Skipped("no IPv6 # here".into()), ..run.clone() },
            TestRun { verdict: Verdict::Failed(vec![wrong]), ..run },
        ]
    }

    pub(super) fn written(reporter: &mut dyn Reporter) -> String {
        let mut text = reporter.begin(&TestPlan { tests: 4, seed: 7, jobs: 2 });
        let mut summary = Summary { seconds: 1.5, seed: 7, ..Summary::default() };
        for run in samples() {
            summary.count(&run);
            text += &reporter.test(&run);
        }
        text + &reporter.end(&summary)
    }

    #[test]
    fn every_format_has_the_same_facts_and_no_raw_byte_of_a_peer() {
        for format in FORMATS {
            let mut reporter = reporter(format, Style::plain(), 1).unwrap();
            let text = written(&mut *reporter).to_lowercase();
            assert!(!text.contains('\u{1b}'), "{format}: {text}");
            for fact in ["no ipv6", "a/b.nls", "flaky", "::error::oops"] {
                assert!(text.contains(fact), "{format} does not say {fact}: {text}");
            }
        }
    }
}
