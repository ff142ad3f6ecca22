//! A time-sequence diagram of a transfer: one lifeline for each place, one arrow for each packet, time downwards.
//!
//! Pure: the same lanes give the same bytes. At most [`PACKET_LIMIT`] packets are drawn, so every picture is bounded; what
//! was left out is said in the picture.
//!
//! | file | holds |
//! |---|---|
//! | `lane` | what is drawn: lifelines
//! | `trips` | the events of all lanes as trips of packets |
//! | `label` | the words at an arrow |
//! | `layout` | from time to height: true scale, idle time folded |
//! | `text`, `frame`, `canvas` | the diagram for a terminal |
//! | `svg` | the diagram as a picture |
//! | `mermaid` | the diagram for a page that renders Mermaid |
//! | `samples` | small records for the tests |

mod canvas;
mod frame;
mod label;
mod lane;
mod layout;
mod mermaid;
#[cfg(test)]
pub(super) mod samples;
mod svg;
mod text;
mod trips;

pub use lane::Lane;
pub use mermaid::mermaid;
pub use svg::svg;
pub use text::text;

use crate::base::{escape, width};
use trips::{Trip, trips};

/// Most packets in one diagram.
pub const PACKET_LIMIT: usize = 200;

/// Most columns of a lane's name.
const NAME_LIMIT: usize = 40;

/// How a diagram looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of a line of text, from 60 to 400.
    pub columns: usize,
    /// Only the last packets, this number at most; `None` begins with the first packet.
    pub last: Option<usize>,
    /// No character of text outside of ASCII.
    pub ascii: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { columns: 80, last: None, ascii: false }
    }
}

/// What is drawn, in no format yet.
struct Diagram<'a> {
    /// Of the lifelines, safe for a terminal, never empty; the place of lifeline n is 2n, between two it is odd.
    names: Vec<String>,
    /// By time of departure.
    trips: Vec<Trip<'a>>,
    /// Earlier and later packets that are not drawn.
    left_out: usize,
    /// Copies of a packet that are not drawn.
    copies: usize,
    /// The far end was not recorded.
    estimated: bool,
}

impl<'a> Diagram<'a> {
    fn new(lanes: &'a [Lane], options: &Options) -> Self {
        // More lanes than client, link and server have no meaning here.
        let lanes = &lanes[..lanes.len().min(3)];
        let mut names: Vec<String> = lanes.iter().enumerate().map(|(n, lane)| name(&lane.name, n)).collect();
        let estimated = names.len() == 1;
        if estimated {
            names.push("peer".into());
        }
        let mut trips = trips(lanes);
        trips.sort_by_key(|trip| (trip.began(), !trip.rightwards));
        let drawn = options.last.unwrap_or(PACKET_LIMIT).min(PACKET_LIMIT);
        let left_out = trips.len().saturating_sub(drawn);
        if options.last.is_some() {
            trips.drain(..left_out);
        } else {
            trips.truncate(drawn);
        }
        let copies = trips.iter().map(|trip| trip.copies).sum();
        Self { names, trips, left_out, copies, estimated }
    }

    /// The place of the right-most lifeline.
    fn last_place(&self) -> usize {
        2 * self.names.len().saturating_sub(1)
    }

    /// How much is drawn; nothing if that is nothing.
    fn summary(&self) -> Option<String> {
        let points = || self.trips.iter().flat_map(|trip| &trip.points).map(|point| point.at);
        let took = points().max()?.saturating_sub(points().min()?);
        Some(format!("{} in {}", counted(self.trips.len(), "packet"), label::length(took)))
    }

    /// What the reader must know: what is missing, what is estimated.
    fn remarks(&self, options: &Options) -> Vec<String> {
        let when = if options.last.is_some() { "earlier" } else { "later" };
        let mut remarks = Vec::new();
        if self.trips.is_empty() && self.left_out == 0 {
            remarks.push("no packets".to_owned());
        }
        if self.estimated && !self.trips.is_empty() {
            remarks.push("one side recorded: arrivals estimated".to_owned());
        }
        if self.left_out > 0 {
            remarks.push(format!("{} left out", counted(self.left_out, &format!("{when} packet"))));
        }
        if self.copies > 0 {
            remarks.push(format!("{} left out", counted(self.copies, "more event of a drawn packet")));
        }
        remarks
    }
}

fn counted(number: usize, what: &str) -> String {
    match what.split_once(" event") {
        Some((before, after)) if number != 1 => format!("{number} {before} events{after}"),
        _ => format!("{number} {what}{}", if number == 1 { "" } else { "s" }),
    }
}

fn name(name: &str, lane: usize) -> String {
    let safe = escape::escape_line(name);
    match width::front(safe.trim(), NAME_LIMIT) {
        "" => format!("lane {}", lane + 1),
        short => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;
    use crate::record::PacketEvent;
    use crate::record::diagram::samples::{big, stop_and_wait, window_of_four};
    use crate::record::{Acked, Cause, Fate, Kind, NO_NUMBER, Way};

    #[test]
    fn the_first_packets_are_drawn_or_the_last_ones_and_the_others_counted() {
        let lanes = stop_and_wait(2);
        let all = Diagram::new(&lanes, &Options::default());
        let last = Diagram::new(&lanes, &Options { last: Some(2), ..Options::default() });
        assert_eq!((all.left_out, last.trips.len()), (0, 2));
        assert_eq!(last.left_out, all.trips.len() - 2);
        assert_eq!(last.trips[1].event.number, all.trips[all.trips.len() - 1].event.number);
        let none = Diagram::new(&lanes, &Options { last: Some(0), ..Options::default() });
        assert_eq!((none.trips.len(), none.left_out), (0, all.trips.len()));
    }

    #[test]
    fn a_million_events_give_a_bounded_picture() {
        let lanes = big(500_000);
        let options = Options::default();
        for picture in [text(&lanes, &options), svg(&lanes, &options), mermaid(&lanes, &options)] {
            assert!(picture.len() < 400_000, "{}", picture.len());
            assert!(picture.contains(&format!("{} later packets left out", 500_000 - PACKET_LIMIT)));
        }
    }

    #[test]
    fn the_same_packet_at_several_places_is_one_and_none_is_forgotten() {
        for lanes in 1..=3 {
            let counts = [stop_and_wait(lanes), window_of_four(lanes, false), window_of_four(lanes, true)]
                .map(|lanes| trips(&lanes).len());
            assert_eq!(counts, [7, 18, 14], "{lanes} lanes");
        }
        // Only the server, or only the link, has seen it; of the last one only its loss is known.
        let mut lanes = stop_and_wait(3);
        lanes[0].events.retain(|event| event.fate == Fate::Missing);
        lanes[1].events.retain(|event| event.number == 0 && event.kind == Kind::Data);
        let text = text(&lanes, &Options::default());
        for label in ["hello", "#0 data 0+1024", "#1 lost", "#2 data 1024+1024 (again #1: time-out)"] {
            assert!(text.contains(label), "{label}:\n{text}");
        }
    }

    #[test]
    fn copies_without_end_are_counted() {
        let event = |way| PacketEvent { way, number: 1, ..PacketEvent::default() };
        let lanes = [
            Lane { name: "a".into(), events: vec![event(crate::record::Way::Out)] },
            Lane { name: "b".into(), events: vec![event(crate::record::Way::In); 1000] },
        ];
        assert!(text(&lanes, &Options::default()).contains("more events of a drawn packet left out"));
    }

    /// Events that make no sense, from a small generator of numbers.
    fn nonsense(lanes: usize, seed: &mut u64) -> Vec<Lane> {
        let mut draw = |below: u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) % below
        };
        let mut event = || PacketEvent {
            at: Time::from_micros(if draw(9) == 0 { u64::MAX - draw(9) } else { draw(50_000) }),
            way: Way::ALL[draw(2) as usize],
            kind: Kind::ALL[draw(12) as usize],
            number: if draw(4) == 0 { NO_NUMBER } else { draw(9) },
            offset: u64::MAX - draw(9),
            length: u32::MAX,
            acked: Acked { ranges: [(draw(9), draw(9)), (0, u64::MAX), (draw(9), 3)], count: draw(9) as u16 },
            fate: Fate::ALL[draw(14) as usize],
            cause: Cause::ALL.get(draw(9) as usize).copied(),
            again: draw(9),
            round_trip: draw(3) as u32 * 5000,
            ..PacketEvent::default()
        };
        (0..lanes).map(|_| Lane { name: String::new(), events: (0..40).map(|_| event()).collect() }).collect()
    }

    #[test]
    fn nonsense_is_drawn_within_all_bounds_and_always_the_same() {
        let mut seed = 1;
        for round in 0..200 {
            let lanes = nonsense(round % 5, &mut seed);
            let options = Options { columns: round, last: None, ascii: round % 2 == 0 };
            let all = || [text(&lanes, &options), svg(&lanes, &options), mermaid(&lanes, &options)];
            assert_eq!(all(), all());
            let widest = all()[0].lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(round.clamp(60, 400)), "{}", all()[0]);
            assert!(all()[2].len() < 45_000);
        }
    }
}
