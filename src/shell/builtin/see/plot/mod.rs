//! `plot`: rates, round trips and retransmissions of a session over time.

mod chart;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::chart::{ChartSize, filled, growth, level};
use super::super::steer::set::CHANGE;
use super::super::table::{Give, aligned};
use super::super::{BARE, Builtin, next};
use super::charted::charted;
use super::diagram::write;
use super::watch;
use super::witness::witnesses;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::record::chart as chart_file;
use crate::report::{Area, Failure, Outcome};
use crate::session::{Sample, Session};
use crate::shell::Shell;
use crate::shell::builtin::see::errors;

/// Lines of a curve, at most and at least.
const ROWS: usize = 5;
const ROWS_LEAST: usize = 2;
/// Columns of the axis at the left.
const AXIS: usize = 12;
/// Rows of the table where nothing can be drawn.
const TABLE_ROWS: usize = 10;
/// Maximum changes that are shown.
const CHANGES: usize = 5;
/// A direction with less than one part in this many of the other's bytes gets no curve.
const WORTH: u64 = 100;

pub(in crate::shell::builtin) static PLOT: Builtin = Builtin {
    verb: &Verb {
        name: "plot",
        summary: "draw rate, round trip and retransmissions of a session",
        details: "Over its whole life, in braille, in ASCII where the locale is not UTF-8, and as a table where nothing can be drawn. `watch` draws it again and again until it ends, or until Ctrl-C. In a file there are charts of its packets: throughput, round trip, the place in the file over time, the window, links.",
        params: &[Param::required("session", Kind::Session, "which one")],
        keywords: &[
            watch::KEYWORD,
            Keyword::new("to", Kind::Path, "an .svg that does not exist: more charts, and of packets"),
        ],
        fields: &[
            Field::rate("rate", "bytes a second over its life"),
            Field::rate("peak", "the most of all parts of its life, in bytes a second"),
            Field::count("round_trip_ms", "at the end, in milliseconds; 0: unknown"),
            Field::count("retransmitted", "datagrams or segments that were sent again"),
            Field::text("text", "the picture, or the table"),
            Field::text("path", "the file"),
        ],
        example: "plot $up",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let PlotOptions { session, every, to } = PlotOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            if let Some(to) = to {
                return next(in_file(shell, &session, &to)?);
            }
            let Some(every) = every else {
                return next(outcome(&session, shell.terminal.area()));
            };
            let (shown, terminal) = (session.clone(), shell.terminal.clone());
            let picture = move || (outcome(&shown, terminal.area()).text, shown.has_ended());
            watch::watch(shell, "plot", every, picture).await;
            next(Outcome { text: String::new(), ..outcome(&session, None) })
        })
    },
};

/// `plot`.
struct PlotOptions {
    session: SessionRef,
    /// `None`: drawn once.
    every: Option<Duration>,
    /// `None`: on the terminal.
    to: Option<String>,
}

impl FromArguments for PlotOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            every: watch::Every::from_arguments(arguments).0,
            to: arguments.text("to").map(str::to_owned),
        }
    }
}

/// Charts of the packets, as a file.
fn in_file(shell: &Shell, session: &Arc<Session>, to: &str) -> Result<Outcome, Failure> {
    if Path::new(to).extension().is_none_or(|extension| extension != "svg") {
        return Err(errors::picture_of_unknown_kind(to, ".svg"));
    }
    let record = charted(session, &witnesses(shell.registry(), session, usize::MAX));
    write(shell, to, chart_file::svg(&record).as_bytes())?;
    let mut fields = outcome(session, None).fields;
    fields.retain(|(name, _)| *name != "text");
    fields.push(("path", Value::text(to)));
    Ok(Outcome::new(format!("the charts are in {to}"), fields))
}

fn outcome(session: &Arc<Session>, area: Option<Area>) -> Outcome {
    let samples = session.samples();
    let end = samples.last().map_or(Duration::ZERO, |sample| sample.at).as_secs_f64();
    let total = |sample: &Sample| sample.bytes_in + sample.bytes_out;
    let last = samples.last().copied().unwrap_or_default();
    let rate = if end > 0.0 { total(&last) as f64 / end } else { 0.0 };
    let peak = samples.windows(2).map(|pair| speed(&pair[0], &pair[1])).fold(rate, f64::max);
    let text = match area {
        _ if samples.len() < 2 => format!("{} is too young to plot", session.label()),
        _ if total(&last) == 0 => format!("nothing has passed through {} yet", session.label()),
        Some(area) => picture(session, &samples, end, area),
        None => table(&samples, end),
    };
    let round_trip = last.round_trip.unwrap_or_default();
    let fields = vec![
        ("rate", Value::Number(rate)),
        ("peak", Value::Number(peak)),
        ("round_trip_ms", Value::Number(round_trip.as_secs_f64() * 1e3)),
        ("retransmitted", Value::count(last.retransmitted)),
        ("text", Value::Text(text.clone())),
    ];
    Outcome::new(text, fields)
}

/// Bytes a second between two samples.
fn speed(one: &Sample, two: &Sample) -> f64 {
    let seconds = two.at.saturating_sub(one.at).as_secs_f64();
    let bytes = (two.bytes_in + two.bytes_out).saturating_sub(one.bytes_in + one.bytes_out);
    if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 }
}

/// Seconds since the session began, and a value.
type Points = Vec<(f64, f64)>;

/// Samples as points over time.
fn points(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> Points {
    samples.iter().map(|sample| (sample.at.as_secs_f64(), of(sample))).collect()
}

fn counts(samples: &[Sample], of: fn(&Sample) -> u64) -> Points {
    points(samples, |sample| of(sample) as f64)
}

/// Round trips in seconds; 0 while unknown.
fn round_trips(samples: &[Sample]) -> Points {
    points(samples, |sample| sample.round_trip.unwrap_or_default().as_secs_f64())
}

fn picture(session: &Session, samples: &[Sample], end: f64, area: Area) -> String {
    let columns = area.columns.saturating_sub(AXIS + 2).max(1);
    let last = samples[samples.len() - 1];
    let worth = |one: u64, other: u64| one > 0 && one >= other / WORTH;
    let mut curves: Vec<(&str, Curve, Points)> = Vec::new();
    if worth(last.bytes_in, last.bytes_out) || last.bytes_out == 0 {
        curves.push(("in", Curve::Rate, counts(samples, |sample| sample.bytes_in)));
    }
    if worth(last.bytes_out, last.bytes_in) {
        curves.push(("out", Curve::Rate, counts(samples, |sample| sample.bytes_out)));
    }
    let round_trips = round_trips(samples);
    if round_trips.iter().any(|(_, time)| *time > 0.0) {
        curves.push(("round trip", Curve::Time, round_trips));
    }
    if last.dropped > 0 {
        curves.push(("dropped", Curve::Count, counts(samples, |sample| sample.dropped)));
    }
    if last.retransmitted > 0 {
        curves.push(("sent again", Curve::Count, counts(samples, |sample| sample.retransmitted)));
    }
    // Each curve has its name above it; one line is the title, one the time, one is left for the prompt.
    let below = changes(session, end, columns);
    let rows =
        (area.rows.saturating_sub(3 + below.len()) / curves.len()).saturating_sub(1).clamp(ROWS_LEAST, ROWS);
    let shape = ChartSize { columns, rows, braille: area.unicode };
    let mut lines = vec![format!("{} {}", session.label(), escape_line(&session.kind))];
    for (name, kind, points) in curves {
        lines.extend(curve(name, kind, &points, end, shape));
    }
    let time = quantity::show_duration(Duration::from_secs_f64(end));
    let mark = if area.unicode { '└' } else { '+' };
    lines.push(format!("{:>AXIS$} {mark} 0 s {time:>width$}", "", width = columns.saturating_sub(6)));
    lines.extend(below);
    lines.iter().map(|line| super::super::table::cut(line, area.columns)).collect::<Vec<_>>().join("\n")
}

/// The newest changes that `set` made to the session: marks below the axis, then a line for each.
fn changes(session: &Session, end: f64, columns: usize) -> Vec<String> {
    let (entries, _) = session.log(usize::MAX);
    let changes: Vec<_> = entries.iter().filter(|entry| entry.kind == CHANGE && end > 0.0).collect();
    let shown = &changes[changes.len().saturating_sub(CHANGES)..];
    if shown.is_empty() {
        return Vec::new();
    }
    let mut marks = vec![' '; columns + 1];
    for entry in shown {
        let place = (entry.at.as_secs_f64() / end * columns as f64) as usize;
        marks[place.min(columns)] = '^';
    }
    let marks: String = marks.into_iter().collect();
    let words = shown.iter().map(|entry| {
        let at = quantity::show_duration(entry.at);
        format!("{:>AXIS$} ^ {at}: {}", CHANGE, escape_line(&entry.text))
    });
    std::iter::once(format!("{:>AXIS$} {}", "", marks.trim_end())).chain(words).collect()
}

/// What a curve shows.
#[derive(Clone, Copy)]
enum Curve {
    /// Bytes so far, drawn as bytes/s.
    Rate,
    /// Seconds, drawn as they are.
    Time,
    /// A count so far, drawn as its growth in each part.
    Count,
}

fn curve(name: &str, kind: Curve, points: &[(f64, f64)], end: f64, shape: ChartSize) -> Vec<String> {
    let parts = shape.values();
    let mut values = match kind {
        Curve::Time => level(points, end, parts),
        Curve::Rate | Curve::Count => growth(points, end, parts),
    };
    if let Curve::Rate = kind {
        let seconds = end / parts as f64;
        values.iter_mut().for_each(|value| *value /= seconds.max(f64::MIN_POSITIVE));
    }
    // Of what is counted, less than one in a column is one that is spread over several.
    let least = if let Curve::Count = kind { 1.0 } else { 0.0 };
    let most = values.iter().copied().fold(least, f64::max);
    let label = match kind {
        Curve::Rate => quantity::show_rate(most),
        Curve::Time => quantity::show_duration(Duration::from_secs_f64(most)),
        Curve::Count => format!("{most:.0}"),
    };
    let bar = if shape.braille { '│' } else { '|' };
    let lines = filled(&values, most, shape);
    let axis = |row: usize| {
        if row == 0 {
            label.as_str()
        } else if row + 1 == shape.rows {
            "0"
        } else {
            ""
        }
    };
    let drawn = lines.iter().enumerate().map(|(row, line)| format!("{:>AXIS$} {bar}{line}", axis(row)));
    std::iter::once(format!("{name:>AXIS$}")).chain(drawn).collect()
}

/// The same as a table of numbers.
fn table(samples: &[Sample], end: f64) -> String {
    let parts = TABLE_ROWS.min(samples.len() - 1);
    let seconds = (end / parts as f64).max(f64::MIN_POSITIVE);
    let count = |of: fn(&Sample) -> u64| growth(&counts(samples, of), end, parts);
    let (came, left) = (count(|sample| sample.bytes_in), count(|sample| sample.bytes_out));
    let again = count(|sample| sample.retransmitted);
    let trips = level(&round_trips(samples), end, parts);
    let heading = ["until", "in", "out", "round trip", "sent again"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(heading)
        .chain((0..parts).map(|part| {
            let trip = Duration::from_secs_f64(trips[part]);
            [
                quantity::show_duration(Duration::from_secs_f64(end * (part + 1) as f64 / parts as f64)),
                quantity::show_rate(came[part] / seconds),
                quantity::show_rate(left[part] / seconds),
                if trip.is_zero() { "-".into() } else { quantity::show_duration(trip) },
                format!("{:.0}", again[part]),
            ]
        }))
        .collect();
    aligned(&rows, [Give::Keep; 5], None).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_event_does_not_fill_its_curve() {
        let shape = ChartSize { columns: 4, rows: 2, braille: false };
        let drawn = curve("sent again", Curve::Count, &[(0.0, 0.0), (8.0, 1.0)], 8.0, shape);
        assert!(drawn.iter().any(|line| line.trim_start().starts_with("1 |")), "{drawn:?}");
        let none = curve("sent again", Curve::Count, &[(0.0, 0.0), (8.0, 0.0)], 8.0, shape);
        assert!(none.iter().all(|line| !line.contains('#')), "{none:?}");
    }
}
