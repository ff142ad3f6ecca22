//! Rates, round trips, windows and links as series over time.

use super::charted::{Charted, Clock, Count};
use super::panel::{Form, Look, Panel, Series};
use super::scale::Quantity;
use crate::base::escape::escape_line;
use crate::base::quantity::show_duration;
use crate::base::width;
use crate::record::diagram::Lane;
use crate::record::{Fate, PacketEvent, Way};

/// Most columns of the name of a link.
const NAME_LIMIT: usize = 24;

type Points = Vec<(f64, f64, f64)>;

const fn flat(time: f64, value: f64) -> (f64, f64, f64) {
    (time, value, value)
}

/// Adds up weights in equal parts of the time.
fn parts(clock: Clock, weights: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut sums = vec![0.0; clock.parts];
    for (time, weight) in weights {
        let part = (time / clock.length * clock.parts as f64) as usize;
        sums[part.min(clock.parts - 1)] += weight;
    }
    sums
}

/// Steps over equal parts of the time; none if all of them are 0.
fn over(clock: Clock, values: Vec<f64>) -> Points {
    if values.iter().all(|value| *value == 0.0) {
        return Vec::new();
    }
    let width = clock.length / clock.parts as f64;
    let last = values.last().map(|value| flat(clock.length, *value));
    let steps = values.iter().enumerate().map(|(n, value)| flat(n as f64 * width, *value));
    steps.chain(last).collect()
}

/// Bytes sent and received, a second.
pub(super) fn throughput(record: &Charted, clock: Clock, of_packets: bool) -> Panel {
    let rates = |way: Way| {
        let width = clock.length / clock.parts as f64;
        let bytes = if of_packets {
            let passes = |event: &&PacketEvent| event.way == way && goes_on(event.fate);
            let packets = record.events.iter().filter(passes);
            parts(clock, packets.map(|event| (clock.seconds(event.at), f64::from(event.size))))
        } else {
            growth(&record.counts, clock, way)
        };
        over(clock, bytes.into_iter().map(|bytes| bytes / width).collect())
    };
    let series = |name, form, look, points| Series { name, form, look, points };
    Panel {
        title: "Throughput".into(),
        quantity: Quantity::Rate,
        from_zero: true,
        tall: false,
        series: vec![
            series("sent", Form::Steps, Look::First, rates(Way::Out)),
            series("received", Form::Steps, Look::Second, rates(Way::In)),
        ],
        remark: None,
    }
}

/// True if the packet was seen as it left or came: verdicts about it are no traffic.
const fn goes_on(fate: Fate) -> bool {
    !matches!(fate, Fate::Missing | Fate::Late | Fate::LostByLink | Fate::QueueFull | Fate::LostByKernel)
}

/// Growth of a count of bytes in each part; between two samples it is taken to grow evenly.
fn growth(counts: &[Count], clock: Clock, way: Way) -> Vec<f64> {
    let bytes = |count: &Count| if way == Way::Out { count.bytes_out } else { count.bytes_in } as f64;
    let at = |time: f64| {
        let after = counts.partition_point(|count| count.at.as_secs_f64() < time);
        let before = after.checked_sub(1).and_then(|before| counts.get(before));
        match (before, counts.get(after)) {
            (Some(one), Some(two)) => {
                let (from, to) = (one.at.as_secs_f64(), two.at.as_secs_f64());
                let share = (time - from) / (to - from).max(f64::MIN_POSITIVE);
                bytes(one) + (bytes(two) - bytes(one)) * share
            }
            (Some(only), None) | (None, Some(only)) => bytes(only),
            (None, None) => 0.0,
        }
    };
    let edge = |part: usize| at(clock.length * part as f64 / clock.parts as f64);
    (0..clock.parts).map(|part| (edge(part + 1) - edge(part)).max(0.0)).collect()
}

/// The smoothed round trip: from packets, or from samples.
pub(super) fn round_trip(record: &Charted, clock: Clock, of_packets: bool) -> Panel {
    let points = if of_packets {
        let known = record.events.iter().filter(|event| event.round_trip > 0);
        known.map(|event| flat(clock.seconds(event.at), f64::from(event.round_trip) / 1e6)).collect()
    } else {
        let known = record.counts.iter().filter_map(|count| Some((count.at, count.round_trip?)));
        known.map(|(at, trip)| flat(at.as_secs_f64(), trip.as_secs_f64())).collect()
    };
    Panel {
        title: "Smoothed round trip".into(),
        quantity: Quantity::Time,
        from_zero: true,
        tall: false,
        series: vec![Series { name: "round trip", form: Form::Steps, look: Look::Third, points }],
        remark: None,
    }
}

/// The window and what of it is in flight.
pub(super) fn window(record: &Charted, clock: Clock) -> Panel {
    let of = |value: fn(&PacketEvent) -> u32| {
        let known = record.events.iter().filter(|event| event.window > 0);
        known.map(|event| flat(clock.seconds(event.at), f64::from(value(event)))).collect()
    };
    let series = |name, look, points| Series { name, form: Form::Steps, look, points };
    Panel {
        title: "Window and bytes in flight".into(),
        quantity: Quantity::Size,
        from_zero: true,
        tall: false,
        series: vec![
            series("in flight", Look::First, of(|event| event.in_flight)),
            series("window", Look::Second, of(|event| event.window)),
        ],
        remark: None,
    }
}

/// What a link passed on and what it dropped.
pub(super) fn link(lane: &Lane, clock: Clock) -> Panel {
    let counts = |is_it: fn(Fate) -> bool| {
        let events = lane.events.iter().filter(|event| is_it(event.fate));
        parts(clock, events.map(|event| (clock.seconds(event.at), 1.0)))
    };
    let width = clock.length / clock.parts as f64;
    let bars = |is_it: fn(Fate) -> bool| {
        let middle = |n: usize| (n as f64 + 0.5) * width;
        let all = counts(is_it).into_iter().enumerate();
        all.filter(|(_, count)| *count > 0.0).map(|(n, count)| flat(middle(n), count)).collect()
    };
    let series = |name, form, look, points| Series { name, form, look, points };
    let full = lane.events.iter().filter(|event| event.fate == Fate::QueueFull).count();
    let part = std::time::Duration::try_from_secs_f64(width).unwrap_or_default();
    let name = escape_line(&lane.name);
    let lost = lane.events.iter().filter(|event| event.fate.is_loss()).count() - full;
    Panel {
        title: format!("Link {}, packets in {}", width::front(&name, NAME_LIMIT), show_duration(part)),
        quantity: Quantity::Count,
        from_zero: true,
        tall: false,
        series: vec![
            series("passed", Form::Steps, Look::First, over(clock, counts(goes_on))),
            series("lost", Form::Bars, Look::Bad, bars(|fate| fate.is_loss() && fate != Fate::QueueFull)),
            series("queue full", Form::Bars, Look::Worse, bars(|fate| fate == Fate::QueueFull)),
        ],
        remark: Some(format!("{lost} lost, {full} queue full of {}", lane.events.len())),
    }
}
