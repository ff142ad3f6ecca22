//! A page for a browser: one file without script that loads nothing.

use super::Reporter;
use super::human::{time, total};
use crate::base::escape::escape_line;
use crate::base::escape::html::{self, Align, escape};
use crate::output::failed_test;
use crate::report::{FailedTest, Summary, TestPlan, TestRun, Verdict};

#[derive(Default)]
pub(super) struct Html {
    plan: TestPlan,
    runs: Vec<TestRun>,
}

impl Reporter for Html {
    fn begin(&mut self, plan: &TestPlan) -> String {
        self.plan = plan.clone();
        String::new()
    }

    fn test(&mut self, run: &TestRun) -> String {
        self.runs.push(run.clone());
        String::new()
    }

    fn end(&mut self, summary: &Summary) -> String {
        // Tests end in another order each time; a page is read from the first file to the last.
        self.runs.sort_by(|a, b| (&a.file, a.line, &a.name).cmp(&(&b.file, b.line, &b.name)));
        let verdict = if summary.failed > 0 { "Tests failed" } else { "Tests passed" };
        let class = if summary.failed > 0 { "p-bad" } else { "p-good" };
        let mut body = format!("<h1>nls test: <span class=\"{class}\">{verdict}</span></h1>\n");
        body.push_str(&format!(
            "<p class=\"p-soft\">{}</p>\n{}",
            escape(total(summary).trim_end()),
            tiles(summary)
        ));
        body.push_str(&format!(
            "<p>The seed was <code>{seed}</code>: <code>nls test --seed {seed} …</code> draws the same numbers.</p>\n",
            seed = summary.seed
        ));
        let told = |run: &&TestRun| !run.wrongs().is_empty() || !run.earlier.is_empty();
        let wrong: String = self.runs.iter().filter(told).map(case).collect();
        if !wrong.is_empty() {
            body.push_str(&format!("<h2>Failures</h2>\n{wrong}"));
        }
        body.push_str(&format!("<h2>All tests</h2>\n{}", all(&self.runs)));
        html::page(&format!("nls test: {verdict}"), &body)
    }
}

fn tiles(summary: &Summary) -> String {
    let counts = [
        (summary.passed, "passed", "p-good"),
        (summary.failed, "failed", "p-bad"),
        (summary.skipped, "skipped", "p-soft"),
        (summary.flaky, "flaky", "p-warn"),
        (summary.leaked, "leaked", "p-bad"),
    ];
    let tiles: String = counts
        .iter()
        .map(|(count, word, class)| {
            let class = if *count == 0 { "p-soft" } else { class };
            format!("<div class=\"p-tile\"><b class=\"{class}\">{count}</b><span>{word}</span></div>")
        })
        .collect();
    format!("<div class=\"p-tiles\">{tiles}</div>\n")
}

/// The word for a verdict, and its class.
const fn word(run: &TestRun) -> (&'static str, &'static str) {
    match run.verdict {
        Verdict::Passed if !run.earlier.is_empty() => ("flaky", "p-warn"),
        Verdict::Passed => ("passed", "p-good"),
        Verdict::Failed(_) => ("failed", "p-bad"),
        Verdict::Skipped(_) => ("skipped", "p-soft"),
    }
}

/// The failures of a test, those of earlier attempts below.
fn case(run: &TestRun) -> String {
    let (word, class) = word(run);
    let flaky = if run.is_flaky() { " p-flaky" } else { "" };
    let mut out = format!(
        "<div class=\"p-case{flaky}\">\n<h3><span class=\"{class}\">{word}</span> {}</h3>\n\
         <p class=\"p-soft\">{}:{} · {}</p>\n",
        line(&run.name),
        line(&run.file),
        run.line,
        time(run.seconds)
    );
    run.wrongs().iter().for_each(|wrong| out.push_str(&failure(wrong)));
    for (n, wrongs) in run.earlier.iter().enumerate() {
        out.push_str(&format!("<p class=\"p-soft\">Attempt {}:</p>\n", n + 1));
        wrongs.iter().for_each(|wrong| out.push_str(&failure(wrong)));
    }
    out + "</div>\n"
}

/// The statement, expected and actual value, the last events.
fn failure(wrong: &FailedTest) -> String {
    let coloured = |text: &String| {
        let class = match text {
            _ if text.starts_with("expected: ") => "p-good",
            _ if text.starts_with("  actual: ") => "p-bad",
            _ => return escape(text),
        };
        format!("<span class=\"{class}\">{}</span>", escape(text))
    };
    let lines: Vec<String> = failed_test::lines(wrong).iter().map(coloured).collect();
    format!("<pre>{}</pre>\n", lines.join("\n"))
}

fn all(runs: &[TestRun]) -> String {
    let heads = [
        ("verdict", Align::Left),
        ("test", Align::Flow),
        ("place", Align::Left),
        ("tags", Align::Left),
        ("time", Align::Number),
    ];
    let row = |run: &TestRun| {
        let (word, class) = word(run);
        let reason = match &run.verdict {
            Verdict::Skipped(reason) => format!("<br><span class=\"p-soft\">{}</span>", line(reason)),
            _ => String::new(),
        };
        vec![
            format!("<span class=\"{class}\">{word}</span>"),
            line(&run.name) + &reason,
            format!("{}:{}", line(&run.file), run.line),
            line(&run.tags.join(" ")),
            time(run.seconds),
        ]
    };
    html::table(&heads, &runs.iter().map(row).collect::<Vec<_>>())
}

/// Foreign text on one line.
fn line(text: &str) -> String {
    escape(&escape_line(text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::written;
    use super::*;

    #[test]
    fn the_page_has_all_facts_and_no_markup_of_a_peer() {
        let text = written(&mut Html::default());
        assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"), "{text}");
        assert!(text.contains("files &quot;move&quot; # &lt;fast&gt;") && !text.contains("<fast>"), "{text}");
        assert!(text.contains("<span class=\"p-good\">expected: 1</span>"), "{text}");
        assert!(text.contains("<span class=\"p-bad\">  actual: 2</span>"), "{text}");
        assert!(text.contains("\\x1b[31m&quot;&lt;&amp;&#39;"), "{text}");
        assert_eq!(text.matches("<tr>").count(), 5, "a head and four tests");
        assert!(text.contains("Attempt 1:") && text.contains("no IPv6 # here"), "{text}");
    }
}
