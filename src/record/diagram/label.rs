//! The words at an arrow.

use super::trips::{Mark, Point, Trip};
use crate::record::{Acked, Fate, Kind, PacketEvent};

/// How an arrow is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// Content for the first time.
    Data,
    /// Content again.
    Again,
    /// Nothing but an acknowledgement.
    Ack,
    /// All that opens, keeps or closes a connection, and what is not of our protocol.
    Control,
}

impl Look {
    pub(super) const ALL: [Self; 4] = [Self::Data, Self::Again, Self::Ack, Self::Control];

    pub(super) const fn of(event: &PacketEvent) -> Self {
        match event.kind {
            _ if event.cause.is_some() => Self::Again,
            Kind::Data | Kind::Stream | Kind::Frame | Kind::Line => Self::Data,
            Kind::Ack => Self::Ack,
            _ => Self::Control,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Again => "sent again",
            Self::Ack => "ack",
            Self::Control => "control",
        }
    }
}

/// `#21 data 17408+1024 (again #17: gap)`, `ack ≤16, 18–20`. The number of an acknowledgement is of no use to a reader.
pub(super) fn label(event: &PacketEvent) -> String {
    if event.kind == Kind::Ack {
        return acked(&event.acked).unwrap_or_else(|| "ack".into());
    }
    let mut label = number(event);
    if !label.is_empty() {
        label.push(' ');
    }
    label.push_str(event.kind.word());
    if event.length > 0 {
        label.push_str(&format!(" {}+{}", event.offset, event.length));
    }
    label.push_str(&match (event.cause, event.again()) {
        (Some(cause), Some(again)) => format!(" (again #{again}: {cause})"),
        (Some(cause), None) => format!(" (again: {cause})"),
        (None, Some(again)) => format!(" (again #{again})"),
        (None, None) => String::new(),
    });
    if let Some(acked) = acked(&event.acked) {
        label.push_str(", ");
        label.push_str(&acked);
    }
    label
}

/// The best label that fits into this number of letters; the last one may not.
pub(super) fn label_within(event: &PacketEvent, letters: usize) -> String {
    let full = label(event);
    if full.chars().count() <= letters || event.kind == Kind::Ack {
        return full;
    }
    let plain = label(&PacketEvent { acked: Acked::NONE, ..*event });
    let bare = plain.replacen(&format!(" {} ", event.kind), " ", 1);
    let barest = label(&PacketEvent { acked: Acked::NONE, length: 0, ..*event });
    [plain, bare].into_iter().find(|label| label.chars().count() <= letters).unwrap_or(barest)
}

fn number(event: &PacketEvent) -> String {
    event.number().map(|number| format!("#{number}")).unwrap_or_default()
}

/// The lowest range is cumulative, unless lower ones were not kept.
fn acked(acked: &Acked) -> Option<String> {
    let mut ranges: Vec<(u64, u64)> = acked.kept().filter(|(first, last)| first <= last).collect();
    ranges.sort_unstable();
    let all = ranges.len() >= usize::from(acked.count);
    let part = |(place, &(first, last)): (usize, &(u64, u64))| match place {
        0 if all => format!("≤{last}"),
        _ if first == last => format!("{first}"),
        _ => format!("{first}–{last}"),
    };
    let parts: Vec<String> = ranges.iter().enumerate().map(part).collect();
    let lower = if all { "" } else { "…, " };
    (!parts.is_empty()).then(|| format!("ack {lower}{}", parts.join(", ")))
}

/// What became of the packet at this point; empty where nothing is to be said.
pub(super) fn note(trip: &Trip, point: &Point) -> String {
    match point.mark {
        Mark::Verdict(Fate::Late) => format!("{} not lost, late", number(trip.event)).trim().to_owned(),
        Mark::Verdict(_) => format!("{} lost", number(trip.event)).trim().to_owned(),
        Mark::Death(fate) => fate.word().to_owned(),
        Mark::Unseen => "not seen to arrive".to_owned(),
        Mark::Stop(Fate::OutOfOrder) => "dropped: out of order".to_owned(),
        Mark::Stop(fate @ (Fate::Duplicate | Fate::Damaged)) => format!("dropped: {fate}"),
        Mark::Stop(Fate::Arrived | Fate::Passed | Fate::Sent) | Mark::Departure => String::new(),
        Mark::Stop(fate) => fate.word().to_owned(),
    }
}

/// The same at the side of the diagram, with the number of what came: one of many parallel arrows is hard to follow.
pub(super) fn side_note(trip: &Trip, point: &Point) -> String {
    let note = note(trip, point);
    match point.mark {
        Mark::Stop(_) if trip.event.kind != Kind::Ack => {
            format!("{} {note}", number(trip.event)).trim().to_owned()
        }
        _ => note,
    }
}

/// Milliseconds with three decimals.
pub(super) fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// A length of time with about three digits: `640 µs`, `18.7 ms`, `187 ms`, `1.20 s`.
pub(super) fn length(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..100_000 => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
        100_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros / 10_000 % 100),
    }
}

/// The same in ASCII.
pub(super) fn ascii(text: &str) -> String {
    let text = text.replace('≤', "<=").replace('–', "-").replace('…', "..").replace('µ', "u");
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Cause;

    #[test]
    fn labels_say_number_content_cause_and_what_is_acknowledged() {
        let again = PacketEvent {
            kind: Kind::Data,
            number: 21,
            offset: 17408,
            length: 1024,
            cause: Some(Cause::Gap),
            again: 17,
            ..PacketEvent::default()
        };
        assert_eq!(label(&again), "#21 data 17408+1024 (again #17: gap)");
        let acked = PacketEvent { acked: Acked::of(std::iter::once(0..5)), ..again };
        let within = [50, 40, 33, 25].map(|letters| label_within(&acked, letters));
        assert_eq!(
            within,
            [
                "#21 data 17408+1024 (again #17: gap), ack ≤4",
                "#21 data 17408+1024 (again #17: gap)",
                "#21 17408+1024 (again #17: gap)",
                "#21 data (again #17: gap)"
            ]
        );
        let of = |ranges: Vec<std::ops::Range<u64>>| {
            let acked = Acked::of(ranges.into_iter());
            label(&PacketEvent { kind: Kind::Ack, acked, ..PacketEvent::default() })
        };
        assert_eq!(of(vec![18..21, 0..17]), "ack ≤16, 18–20");
        assert_eq!(of(vec![20..21, 18..19, 9..17, 0..3]), "ack …, 9–16, 18, 20");
        assert_eq!(of(vec![]), "ack");
        assert_eq!(label(&PacketEvent { kind: Kind::Hello, ..PacketEvent::default() }), "hello");
    }

    #[test]
    fn lengths_of_time_are_short() {
        let all = [640, 18_700, 187_000, 1_200_000].map(length);
        assert_eq!(all, ["640 µs", "18.7 ms", "187 ms", "1.20 s"]);
    }
}
