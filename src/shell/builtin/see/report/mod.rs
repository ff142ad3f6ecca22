//! `report`: what ran and what came of it, as one page for a browser.
//!
//! | file | holds |
//! |---|---|
//! | `facts` | sessions as numbers and pictures |
//! | `page` | the same as HTML |

mod facts;
mod page;

use std::sync::Arc;
use std::time::SystemTime;

use super::super::{BARE, Builtin, next};
use super::diagram::write;
use crate::base::{Value, wall_time};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};
use crate::session::Session;
use crate::shell::Shell;

/// Most sessions of one page, and most of those that get pictures: a page must stay readable.
const SESSION_LIMIT: usize = 100;
const PICTURE_LIMIT: usize = 12;

pub(in crate::shell::builtin) static REPORT: Builtin = Builtin {
    verb: &Verb {
        name: "report",
        summary: "what ran and what came of it, as one page for a browser",
        details: "The statements, the seed, a table of the sessions; for each session with packets charts, the diagram of the last packets, what `explain` says, the slowest packets and the lost ones. The page is one file without script and loads nothing. Without a session: all that have moved bytes or packets.",
        params: &[Param::any("session", Kind::Session, "which ones")],
        keywords: &[Keyword::new("to", Kind::Path, "the page; it must not exist").required()],
        fields: &[
            Field::text("path", "the page"),
            Field::count("sessions", "sessions in its table"),
            Field::count("charts", "charts in it"),
        ],
        example: "report $up to $tmp/report.html",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let ReportOptions { sessions, to } = ReportOptions::from_arguments(&arguments);
            let all = chosen(shell, &sessions)?;
            let shown = &all[..all.len().min(SESSION_LIMIT)];
            let facts: Vec<facts::Facts> = shown
                .iter()
                .scan(0, |pictures, session| Some(facts::Facts::of(shell, session, pictures, PICTURE_LIMIT)))
                .collect();
            let run = page::Run {
                time: wall_time::date_and_time(SystemTime::now()),
                left_out: all.len() - shown.len(),
            };
            write(shell, &to, page::page(shell, &run, &facts).as_bytes())?;
            let charts: usize = facts.iter().map(|facts| facts.charts.len()).sum();
            let fields = vec![
                ("path", Value::text(to.clone())),
                ("sessions", Value::count(facts.len() as u64)),
                ("charts", Value::count(charts as u64)),
            ];
            next(Outcome::new(format!("the report is in {to}"), fields))
        })
    },
};

/// `report`.
struct ReportOptions {
    /// None: all.
    sessions: Vec<SessionRef>,
    to: String,
}

impl FromArguments for ReportOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            sessions: arguments.sessions("session").cloned().collect(),
            to: arguments.text("to").unwrap_or_default().to_owned(),
        }
    }
}

/// The sessions of the page, each once, in the order in which they are named, or began.
fn chosen(shell: &Shell, named: &[SessionRef]) -> Result<Vec<Arc<Session>>, Failure> {
    let mut all: Vec<Arc<Session>> = Vec::new();
    for which in named.iter().filter(|which| **which != SessionRef::All) {
        let session = shell.session(which)?;
        if all.iter().all(|known| known.id != session.id) {
            all.push(session);
        }
    }
    if named.is_empty() || named.contains(&SessionRef::All) {
        let moved = |session: &Arc<Session>| {
            session.bytes_in() + session.bytes_out() > 0 || session.packet_count() > 0
        };
        let known: Vec<u64> = all.iter().map(|session| session.id).collect();
        let others = shell.registry().all().into_iter();
        all.extend(others.filter(|session| moved(session) && !known.contains(&session.id)));
    }
    Ok(all)
}
