//! Reports for people: results and messages of peers on standard output, everything else on standard error.
//!
//! | file | holds |
//! |---|---|
//! | `symbol` | codes for a camera |

mod symbol;

use std::time::{Duration, SystemTime};

use colored::Colorize;

use super::reports::Reporter;
use super::reports::human::{Human, total};
use super::{Rendered, Style};
use crate::base::escape::{escape, escape_line};
use crate::base::wall_time::time_of_day;
use crate::base::{Time, Value};
use crate::record::PacketEvent;
use crate::record::line::push_line;
use crate::report::{Event, Failure, Interest, Outcome, Place, Report};

/// At the prompt, the end of a background job that ran at least this long rings the bell.
const BELL_AFTER: Duration = Duration::from_secs(10);

pub(super) fn render(report: &Report, style: &Style) -> Rendered {
    let (out, err) = match report {
        Report::Result { verb, outcome, .. } if *verb == "print" => {
            (line(&escape(&outcome.text)), String::new())
        }
        Report::Result { outcome, .. } if style.quiet || outcome.text.is_empty() => Default::default(),
        Report::Result { outcome, .. } => (self::outcome(outcome, style), String::new()),
        Report::Event(event) => self::event(event, style),
        Report::Failure { failure, place, .. } => {
            (String::new(), self::failure(failure, place.as_ref(), style))
        }
        Report::Test(run) => (Human::new(*style).test(run), String::new()),
        Report::Summary(summary) => (total(summary), String::new()),
        Report::Packets { .. } if style.quiet => Default::default(),
        Report::Packets { events, began, .. } => (packets(events, *began), String::new()),
        Report::Picture { text, .. } => {
            (text.as_ref().map(|text| line(&escape(text))).unwrap_or_default(), String::new())
        }
        Report::Notice(text) => (String::new(), line(&dim(&escape(text), style.colours.err))),
    };
    Rendered { out, err }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn packets(events: &[PacketEvent], began: Time) -> String {
    let mut lines = String::new();
    for event in events {
        push_line(&mut lines, event, began);
        lines.push('\n');
    }
    lines
}

fn dim(text: &str, colour: bool) -> String {
    if colour { text.dimmed().to_string() } else { text.to_owned() }
}

fn outcome(outcome: &Outcome, style: &Style) -> String {
    let drawn = outcome.symbol.as_ref().map(|code| symbol::draw(code, style.colours.out, style.areas().0));
    drawn.unwrap_or_default() + &line(&escape(&outcome.text))
}

/// Messages of peers go to standard output, all other events to standard error.
fn event(event: &Event, style: &Style) -> (String, String) {
    let shown = match event.interest {
        Interest::Log => false,
        Interest::Prompt => style.times,
        Interest::Everybody | Interest::Warning => true,
    };
    if !shown || style.quiet {
        return Default::default();
    }
    let label = |colour: bool| if colour { event.label.cyan().to_string() } else { event.label.clone() };
    let text = escape_line(&event.text);
    if event.kind == "message" {
        let time = if style.times { time_of_day(SystemTime::now()) + " " } else { String::new() };
        let time = dim(&time, style.colours.out);
        return (line(&format!("{time}[{}] {text}", label(style.colours.out))), String::new());
    }
    let bell = if style.times && ended_late(event) { "\u{7}" } else { "" };
    let text = if event.interest == Interest::Warning && style.colours.err {
        text.red().bold().to_string()
    } else {
        dim(&text, style.colours.err)
    };
    let said = format!("{bell}[{}] {text}", label(style.colours.err));
    (String::new(), line(&said))
}

/// True if this event ends a job that ran for [`BELL_AFTER`] or longer and was not cancelled.
fn ended_late(event: &Event) -> bool {
    let long = Value::seconds(BELL_AFTER);
    event.is_end()
        && event.kind != "cancelled"
        && event.fields.iter().any(|(name, value)| {
            *name == "seconds" && value.order(&long).is_some_and(std::cmp::Ordering::is_ge)
        })
}

fn failure(failure: &Failure, place: Option<&Place>, style: &Style) -> String {
    let word = if style.colours.err { "error:".red().bold().to_string() } else { "error:".to_owned() };
    let mut out = line(&format!("{word} {}", escape_line(&failure.to_string())));
    for detail in &failure.detail {
        out.push_str(&line(&escape(detail)));
    }
    if let Some(place) = place {
        out.push_str(&line(&dim(&format!("  at {}", escape_line(&place.to_string())), style.colours.err)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Colours;

    #[test]
    fn a_warning_is_red_and_nothing_else_of_a_session_is() {
        colored::control::set_override(true);
        let style = Style { colours: Colours { out: true, err: true }, ..Style::plain() };
        let said = |interest| {
            let (label, text) = ("c".into(), "INSECURE".into());
            let event = Event { session: 1, label, kind: "insecure", text, fields: Vec::new(), interest };
            super::event(&event, &style).1
        };
        assert!(said(Interest::Warning).contains("\u{1b}[1;31mINSECURE"));
        assert!(!said(Interest::Everybody).contains("\u{1b}[1;31m"));
    }
}
