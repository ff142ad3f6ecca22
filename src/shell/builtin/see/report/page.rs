//! The page of a report.

use super::facts::{Facts, hidden};
use crate::base::escape::html::{self, Align, escape};
use crate::base::quantity::{counted, show_duration, show_rate, show_size};
use crate::session::State;
use crate::shell::Shell;

/// When it was made, and what it lacks.
pub(super) struct Run {
    pub(super) time: String,
    /// Sessions that are not in the table.
    pub(super) left_out: usize,
}

pub(super) fn page(shell: &Shell, run: &Run, sessions: &[Facts]) -> String {
    let source = shell.ran.source().map(|name| hidden(shell, name)).filter(|name| is_file(name));
    let title =
        source.as_ref().map_or_else(|| "Network lab report".to_owned(), |name| format!("Report of {name}"));
    let mut body = format!("<h1>{}</h1>\n<p class=\"p-soft\">{}", escape(&title), escape(&run.time));
    body.push_str(&format!(" · nls {}</p>\n{}", env!("CARGO_PKG_VERSION"), tiles(sessions)));
    body.push_str("<h2>Results</h2>\n");
    body.push_str(&results(shell, sessions));
    if run.left_out > 0 {
        body.push_str(&format!(
            "<p class=\"p-soft\">… and {}.</p>\n",
            counted(run.left_out as u64, "more session")
        ));
    }
    body.push_str("<h2>What ran</h2>\n");
    body.push_str(&again(shell, source.as_deref()));
    body.push_str(&statements(shell));
    for session in sessions {
        body.push_str(&section(session));
    }
    html::page(&title, &body)
}

/// Names of texts that are no files.
fn is_file(name: &str) -> bool {
    !matches!(name, "prompt" | "nls" | "stdin" | "-c")
}

fn tiles(sessions: &[Facts]) -> String {
    let tile =
        |value: &str, what: &str| format!("<div class=\"p-tile\"><b>{value}</b><span>{what}</span></div>");
    let failed = sessions.iter().filter(|session| matches!(session.state, State::Failed(_))).count();
    let sum = |of: fn(&Facts) -> u64| sessions.iter().map(of).sum::<u64>();
    let tiles = [
        tile(&sessions.len().to_string(), "sessions"),
        tile(&failed.to_string(), "failed"),
        tile(&show_size(sum(|session| session.bytes_in)), "received, all sessions"),
        tile(&show_size(sum(|session| session.bytes_out)), "sent, all sessions"),
        tile(&sum(|session| session.retransmitted).to_string(), "packets sent again"),
    ];
    format!("<div class=\"p-tiles\">{}</div>\n", tiles.concat())
}

/// How the same is run again.
fn again(shell: &Shell, source: Option<&str>) -> String {
    let seed = shell.settings.seed;
    let how = match source {
        Some(_) if shell.ran.of_a_test => {
            "a test; <code>nls test --seed N</code> with the seed of the whole run repeats it".to_owned()
        }
        Some(name) => {
            format!("<code>{}</code> repeats it", escape(&format!("nls --seed {seed} {}", quoted(name))))
        }
        None => format!("<code>nls --seed {seed}</code> and the same lines repeat it"),
    };
    format!("<p>The seed was <code>{seed}</code>: {how}.</p>\n")
}

/// A word as a shell of the system reads it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

fn statements(shell: &Shell) -> String {
    let older = match shell.ran.older() {
        0 => String::new(),
        older => format!("… {}\n", counted(older, "earlier statement")),
    };
    let lines: String = shell.ran.last().map(|text| hidden(shell, text) + "\n").collect();
    if lines.is_empty() {
        return "<p>The statements that ran are not known.</p>\n".into();
    }
    format!("<pre class=\"p-wrap\">{}</pre>\n", escape(&(older + &lines)))
}

fn results(shell: &Shell, sessions: &[Facts]) -> String {
    if sessions.is_empty() {
        return "<p>No session has moved bytes or packets.</p>\n".into();
    }
    let heads = [
        ("session", Align::Left),
        ("kind", Align::Left),
        ("state", Align::Left),
        ("peer or address", Align::Left),
        ("received", Align::Number),
        ("sent", Align::Number),
        ("time", Align::Number),
        ("rate", Align::Number),
        ("sent again", Align::Number),
    ];
    let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
    let mut out = html::table(&heads, &rows);
    for session in sessions {
        if let State::Failed(failure) = &session.state {
            let why = hidden(shell, &failure.to_string());
            out.push_str(&format!("<p class=\"p-bad\">{}: {}</p>\n", escape(&session.name), escape(&why)));
        }
    }
    out
}

fn row(session: &Facts) -> Vec<String> {
    let seconds = session.age.as_secs_f64();
    let bytes = session.bytes_in + session.bytes_out;
    let name = match escape(&session.name) {
        name if session.charts.is_empty() => name,
        name => format!("<a href=\"#s{}\">{name}</a>", session.id),
    };
    let peer = if session.peer.is_empty() { "–" } else { &session.peer };
    vec![
        name,
        escape(&session.kind),
        format!("<span class=\"{}\">{}</span>", class(&session.state), session.state.word()),
        escape(peer),
        show_size(session.bytes_in),
        show_size(session.bytes_out),
        show_duration(session.age),
        if bytes == 0 || seconds <= 0.0 { "–".into() } else { show_rate(bytes as f64 / seconds) },
        session.retransmitted.to_string(),
    ]
}

const fn class(state: &State) -> &'static str {
    match state {
        State::Failed(_) => "p-bad",
        State::Cancelled { .. } => "p-warn",
        _ if state.has_ended() => "p-good",
        _ => "p-soft",
    }
}

/// The pictures and the packets of a session.
fn section(session: &Facts) -> String {
    let title = format!("{} · {}", escape(&session.name), escape(&session.kind));
    if session.bare {
        return format!(
            "<h2>{title}</h2>\n<p class=\"p-soft\">Its pictures were left out: the page has enough of them. Name it in <code>report</code>.</p>\n"
        );
    }
    if session.charts.is_empty() {
        return String::new();
    }
    let mut out = format!("<h2 id=\"s{}\">{title}</h2>\n", session.id);
    if session.forgotten > 0 {
        let text = counted(session.forgotten, "older event");
        out.push_str(&format!("<p class=\"p-soft\">{text} of its packets are kept no more.</p>\n"));
    }
    let charts: String = session.charts.iter().map(|svg| format!("<figure>\n{svg}</figure>\n")).collect();
    out.push_str(&format!("<div class=\"p-charts\">\n{charts}</div>\n"));
    if !session.explained.is_empty() {
        let lines: String = session.explained.iter().map(|line| format!("{line}\n")).collect();
        out.push_str(&format!("<h3>What happened</h3>\n<pre class=\"p-wrap\">{}</pre>\n", escape(&lines)));
    }
    out.push_str(&slowest(session));
    out.push_str(&lost(session));
    if let Some(svg) = &session.diagram {
        out.push_str(&format!("<h3>The last packets</h3>\n<figure class=\"p-scroll\">\n{svg}</figure>\n"));
    }
    out
}

fn slowest(session: &Facts) -> String {
    if session.slow.is_empty() {
        return String::new();
    }
    let heads = [("packet", Align::Flow), ("left at", Align::Number), ("acknowledged after", Align::Number)];
    let rows: Vec<Vec<String>> = session
        .slow
        .iter()
        .map(|slow| {
            let packet = format!("<code>{}</code>", escape(&slow.line));
            vec![packet, format!("{} ms", slow.left_at), show_duration(slow.took)]
        })
        .collect();
    format!("<h3>The slowest packets</h3>\n{}", html::table(&heads, &rows))
}

fn lost(session: &Facts) -> String {
    if session.lost.is_empty() {
        return String::new();
    }
    let heads = [("packet", Align::Left), ("what became of it", Align::Flow)];
    let row = |(number, lines): &(u64, Vec<String>)| vec![format!("#{number}"), escape(&lines.join(" "))];
    let rows: Vec<Vec<String>> = session.lost.iter().map(row).collect();
    let mut out = format!("<h3>The lost packets</h3>\n{}", html::table(&heads, &rows));
    if session.more_lost > 0 {
        out.push_str(&format!("<p class=\"p-soft\">… and {} more.</p>\n", session.more_lost));
    }
    out
}
