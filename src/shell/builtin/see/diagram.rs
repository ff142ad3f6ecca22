//! `diagram`: the packets of a session as arrows between two lifelines, or three with a link between them.

use std::path::Path;

use super::super::{BARE, Builtin, next};
use super::errors;
use super::witness::{is_client, witnesses};
use crate::base::Value;
use crate::base::width::front;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::record::PacketEvent;
use crate::record::diagram::{Lane, Options, PACKET_LIMIT, mermaid, svg, text};
use crate::record::explain::Witnesses;
use crate::report::{Failure, Outcome};
use crate::session::Session;
use crate::shell::{Shell, paths};

/// Packets that are drawn on a terminal if nothing else is said: more than a few screens nobody reads.
const PACKETS: usize = 40;
/// Columns where the terminal has no size.
const COLUMNS: usize = 80;
/// Least columns that a diagram is drawn for.
const COLUMNS_LEAST: usize = 60;

pub(in crate::shell::builtin) static DIAGRAM: Builtin = Builtin {
    verb: &Verb {
        name: "diagram",
        summary: "the packets of a session as arrows between its two sides",
        details: "Time goes down, true to scale, with long pauses folded. The other side and a link between them are drawn as they saw it if they are sessions of this shell; else arrivals are estimated. On the terminal the last 40 packets are drawn, in a file the last 200.",
        params: &[Param::required("session", Kind::Session, "which one")],
        keywords: &[
            Keyword::new("last", Kind::Count(1, PACKET_LIMIT as u64), "how many packets, the newest"),
            Keyword::new("first", Kind::Count(1, PACKET_LIMIT as u64), "how many packets, the oldest"),
            Keyword::new("to", Kind::Path, "a file that does not exist: .svg, or .mmd for mermaid, or .txt"),
        ],
        fields: &[
            Field::text("text", "the picture, if it is not in a file"),
            Field::text("path", "the file"),
            Field::count("lanes", "lifelines whose own record is drawn"),
        ],
        example: "diagram $up last 20",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let DiagramOptions { session, last, first, to } = DiagramOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let mut lanes = lanes(&session, witnesses(shell.registry(), &session, usize::MAX));
            if lanes.iter().all(|lane| lane.events.is_empty()) {
                return next(Outcome::new(format!("{}: no packet so far", session.label()), Vec::new()));
            }
            if let Some(first) = first {
                keep_first(&mut lanes, first);
            }
            let count = lanes.len() as u64;
            let Some(to) = to else {
                let text = on_terminal(shell, &lanes, last.or(first).unwrap_or(PACKETS));
                let fields = vec![("text", Value::Text(text.clone())), ("lanes", Value::count(count))];
                return next(Outcome::new(text, fields));
            };
            let options = Options { last: Some(last.unwrap_or(PACKET_LIMIT)), ..Options::default() };
            let picture = match Path::new(&to).extension().and_then(|extension| extension.to_str()) {
                Some("svg") => svg(&lanes, &options),
                Some("mmd") => mermaid(&lanes, &options),
                Some("txt") => text(&lanes, &options),
                _ => return Err(errors::picture_of_unknown_kind(&to, ".svg, .mmd or .txt")),
            };
            write(shell, &to, picture.as_bytes())?;
            let fields = vec![("path", Value::text(to.clone())), ("lanes", Value::count(count))];
            next(Outcome::new(format!("the diagram is in {to}"), fields))
        })
    },
};

/// `diagram`.
struct DiagramOptions {
    session: SessionRef,
    last: Option<usize>,
    first: Option<usize>,
    to: Option<String>,
}

impl FromArguments for DiagramOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            last: arguments.number("last").map(|packets| packets as usize),
            first: arguments.number("first").map(|packets| packets as usize),
            to: arguments.text("to").map(str::to_owned),
        }
    }
}

/// Client, link, server, as far as they are known. The session itself may be either side, or the link.
pub(super) fn lanes(session: &Session, witnesses: Witnesses) -> Vec<Lane> {
    let Witnesses { own, mut links, mut peers } = witnesses;
    let lane = |(name, events): (String, Vec<PacketEvent>)| Lane { name, events };
    let mine = (session.label(), own);
    if session.control::<crate::net::relay::RelayControl>().is_some() {
        // Both ends are sessions that saw its packets; without them its own record says little about arrivals.
        peers.sort_by_key(|(_, events)| !is_client(events));
        let (client, server) = (peers.first().cloned(), peers.get(1).cloned());
        return [client, Some(mine), server].into_iter().flatten().map(lane).collect();
    }
    let (link, peer) = (links.pop(), peers.pop());
    // A long record no longer has the HELLO that tells a server.
    let is_server = session.listening().is_some() || session.parent.is_some();
    let (left, right) =
        if !is_server && is_client(&mine.1) { (Some(mine), peer) } else { (peer, Some(mine)) };
    [left, link, right].into_iter().flatten().map(lane).collect()
}

/// Drops what happened after the first packets.
fn keep_first(lanes: &mut [Lane], packets: usize) {
    let mut sent: Vec<_> = lanes
        .iter()
        .flat_map(|lane| &lane.events)
        .filter(|event| event.fate == crate::record::Fate::Sent)
        .map(|event| event.at)
        .collect();
    sent.sort();
    let Some(end) = sent.get(packets) else { return };
    lanes.iter_mut().for_each(|lane| lane.events.retain(|event| event.at < *end));
}

fn on_terminal(shell: &Shell, lanes: &[Lane], packets: usize) -> String {
    let columns = shell.terminal.area().map_or(COLUMNS, |area| area.columns);
    let ascii = shell.terminal.area().is_some_and(|area| !area.unicode);
    let drawn =
        text(lanes, &Options { columns: columns.clamp(COLUMNS_LEAST, 120), last: Some(packets), ascii });
    // Lines that wrap in the middle of an arrow are no picture: what does not fit is cut off.
    drawn.lines().map(|line| format!("{}\n", front(line, columns))).collect()
}

/// Writes a file that does not exist yet.
pub(super) fn write(shell: &Shell, to: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = shell.directory().join(to);
    paths::write_new(&path, bytes).map_err(|error| Failure::io(&error, to.to_owned()))
}
