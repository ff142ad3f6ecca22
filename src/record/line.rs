//! An event as a line for people, and as fields for programs.

use std::fmt::{self, Write as _};

use super::{Fate, Kind, PacketEvent, Way};
use crate::base::{Fields, Time, Value};

/// `   12.345 ms → #17 data 17408+1024  …`. `began`: the time of the first event.
pub fn line(event: &PacketEvent, began: Time) -> String {
    let mut text = String::new();
    push_line(&mut text, event, began);
    text
}

/// Appends the same to a text: for many lines.
pub fn push_line(text: &mut String, event: &PacketEvent, began: Time) {
    write_line(text, event, began).expect("a String takes all text");
}

fn write_line(text: &mut String, event: &PacketEvent, began: Time) -> fmt::Result {
    let sign = if event.way == Way::Out { '→' } else { '←' };
    write!(text, "{:>11} ms {sign} ", millis(event.at, began))?;
    match event.number() {
        Some(number) => write!(text, "#{number:<5}")?,
        None => text.push_str("-     "),
    }
    write!(text, " {:<6}", event.kind)?;
    if event.length > 0 && event.kind != Kind::Other {
        write!(text, " {}+{}", event.offset, event.length)?;
    }
    if event.acked.count > 0 {
        write!(text, " {}", acked(event))?;
    }
    match event.fate {
        Fate::Sent | Fate::Arrived | Fate::Passed => {}
        fate => write!(text, " × {fate}")?,
    }
    if let (Some(cause), Fate::Sent) = (event.cause, event.fate) {
        text.push_str(" again");
        event.again().map_or(Ok(()), |before| write!(text, " #{before}"))?;
        write!(text, ": {cause}")?;
    }
    if event.window > 0 {
        write!(text, " · {} of {} in flight", event.in_flight, event.window)?;
    }
    if event.round_trip > 0 {
        write!(text, " · rtt {}.{} ms", event.round_trip / 1000, event.round_trip % 1000 / 100)?;
    }
    text.truncate(text.trim_end().len());
    Ok(())
}

/// An event in a few words, for a comment beside the packet itself: `#21 data, again #17: gap`.
pub fn in_words(event: &PacketEvent) -> String {
    let number = event.number().map_or_else(String::new, |number| format!("#{number} "));
    let mut words = vec![format!("{number}{}", event.kind)];
    words.extend(match event.fate {
        Fate::Sent | Fate::Arrived | Fate::Passed => None,
        fate => Some(fate.word().to_owned()),
    });
    if let Some(cause) = event.cause {
        let before = event.again().map_or_else(String::new, |before| format!(" #{before}"));
        words.push(format!("again{before}: {cause}"));
    }
    words.join(", ")
}

/// What it acknowledges: `ack ≤16, 18–20`.
pub fn acked(event: &PacketEvent) -> String {
    let mut ranges: Vec<(u64, u64)> = event.acked.kept().collect();
    let more = usize::from(event.acked.count) > ranges.len();
    ranges.reverse();
    let shown = ranges.into_iter().enumerate().map(|(at, (first, last))| match (first, last) {
        (0 | 1, last) if at == 0 && !more => format!("≤{last}"),
        (first, last) if first == last => format!("{first}"),
        (first, last) => format!("{first}–{last}"),
    });
    let list = shown.collect::<Vec<_>>().join(", ");
    if more { format!("ack …, {list}") } else { format!("ack {list}") }
}

/// The time since the first event, in milliseconds with three digits.
pub fn millis(at: Time, began: Time) -> String {
    let micros = at.since(began).as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// The same as named values; what an event does not have is left out.
pub fn fields(event: &PacketEvent, began: Time) -> Fields {
    let count = |value: u64| Value::count(value);
    let mut fields: Fields = vec![
        ("seconds", Value::seconds(event.at.since(began))),
        ("flow", Value::text(format!("{:016x}", event.flow))),
        ("way", Value::text(event.way.word())),
        ("kind", Value::text(event.kind.word())),
        ("fate", Value::text(event.fate.word())),
        ("offset", count(event.offset)),
        ("bytes", count(u64::from(event.length))),
        ("size", count(u64::from(event.size))),
    ];
    fields.extend(event.number().map(|number| ("number", count(number))));
    fields.extend(event.cause.map(|cause| ("cause", Value::text(cause.word()))));
    fields.extend(event.again().map(|again| ("again", count(again))));
    if event.acked.count > 0 {
        let ranges = event.acked.kept().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>();
        fields.push(("acked", Value::text(ranges.join(" "))));
    }
    if event.window > 0 {
        fields.push(("window", count(u64::from(event.window))));
        fields.push(("in_flight", count(u64::from(event.in_flight))));
    }
    if event.round_trip > 0 {
        fields
            .push(("round_trip", Value::seconds(std::time::Duration::from_micros(event.round_trip.into()))));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Acked, Cause};

    #[test]
    fn a_line_says_what_and_why_and_a_bare_event_little() {
        let event = PacketEvent {
            at: Time::from_micros(40_120),
            kind: Kind::Data,
            number: 21,
            offset: 17_408,
            length: 1024,
            acked: Acked::of([18..21, 0..17].into_iter()),
            cause: Some(Cause::Gap),
            again: 17,
            window: 20_000,
            in_flight: 4096,
            round_trip: 20_100,
            ..PacketEvent::default()
        };
        assert_eq!(
            line(&event, Time::from_micros(20_000)),
            "     20.120 ms → #21    data   17408+1024 ack ≤16, 18–20 again #17: gap · 4096 of 20000 in flight · rtt 20.1 ms"
        );
        let hello =
            PacketEvent { kind: Kind::Hello, way: Way::In, fate: Fate::Arrived, ..PacketEvent::default() };
        assert_eq!(line(&hello, Time::ZERO), "      0.000 ms ← -      hello");
        let lost =
            PacketEvent { fate: Fate::LostByLink, kind: Kind::Ack, number: 3, ..PacketEvent::default() };
        assert_eq!(line(&lost, Time::ZERO), "      0.000 ms → #3     ack    × lost");
    }
}
