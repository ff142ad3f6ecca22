//! The time-sequence chart as tcptrace draws it: where in the file each packet stands, over time.

use std::collections::BTreeMap;

use super::charted::{Charted, Clock};
use super::panel::{Form, Look, Panel, Series};
use super::scale::Quantity;
use crate::record::{Fate, Kind, PacketEvent, Way};

/// One transfer: a connection, a direction, a kind of content.
type Transfer = (u64, Way, &'static str);

fn transfer(event: &PacketEvent) -> Transfer {
    (event.flow, event.way, event.kind.word())
}

/// True if the event is a packet with content that went on from here.
fn carries(event: &PacketEvent) -> bool {
    let goes_on =
        matches!(event.fate, Fate::Sent | Fate::Arrived | Fate::Passed | Fate::Doubled | Fate::HeldBack);
    goes_on && event.length > 0 && matches!(event.kind, Kind::Data | Kind::Stream)
}

/// The transfer with the most bytes, and how many there are.
fn largest(events: &[PacketEvent]) -> Option<(Transfer, usize)> {
    let mut bytes: BTreeMap<Transfer, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| carries(event)) {
        *bytes.entry(transfer(event)).or_default() += u64::from(event.length);
    }
    let count = bytes.len();
    let most = bytes.into_iter().max_by_key(|(transfer, bytes)| (*bytes, std::cmp::Reverse(*transfer)))?;
    Some((most.0, count))
}

pub(super) fn panel(record: &Charted, clock: Clock) -> Option<Panel> {
    let (chosen, count) = largest(&record.events)?;
    Some(Panel {
        title: "Place in the file over time".into(),
        quantity: Quantity::Size,
        from_zero: false,
        tall: true,
        series: all_series(record, chosen, clock),
        remark: (count > 1).then(|| format!("the largest of {count} transfers")),
    })
}

fn all_series(record: &Charted, chosen: Transfer, clock: Clock) -> Vec<Series> {
    let all: Vec<&PacketEvent> = record.events.iter().filter(|event| transfer(event) == chosen).collect();
    let carriers: Vec<&PacketEvent> = all.iter().filter(|event| carries(event)).copied().collect();
    let segment = |event: &&PacketEvent| {
        let end = event.offset.saturating_add(u64::from(event.length));
        (clock.seconds(event.at), event.offset as f64, end as f64)
    };
    let cross = |event: &&PacketEvent| {
        let (time, low, high) = segment(event);
        let middle = f64::midpoint(low, high);
        (time, middle, middle)
    };
    let (again, first): (Vec<&PacketEvent>, Vec<&PacketEvent>) =
        carriers.iter().partition(|event| event.cause.is_some());
    let came = chosen.1 == Way::In && record.events.iter().any(|event| event.fate == Fate::Arrived);
    let lost = lost(record, &all, &carriers).iter().map(cross).collect();
    let acknowledged = acknowledged(record, chosen, &carriers, clock);
    let series = |name, form, look, points| Series { name, form, look, points };
    vec![
        series("acknowledged", Form::Steps, Look::Third, acknowledged),
        series(
            if came { "arrived" } else { "sent" },
            Form::Segments,
            Look::First,
            first.iter().map(segment).collect(),
        ),
        series("sent again", Form::Boxes, Look::Second, again.iter().map(segment).collect()),
        series("lost", Form::Crosses, Look::Bad, lost),
    ]
}

/// The packets that were lost, as they left: by what the session says, by what links say.
fn lost<'a>(
    record: &'a Charted,
    all: &[&'a PacketEvent],
    carriers: &[&'a PacketEvent],
) -> Vec<&'a PacketEvent> {
    let mut known: BTreeMap<u64, &PacketEvent> = BTreeMap::new();
    for event in carriers {
        known.entry(event.number).or_insert(event);
    }
    let declared = all.iter().copied().filter(|event| event.fate.is_loss());
    let way_at_link = |event: &&PacketEvent| event.fate.is_loss();
    let flow = all.first().map_or(0, |event| event.flow);
    let at_links = record.links.iter().flat_map(|lane| &lane.events).filter(way_at_link);
    let at_links = at_links.filter(|event| event.flow == flow && event.length > 0);
    let mut lost: BTreeMap<(u64, u64), &PacketEvent> = BTreeMap::new();
    for event in declared.chain(at_links) {
        let place = known.get(&event.number).copied().filter(|known| known.number().is_some());
        match place {
            Some(sent) => drop(lost.insert((sent.number, 0), sent)),
            // Without a number, or where only its loss is known, it stands where it was lost.
            None if event.length > 0 => drop(lost.insert((event.number, event.at.micros()), event)),
            None => {}
        }
    }
    let mut lost: Vec<&PacketEvent> = lost.into_values().collect();
    lost.sort_by_key(|event| event.at);
    lost
}

/// How far all is acknowledged, over time.
fn acknowledged(
    record: &Charted,
    (flow, way, _): Transfer,
    carriers: &[&PacketEvent],
    clock: Clock,
) -> Vec<(f64, f64, f64)> {
    let mut open: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for event in carriers.iter().filter(|event| event.number().is_some()) {
        open.insert(event.number, (event.offset, event.offset.saturating_add(u64::from(event.length))));
    }
    let Some(mut edge) = carriers.iter().map(|event| event.offset).min() else { return Vec::new() };
    let mut waiting: BTreeMap<u64, u64> = BTreeMap::new();
    let mut steps = Vec::new();
    for event in record.events.iter().filter(|event| event.flow == flow && event.way != way) {
        for (first, last) in event.acked.kept().filter(|(first, last)| first <= last) {
            let numbers: Vec<u64> = open.range(first..=last).map(|(number, _)| *number).collect();
            for (start, end) in numbers.iter().filter_map(|number| open.remove(number)) {
                let known = waiting.entry(start).or_default();
                *known = end.max(*known);
            }
        }
        let before = edge;
        while let Some(next) = waiting.first_entry().filter(|next| *next.key() <= edge) {
            edge = edge.max(next.remove());
        }
        if edge > before || steps.is_empty() && event.acked.count > 0 {
            steps.push((clock.seconds(event.at), edge as f64, edge as f64));
        }
    }
    steps
}
