//! `trace`: what happened to the packets of a session, line by line.

use std::time::Duration;

use super::super::{BARE, Builtin, next};
use crate::base::{Time, Value, quantity};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::record::{Filter, PacketEvent, TOTALS, total};
use crate::report::{Outcome, Report};
use crate::session::{PacketCursor, Session};
use crate::shell::Shell;
use crate::shell::values::filter_of;

/// Lines that are shown if nothing else is said.
const LINES: u64 = 100;
/// Most lines that can be asked for: a whole record.
const LINES_LIMIT: u64 = 1 << 24;
/// Lines of one report.
const LINES_AT_ONCE: usize = 256;
/// How often `follow` looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(in crate::shell::builtin) static TRACE: Builtin = Builtin {
    verb: &Verb {
        name: "trace",
        summary: "the packets of a session, line by line",
        details: "Over udp each datagram, with its number, what it carries and acknowledges, and why something was sent again; over tcp each frame or line; at a link what became of each packet. → left, ← came, × was lost. A filter has words (retransmitted, lost, acks, a kind such as data, a fate, a cause) and comparisons (bytes > 1000), joined by and, or, not. `$up.trace.retransmissions` reads one number, `expect $up traced \"FILTER\"` waits for a packet.",
        params: &[Param::required("session", Kind::Session, "which one")],
        keywords: &[
            Keyword::new("where", Kind::Filter, "only these, such as kind == data and bytes > 1000"),
            Keyword::new("last", Kind::Count(1, LINES_LIMIT), "only the newest").default("100"),
            Keyword::flag("follow", "goes on until the session ends, or until Ctrl-C"),
        ],
        fields: &[
            counted(0),
            Field::count("shown", "lines that are shown"),
            Field::count("forgotten", "older events that are kept no more"),
            counted(1),
            counted(2),
            counted(3),
            counted(4),
            counted(5),
            counted(6),
            counted(7),
            counted(8),
            counted(9),
            counted(10),
        ],
        example: "trace $up last 20",
        next: "explain {session}",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let TraceOptions { session, filter, last, follow } = TraceOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let filter = filter.map(|text| filter_of(&text)).transpose()?;
            let mut cursor = PacketCursor::default();
            let (events, forgotten) = session.packets_since(&mut cursor);
            let began = events.first().map_or(Time::ZERO, |event| event.at);
            let chosen = matching(filter.as_ref(), &events);
            let mut shown = chosen.len().min(last);
            show(shell, &session, &chosen[chosen.len() - shown..], began);
            let text = remark(&events, chosen.len(), shown, forgotten);
            if follow {
                shown += self::follow(shell, &session, cursor, (began, filter.as_ref())).await;
            }
            let (events, forgotten) = session.packets();
            let mut all = vec![
                ("events", Value::count(events.len() as u64)),
                ("shown", Value::count(shown as u64)),
                ("forgotten", Value::count(forgotten)),
            ];
            let rest = TOTALS.iter().map(|(name, _)| *name).skip(1);
            all.extend(rest.filter_map(|name| Some((name, Value::count(total(name, &events)?)))));
            next(Outcome::new(text, all))
        })
    },
};

/// The field of a number of the record, by its place in [`TOTALS`].
const fn counted(place: usize) -> Field {
    let (name, help) = TOTALS[place];
    Field::count(name, help)
}

/// `trace`.
struct TraceOptions {
    session: SessionRef,
    filter: Option<String>,
    last: usize,
    follow: bool,
}

impl FromArguments for TraceOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            filter: arguments.text("where").map(str::to_owned),
            last: arguments.number("last").unwrap_or(LINES) as usize,
            follow: arguments.flag("follow"),
        }
    }
}

fn matching<'e>(filter: Option<&Filter>, events: &'e [PacketEvent]) -> Vec<&'e PacketEvent> {
    events.iter().filter(|event| filter.is_none_or(|filter| filter.matches(event))).collect()
}

/// Some hundred lines at once: a thread that writes is woken for each report.
fn show(shell: &Shell, session: &Session, events: &[&PacketEvent], began: Time) {
    for events in events.chunks(LINES_AT_ONCE) {
        let events = events.iter().map(|event| **event).collect();
        shell.emit(Report::Packets { session: session.id, label: session.label(), events, began });
    }
}

/// What is to be said besides the lines.
fn remark(events: &[PacketEvent], chosen: usize, shown: usize, forgotten: u64) -> String {
    let mut remarks = Vec::new();
    if events.is_empty() {
        remarks.push("no packet so far".to_owned());
    } else if chosen == 0 {
        remarks.push(format!("none of {} events", events.len()));
    }
    if shown < chosen {
        remarks.push(format!("the last {shown} of {chosen}; `last {chosen}` shows all"));
    }
    if forgotten > 0 {
        remarks.push(format!("{forgotten} older events are kept no more; `help limits` says how many are"));
    }
    remarks.join("; ")
}

/// Shows what comes until the session ends, or until an interrupt, which is the usual end. Returns the number of lines.
async fn follow(
    shell: &Shell,
    session: &Session,
    mut cursor: PacketCursor,
    (began, filter): (Time, Option<&Filter>),
) -> usize {
    let (mut shown, mut began) = (0, began);
    let interrupt = shell.interrupt.clone();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        let ended = session.has_ended();
        let (events, missed) = session.packets_since(&mut cursor);
        if missed > 0 {
            let missed = quantity::counted(missed, "event");
            shell.emit(Report::Notice(format!("{missed} came faster than they can be shown")));
        }
        if began == Time::ZERO {
            began = events.first().map_or(Time::ZERO, |event| event.at);
        }
        let chosen = matching(filter, &events);
        show(shell, session, &chosen, began);
        shown += chosen.len();
        if ended {
            return shown;
        }
        tokio::select! {
            biased;
            () = interrupt.cancelled() => return shown,
            _ = tick.tick() => {}
        }
    }
}
