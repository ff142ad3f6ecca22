//! `sessions` and `log`.

use super::see::watch;
use super::{BARE, Builtin, next};
use std::time::Duration;

use super::table::{Give, aligned, cut};
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::{Area, Outcome, Progress};
use crate::session::{ClientState, Registry, Session};

/// Maximum clients of a server that are shown.
const CLIENT_LINES: usize = 100;
/// Maximum width of a column with text from peers.
const COLUMN_LIMIT: usize = 32;

pub(super) static SESSIONS: Builtin = Builtin {
    verb: &Verb {
        name: "sessions",
        aliases: &["jobs"],
        summary: "every live and ended session, or the clients of one server",
        details: "`rate` is what passed within the last second, in both directions. On a narrow terminal columns give way.",
        params: &[Param::optional(
            "session",
            Kind::Setting(&["clear"]),
            "a server: who is connected, and does what; `clear` forgets what has ended",
        )],
        keywords: &[watch::KEYWORD],
        fields: &[
            Field::count("live", "how many are alive"),
            Field::count("ended", "how many have ended"),
            Field::count("clients", "of a server: how many are connected"),
            Field::text("text", "of a server: the table"),
        ],
        example: "sessions",
        next: "sessions watch",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let SessionsOptions { clear, session, every } = SessionsOptions::from_arguments(&arguments);
            if clear {
                let count = shell.registry.forget_ended() as u64;
                let text = format!("{} forgotten", crate::base::quantity::counted(count, "session"));
                return next(Outcome::new(text, vec![("ended", Value::count(count))]));
            }
            let which = session.map(|which| shell.session(&which)).transpose()?;
            if let Some(every) = every {
                let (registry, terminal) = (shell.registry.clone(), shell.terminal.clone());
                let picture = move || match &which {
                    Some(session) => (clients(session, terminal.area()).text, session.has_ended()),
                    None => (table(&registry, terminal.area()), registry.live().is_empty()),
                };
                watch::watch(shell, "sessions", every, picture).await;
                return next(Outcome::default());
            }
            if let Some(session) = which {
                return next(clients(&session, shell.terminal.area()));
            }
            let sessions = shell.registry.all();
            let live = sessions.iter().filter(|session| !session.has_ended()).count();
            let fields = vec![
                ("live", Value::count(live as u64)),
                ("ended", Value::count((sessions.len() - live) as u64)),
            ];
            next(Outcome::new(table(&shell.registry, shell.terminal.area()), fields))
        })
    },
};

/// `sessions`.
struct SessionsOptions {
    /// Forget what has ended.
    clear: bool,
    /// `None`: all sessions.
    session: Option<SessionRef>,
    /// `None`: shown once.
    every: Option<Duration>,
}

impl FromArguments for SessionsOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            clear: arguments.text("session") == Some("clear"),
            session: arguments.session("session").cloned(),
            every: watch::Every::from_arguments(arguments).0,
        }
    }
}

/// Columns of `sessions`, and how each yields on a narrow terminal.
const COLUMNS: [(&str, Give); 9] = [
    ("id", Give::Keep),
    ("name", Give::Shrink),
    ("kind", Give::ShrinkOrDrop),
    ("state", Give::Shrink),
    ("peer", Give::ShrinkFront),
    ("in", Give::Drop(2)),
    ("out", Give::Drop(1)),
    ("rate", Give::Drop(0)),
    ("age", Give::Drop(3)),
];

fn short(text: &str) -> String {
    cut(&escape_line(text), COLUMN_LIMIT)
}

fn row(session: &Session) -> [String; 9] {
    let place = session.field("addr").map_or_else(|| session.peer(), |address| address.to_string());
    let (came, left) = session.rates();
    [
        format!("%{}", session.id),
        short(session.name.as_deref().unwrap_or("-")),
        short(&session.kind),
        state(session),
        short(if place.is_empty() { "-" } else { &place }),
        quantity::show_size(session.bytes_in()),
        quantity::show_size(session.bytes_out()),
        if came + left < 1.0 { "-".into() } else { quantity::show_rate(came + left) },
        age(session),
    ]
}

/// The age of a live session, or how long ago it ended.
fn age(session: &Session) -> String {
    match session.ended_ago() {
        None => quantity::show_duration(session.age()),
        Some(ago) => format!("{} ago", quantity::show_duration(ago)),
    }
}

fn state(session: &Session) -> String {
    match session.unread() {
        0 => session.state().word().to_owned(),
        unread => format!("{}, {unread} unread", session.state().word()),
    }
}

fn table(registry: &Registry, area: Option<Area>) -> String {
    let sessions = registry.all();
    if sessions.is_empty() {
        return "no sessions yet; `listen tcp 0 ftp` starts one".into();
    }
    let heading = COLUMNS.map(|(name, _)| name.to_owned());
    let rows: Vec<_> = std::iter::once(heading).chain(sessions.iter().map(|session| row(session))).collect();
    let gives = COLUMNS.map(|(_, give)| give);
    aligned(&rows, gives, area.map(|area| area.columns)).join("\n")
}

/// The table of the clients of a server.
fn clients(session: &Session, area: Option<Area>) -> Outcome {
    let (guests, count) = session.guests(CLIENT_LINES);
    let heading = ["client", "does", "done", "rate", "for"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(guests.iter().map(client)).collect();
    let gives = [Give::ShrinkFront, Give::Shrink, Give::Drop(1), Give::Drop(2), Give::Drop(0)];
    let mut text = match count {
        0 if session.listening().is_none() => format!("{} is no server: it has no clients", session.label()),
        0 => format!("nobody is connected to {}", session.label()),
        _ => aligned(&rows, gives, area.map(|area| area.columns)).join("\n"),
    };
    if count > guests.len() {
        text.push_str(&format!("\n… and {} more", count - guests.len()));
    }
    for handler in session.handlers().all() {
        let times = quantity::counted(handler.fired(), "time");
        text.push_str(&format!("\n{} ({times})", escape_line(&handler.written)));
    }
    Outcome::new(text.clone(), vec![("clients", Value::count(count as u64)), ("text", Value::Text(text))])
}

fn client(guest: &ClientState) -> [String; 5] {
    let (done, rate) = guest.progress.map_or(("-".into(), "-".into()), |Progress { done, total }| {
        let share = done as f64 * 100.0 / total.max(1) as f64;
        (format!("{share:.0} %"), quantity::show_rate(done as f64 / guest.time.as_secs_f64().max(1e-3)))
    });
    [guest.peer.clone(), short(&guest.doing), done, rate, quantity::show_duration(guest.time)]
}

pub(super) static LOG: Builtin = Builtin {
    verb: &Verb {
        name: "log",
        summary: "what happened in a session",
        params: &[Param::required("session", Kind::Session, "which one")],
        keywords: &[Keyword::new("last", Kind::Count(1, 1000), "only the newest").default("50")],
        fields: &[Field::count("entries", "how many are shown"), Field::text("text", "the lines")],
        example: "log $files",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let LogOptions { session, last } = LogOptions::from_arguments(&arguments);
            let (entries, older) = shell.session(&session)?.log(last);
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

/// `log`.
struct LogOptions {
    session: SessionRef,
    /// Entries, the newest.
    last: usize,
}

impl FromArguments for LogOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            last: arguments.number("last").unwrap_or(50) as usize,
        }
    }
}
