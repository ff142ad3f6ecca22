//! The packets of one session: the record as lines, and the diagram, as JSON.

use serde_json::{Value as Json, json};

use super::super::diagram::lanes;
use super::super::witness::witnesses;
use super::source::Source;
use crate::base::{Time, quantity};
use crate::record::diagram::{Options, svg};
use crate::record::line::line;
use crate::record::{Filter, PacketEvent};
use crate::session::Session;

/// Newest events of a record that are looked through.
const EVENT_LIMIT: usize = 8192;
/// Most lines that are sent: more nobody reads while they move.
const LINE_LIMIT: usize = 200;
/// Most packets in the diagram: about two screens.
const ARROW_LIMIT: usize = 30;
/// Newest events of each place from which the diagram is made.
const DRAWN_LIMIT: usize = 1024;

/// The newest lines of the record that the filter wants, and what is not there.
pub(super) fn record(session: &Session, filter: Option<&Result<Filter, String>>, began: Time) -> Json {
    let filter = match filter {
        Some(Err(why)) => return json!({"session": session.id, "error": why, "lines": [], "remark": ""}),
        Some(Ok(filter)) => Some(filter),
        None => None,
    };
    let (events, older) = session.recent_packets(EVENT_LIMIT);
    let wanted = |event: &&PacketEvent| filter.is_none_or(|filter| filter.matches(event));
    let chosen: Vec<&PacketEvent> = events.iter().filter(wanted).collect();
    let shown = chosen.len().min(LINE_LIMIT);
    let lines: Vec<Json> = chosen[chosen.len() - shown..]
        .iter()
        .map(|event| json!({"text": line(event, began), "look": look(event)}))
        .collect();
    let of = if filter.is_some() { "matching events" } else { "events" };
    let mut remark = format!("the last {shown} of {} {of}", chosen.len());
    if older > 0 {
        remark.push_str(&format!(
            "; {} before them not looked through",
            quantity::counted(older, "older event")
        ));
    }
    json!({"session": session.id, "error": null, "lines": lines, "remark": remark})
}

/// How a line is set off: what was lost, and what was sent again.
fn look(event: &PacketEvent) -> &'static str {
    match (event.fate.is_loss(), event.cause) {
        (true, _) => "lost",
        (false, Some(_)) => "again",
        (false, None) => "",
    }
}

/// The newest packets as arrows between the places that saw them; nothing without packets.
pub(super) fn diagram(source: &Source, session: &Session) -> Json {
    let lanes = lanes(session, witnesses(&source.registry, session, DRAWN_LIMIT));
    let picture = lanes.iter().any(|lane| !lane.events.is_empty());
    let options = Options { last: Some(ARROW_LIMIT), ..Options::default() };
    let mut names: Vec<String> = lanes.iter().map(|lane| source.clean(&lane.name)).collect();
    if names.len() == 1 {
        names.push("peer".into());
    }
    json!({"session": session.id, "lanes": names, "svg": picture.then(|| svg(&lanes, &options))})
}
