//! `sessions` and `log`.

use super::{BARE, Builtin, next};
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::{Field, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::Outcome;
use crate::session::{Registry, Session};

/// Clients of a server that are shown.
const CLIENT_LINES: usize = 100;
/// Widest a column of foreign text may get.
const COLUMN_LIMIT: usize = 32;

pub(super) static SESSIONS: Builtin = Builtin {
    verb: &Verb {
        name: "sessions",
        aliases: &["jobs"],
        summary: "every live and ended session, or the clients of one server",
        params: &[Param::optional("session", Kind::Session, "a server: who is connected, and does what")],
        fields: &[
            Field::new("live", "how many are alive"),
            Field::new("ended", "how many have ended"),
            Field::new("clients", "of a server: how many are connected"),
            Field::new("text", "of a server: the table"),
        ],
        example: "sessions",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            if let Some(which) = arguments.session("session") {
                return next(clients(shell.session(which)?.as_ref()));
            }
            let sessions = shell.registry.all();
            let live = sessions.iter().filter(|session| !session.state().has_ended()).count();
            let fields = vec![
                ("live", Value::count(live as u64)),
                ("ended", Value::count((sessions.len() - live) as u64)),
            ];
            next(Outcome::new(table(&shell.registry), fields))
        })
    },
};

fn cut(text: &str) -> String {
    let text = escape_line(text);
    if text.chars().count() <= COLUMN_LIMIT {
        return text.into_owned();
    }
    text.chars().take(COLUMN_LIMIT - 1).chain(['…']).collect()
}

fn row(session: &Session) -> [String; 8] {
    let place = session.field("addr").map_or_else(|| session.peer(), |address| address.to_string());
    [
        format!("%{}", session.id),
        cut(session.name.as_deref().unwrap_or("-")),
        cut(&session.kind),
        state(session),
        cut(if place.is_empty() { "-" } else { &place }),
        quantity::show_size(session.bytes_in()),
        quantity::show_size(session.bytes_out()),
        quantity::show_duration(session.age()),
    ]
}

fn state(session: &Session) -> String {
    match session.unread() {
        0 => session.state().word().to_owned(),
        unread => format!("{}, {unread} unread", session.state().word()),
    }
}

fn table(registry: &Registry) -> String {
    let sessions = registry.all();
    if sessions.is_empty() {
        return "no sessions yet; `listen tcp 0 ftp` starts one".into();
    }
    let heading = ["id", "name", "kind", "state", "peer", "in", "out", "age"].map(str::to_owned);
    aligned(std::iter::once(heading).chain(sessions.iter().map(|session| row(session))).collect())
}

/// Who is connected to a server.
fn clients(session: &Session) -> Outcome {
    let (guests, count) = session.guests(CLIENT_LINES);
    let heading = ["client", "does", "for"].map(str::to_owned);
    let rows =
        guests.iter().map(|(peer, doing, since)| [peer.clone(), cut(doing), quantity::show_duration(*since)]);
    let mut text = match count {
        0 => format!("nobody is connected to {}", session.label()),
        _ => aligned(std::iter::once(heading).chain(rows).collect()),
    };
    if count > guests.len() {
        text.push_str(&format!("\n… and {} more", count - guests.len()));
    }
    Outcome::new(text.clone(), vec![("clients", Value::count(count as u64)), ("text", Value::Text(text))])
}

/// Columns under each other.
fn aligned<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| unicode_width::UnicodeWidthStr::width(row[column].as_str())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let missing = width - unicode_width::UnicodeWidthStr::width(cell.as_str());
            format!("{cell}{}", " ".repeat(missing))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) static LOG: Builtin = Builtin {
    verb: &Verb {
        name: "log",
        summary: "what happened in a session",
        params: &[Param::required("session", Kind::Session, "which one")],
        keywords: &[Keyword::new("last", Kind::Count(1, 1000), "only the newest").default("50")],
        fields: &[Field::new("entries", "how many are shown"), Field::new("text", "the lines")],
        example: "log $files",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let session = shell.session(arguments.session("session").unwrap_or(&SessionRef::All))?;
            let (entries, older) = session.log(arguments.number("last").unwrap_or(50) as usize);
            let mut lines: Vec<String> = Vec::new();
            if older > 0 {
                lines.push(format!("… {older} older events"));
            }
            lines.extend(entries.iter().map(|entry| {
                format!("{:>9.3}s  {:<12} {}", entry.at.as_secs_f64(), entry.kind, escape_line(&entry.text))
            }));
            let text = if lines.is_empty() { "nothing happened yet".to_owned() } else { lines.join("\n") };
            next(Outcome::new(
                text.clone(),
                vec![("entries", Value::count(entries.len() as u64)), ("text", Value::Text(text))],
            ))
        })
    },
};
