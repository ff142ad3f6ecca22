//! For people: results on standard output, everything else on standard error.

use colored::Colorize;

use super::{Rendered, Style};
use crate::base::escape::{escape, escape_line};
use crate::base::quantity::show_duration;
use crate::report::{Event, Failure, Report, Verdict};

pub(super) fn render(report: &Report, style: &Style) -> Rendered {
    let (out, err) = match report {
        Report::Result { verb, outcome, .. } if *verb == "print" => {
            (line(&escape(&outcome.text)), String::new())
        }
        Report::Result { outcome, .. } if style.quiet || outcome.text.is_empty() => Default::default(),
        Report::Result { outcome, .. } => (line(&escape(&outcome.text)), String::new()),
        Report::Event(event) => self::event(event, style),
        Report::Failure { failure, place, .. } => {
            (String::new(), self::failure(failure, place.as_deref(), style))
        }
        Report::Test { name, file, line, verdict, seconds } => {
            (test(name, file, *line, verdict, *seconds, style), String::new())
        }
        Report::Summary { passed, failed, skipped, seconds } => {
            (summary(*passed, *failed, *skipped, *seconds), String::new())
        }
        Report::Notice(text) => (String::new(), line(&dim(&escape(text), style.colours.err))),
    };
    Rendered { out, err }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn dim(text: &str, colour: bool) -> String {
    if colour { text.dimmed().to_string() } else { text.to_owned() }
}

/// What a peer says is content; what happens is a remark.
fn event(event: &Event, style: &Style) -> (String, String) {
    if !event.notable || style.quiet {
        return Default::default();
    }
    let label = |colour: bool| if colour { event.label.cyan().to_string() } else { event.label.clone() };
    let text = escape_line(&event.text);
    if event.kind == "message" {
        return (line(&format!("[{}] {text}", label(style.colours.out))), String::new());
    }
    (String::new(), line(&format!("[{}] {}", label(style.colours.err), dim(&text, style.colours.err))))
}

fn failure(failure: &Failure, place: Option<&str>, style: &Style) -> String {
    let word = if style.colours.err { "error:".red().bold().to_string() } else { "error:".to_owned() };
    let mut out = line(&format!("{word} {}", escape_line(&failure.to_string())));
    for detail in &failure.detail {
        out.push_str(&line(&escape(detail)));
    }
    if let Some(place) = place {
        out.push_str(&line(&dim(&format!("  at {}", escape_line(place)), style.colours.err)));
    }
    out
}

fn test(name: &str, file: &str, at: usize, verdict: &Verdict, seconds: f64, style: &Style) -> String {
    let paint = |text: &str, good: bool| match (style.colours.out, good) {
        (false, _) => text.to_owned(),
        (true, true) => text.green().to_string(),
        (true, false) => text.red().bold().to_string(),
    };
    let time = show_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)));
    match verdict {
        Verdict::Passed => format!("{} {file}:{at}  {name}  {time}\n", paint("ok  ", true)),
        Verdict::Skipped(reason) => format!("skip {file}:{at}  {name}: {}\n", escape_line(reason)),
        Verdict::Failed(lines) => {
            let lines: String = lines.iter().map(|text| format!("       {}\n", escape_line(text))).collect();
            format!("{} {file}:{at}  {name}  {time}\n{lines}", paint("FAIL", false))
        }
    }
}

fn summary(passed: usize, failed: usize, skipped: usize, seconds: f64) -> String {
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!(
        "{passed} passed, {failed} failed{skipped} in {}\n",
        show_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
    )
}
