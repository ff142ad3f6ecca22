//! `trace`: what happened to the packets of a session, line by line.

use std::time::Duration;

use super::super::{BARE, Builtin, next};
use crate::base::{Time, Value};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::record::line::{fields, line};
use crate::record::{Filter, PacketEvent, total};
use crate::report::{Failure, Outcome, Report};
use crate::session::Session;
use crate::shell::{Shell, errors};

/// Lines that are shown if nothing else is said.
const LINES: u64 = 100;
/// Most lines that can be asked for: a whole record.
const LINES_LIMIT: u64 = 1 << 24;
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
            Field::count("events", "events in the record"),
            Field::count("shown", "lines that are shown"),
            Field::count("forgotten", "older events that are kept no more"),
            Field::count("sent", "packets that left"),
            Field::count("received", "packets that came"),
            Field::count("retransmissions", "packets that left and carried something again"),
            Field::count("timeouts", "… because a retransmission time-out fired"),
            Field::count("gaps", "… because later packets were acknowledged"),
            Field::count("probes", "… as probes, after a silence"),
            Field::count("copies", "… in spare time, before a loss was known"),
            Field::count("lost", "packets that were lost, or were declared lost"),
            Field::count("late", "packets that were declared lost and were only late"),
            Field::count("duplicates", "packets that came again"),
        ],
        example: "trace $up last 20",
        next: "explain {session}",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let TraceOptions { session, filter, last, follow } = TraceOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let filter = filter.map(|text| read(&text)).transpose()?;
            let (events, forgotten) = session.packets();
            let seen = session.packet_count();
            let began = events.first().map_or(Time::ZERO, |event| event.at);
            let wanted = |event: &&PacketEvent| filter.as_ref().is_none_or(|filter| filter.matches(event));
            let chosen: Vec<&PacketEvent> = events.iter().filter(wanted).collect();
            let mut shown = chosen.len().min(last);
            for event in &chosen[chosen.len() - shown..] {
                show(shell, &session, event, began);
            }
            let text = remark(&events, chosen.len(), shown, forgotten);
            if follow {
                shown += self::follow(shell, &session, seen, (began, filter.as_ref())).await;
            }
            let (events, forgotten) = session.packets();
            let mut all = vec![
                ("events", Value::count(events.len() as u64)),
                ("shown", Value::count(shown as u64)),
                ("forgotten", Value::count(forgotten)),
            ];
            let names = TRACE.verb.fields.iter().map(|field| field.name).skip(3);
            all.extend(names.filter_map(|name| Some((name, Value::count(total(name, &events)?)))));
            next(Outcome::new(text, all))
        })
    },
};

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

/// The filter that a text is.
pub(in crate::shell) fn read(text: &str) -> Result<Filter, Failure> {
    Filter::read(text).map_err(|why| errors::invalid_filter(&why))
}

fn show(shell: &Shell, session: &Session, event: &PacketEvent, began: Time) {
    shell.emit(Report::Packet {
        session: session.id,
        label: session.label(),
        text: line(event, began),
        fields: fields(event, began),
    });
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
    mut seen: u64,
    (began, filter): (Time, Option<&Filter>),
) -> usize {
    let (mut shown, mut began) = (0, began);
    let interrupt = shell.interrupt.clone();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        let ended = session.has_ended();
        let (events, new) = (session.packets().0, session.packet_count());
        if began == Time::ZERO {
            began = events.first().map_or(Time::ZERO, |event| event.at);
        }
        let fresh = usize::try_from(new - seen).unwrap_or(usize::MAX).min(events.len());
        for event in &events[events.len() - fresh..] {
            if filter.is_none_or(|filter| filter.matches(event)) {
                show(shell, session, event, began);
                shown += 1;
            }
        }
        seen = new;
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
