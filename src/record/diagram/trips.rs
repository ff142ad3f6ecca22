//! The events of all lanes as trips of packets: the same packet at several places is one trip.
//!
//! Packets are matched by flow, direction, kind and number; those without a number by order. Where one was not seen, its
//! times are estimated from the round-trip time.

use super::lane::Lane;
use crate::record::{Fate, Kind, PacketEvent, Way};

/// Most points of one trip: a packet that comes again and again is not drawn for ever.
const POINT_LIMIT: usize = 8;

/// What is known of a packet at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Departure,
    /// Seen at a lifeline.
    Stop(Fate),
    /// Gone between two lifelines.
    Death(Fate),
    /// Nobody knows.
    Unseen,
    /// What its sender believes by now.
    Verdict(Fate),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Twice the number of the lifeline; odd between two.
    pub(super) place: usize,
    /// In microseconds.
    pub(super) at: u64,
    pub(super) mark: Mark,
}

impl Point {
    /// True if the packet ended here without being taken.
    pub(super) const fn is_death(&self) -> bool {
        match self.mark {
            Mark::Death(_) => true,
            Mark::Stop(fate) => fate.is_loss(),
            _ => false,
        }
    }
}

/// One packet on its way.
#[derive(Debug)]
pub(super) struct Trip<'a> {
    /// Where it was seen first.
    pub(super) event: &'a PacketEvent,
    pub(super) rightwards: bool,
    pub(super) points: Vec<Point>,
    /// Arrows: from which point to which.
    pub(super) legs: Vec<(usize, usize)>,
    /// Events that were too many.
    pub(super) copies: usize,
}

impl Trip<'_> {
    pub(super) fn began(&self) -> u64 {
        self.points.first().map_or(0, |point| point.at)
    }

    fn add(&mut self, point: Point) -> usize {
        if self.points.len() < POINT_LIMIT {
            self.points.push(point);
        } else {
            self.copies += 1;
        }
        self.points.len() - 1
    }

    fn fly(&mut self, from: usize, to: Point) -> usize {
        let fits = self.points.len() < POINT_LIMIT;
        let at = self.add(to);
        if fits {
            self.legs.push((from, at));
        }
        at
    }
}

/// An event with what it is sorted by.
#[derive(Clone, Copy)]
struct Seen<'a> {
    event: &'a PacketEvent,
    rightwards: bool,
    /// A verdict comes after all packets of its number, of whatever kind.
    kind: u8,
    /// Lifelines behind it.
    step: usize,
    place: usize,
}

const VERDICT: u8 = u8::MAX;

impl<'a> Seen<'a> {
    fn new(lane: usize, lifelines: usize, event: &'a PacketEvent) -> Self {
        let is_server = lane > 0 && lane + 1 == lifelines;
        let rightwards = (event.way == Way::Out) != is_server;
        let is_verdict = matches!(event.fate, Fate::Missing | Fate::Late);
        let kind = if is_verdict { VERDICT } else { event.kind as u8 };
        let step = if rightwards { lane } else { lifelines - 1 - lane };
        Self { event, rightwards, kind, step, place: 2 * lane }
    }

    const fn number(&self) -> (u64, bool, u64) {
        (self.event.flow, self.rightwards, self.event.number)
    }

    const fn at(&self) -> u64 {
        self.event.at.micros()
    }
}

/// All trips, in no useful order.
pub(super) fn trips(lanes: &[Lane]) -> Vec<Trip<'_>> {
    let lifelines = lanes.len().max(2);
    let all = lanes.iter().enumerate();
    let mut seen: Vec<Seen> = all
        .flat_map(|(lane, of)| of.events.iter().map(move |event| Seen::new(lane, lifelines, event)))
        .collect();
    seen.sort_by_key(|seen| (seen.number(), seen.kind, seen.step));
    let mut matcher = Matcher { lanes, lifelines, flight: flight(lanes), trips: Vec::new() };
    for same in seen.chunk_by(|a, b| a.number() == b.number()) {
        matcher.same_number(same);
    }
    matcher.trips
}

/// How long a packet flies, as far as the lanes tell: half of the shortest round trip, or what the first packets took.
fn flight(lanes: &[Lane]) -> u64 {
    let trips = lanes.iter().flat_map(|lane| &lane.events).map(|event| event.round_trip);
    if let Some(shortest) = trips.filter(|trip| *trip > 0).min() {
        return u64::from(shortest / 2);
    }
    let first =
        |lane: &Lane, way| lane.events.iter().find(|event| event.way == way).map(|event| event.at.micros());
    let (Some(near), Some(far)) = (lanes.first(), lanes.last()) else { return 0 };
    let took = first(near, Way::Out).zip(first(far, Way::In)).map_or(0, |(a, b)| b.saturating_sub(a));
    if lanes.len() == 1 { took / 2 } else { took }
}

/// A packet that was seen at a point and is expected at the next lifeline.
#[derive(Clone, Copy)]
struct Flying {
    trip: usize,
    point: usize,
}

struct Matcher<'a> {
    lanes: &'a [Lane],
    lifelines: usize,
    flight: u64,
    trips: Vec<Trip<'a>>,
}

impl<'a> Matcher<'a> {
    fn same_number(&mut self, seen: &[Seen<'a>]) {
        let (packets, verdicts) = seen.split_at(seen.partition_point(|seen| seen.kind != VERDICT));
        let doomed = verdicts.last().is_some_and(|last| last.event.fate == Fate::Missing);
        for same in packets.chunk_by(|a, b| a.kind == b.kind) {
            self.same_kind(same, doomed);
        }
        if packets.is_empty()
            && let Some(first) = verdicts.first()
        {
            self.open(first);
        }
        for verdict in verdicts {
            if let Some(trip) = self.trips.last_mut() {
                trip.add(Point {
                    place: verdict.place,
                    at: verdict.at(),
                    mark: Mark::Verdict(verdict.event.fate),
                });
            }
        }
    }

    fn same_kind(&mut self, seen: &[Seen<'a>], doomed: bool) {
        let first_trip = self.trips.len();
        let mut flying: Vec<Flying> = Vec::new();
        for same in seen.chunk_by(|a, b| a.step == b.step) {
            let mut waiting = flying.into_iter();
            let mut next = Vec::with_capacity(same.len());
            for seen in same {
                let before = waiting.next().or_else(|| self.copy_of(seen, first_trip));
                let here = self.reach(before, seen);
                next.extend(std::iter::repeat_n(here, copies(seen.event.fate)));
            }
            next.extend(waiting);
            flying = next;
        }
        for packet in flying {
            self.finish(packet, doomed);
        }
    }

    /// One more arrival of a numbered packet is a copy of it.
    fn copy_of(&self, seen: &Seen, first_trip: usize) -> Option<Flying> {
        let is_copy = seen.event.number().is_some() && seen.step > 0 && self.trips.len() > first_trip;
        is_copy.then(|| Flying { trip: self.trips.len() - 1, point: 0 })
    }

    fn reach(&mut self, before: Option<Flying>, seen: &Seen<'a>) -> Flying {
        if seen.step == 0 {
            let trip = self.open(seen);
            let point =
                self.trips[trip].add(Point { place: seen.place, at: seen.at(), mark: Mark::Departure });
            if seen.event.fate.is_loss() {
                let death = Mark::Death(seen.event.fate);
                let place = self.beyond(trip, point);
                self.trips[trip].fly(point, Point { place, at: seen.at(), mark: death });
            }
            return Flying { trip, point };
        }
        let Flying { trip, point } = before.unwrap_or_else(|| self.guess(seen));
        // A clock may be behind: no packet arrives before it leaves.
        let at = seen.at().max(self.trips[trip].points[point].at);
        let point =
            self.trips[trip].fly(point, Point { place: seen.place, at, mark: Mark::Stop(seen.event.fate) });
        Flying { trip, point }
    }

    fn open(&mut self, seen: &Seen<'a>) -> usize {
        self.trips.push(Trip {
            event: seen.event,
            rightwards: seen.rightwards,
            points: Vec::new(),
            legs: Vec::new(),
            copies: 0,
        });
        self.trips.len() - 1
    }

    /// The departure of a packet that was not seen to leave.
    fn guess(&mut self, seen: &Seen<'a>) -> Flying {
        let trip = self.open(seen);
        let place = if seen.rightwards { 0 } else { 2 * (self.lifelines - 1) };
        // A link stands beside the client and the server; the long way is behind it.
        let is_link = seen.step + 1 < self.lifelines;
        let took = if is_link { 0 } else { self.half_round_trip(seen.event) };
        let at = seen.at().saturating_sub(took);
        Flying { trip, point: self.trips[trip].add(Point { place, at, mark: Mark::Departure }) }
    }

    fn half_round_trip(&self, event: &PacketEvent) -> u64 {
        if event.round_trip > 0 { u64::from(event.round_trip / 2) } else { self.flight }
    }

    /// The place behind a point, between two lifelines.
    fn beyond(&self, trip: usize, point: usize) -> usize {
        let Trip { rightwards, points, .. } = &self.trips[trip];
        let place = points[point].place;
        if *rightwards { place + 1 } else { place.saturating_sub(1) }
    }

    /// A packet that no further lane has seen.
    fn finish(&mut self, Flying { trip, point }: Flying, doomed: bool) {
        let Trip { event, rightwards, points, .. } = &self.trips[trip];
        let Point { place, at, mark } = points[point];
        let goal = if *rightwards { 2 * (self.lifelines - 1) } else { 0 };
        if place == goal {
            return;
        }
        let took = self.half_round_trip(event);
        let middle = Point { place: self.beyond(trip, point), at: at.saturating_add(took / 2), mark };
        let to = match mark {
            Mark::Stop(Fate::Corrupted) => Point { mark: Mark::Death(Fate::Corrupted), ..middle },
            _ if self.lanes.len() < 2 && doomed => Point { mark: Mark::Death(Fate::Missing), ..middle },
            _ if self.lanes.len() < 2 => {
                Point { place: goal, at: at.saturating_add(took), mark: Mark::Stop(Fate::Arrived) }
            }
            _ if doomed || self.must_have_come(goal, at.saturating_add(took).saturating_add(took)) => {
                Point { mark: Mark::Death(Fate::LostByLink), ..middle }
            }
            _ => Point { mark: Mark::Unseen, ..middle },
        };
        self.trips[trip].fly(point, to);
    }

    /// True if what arrived at this place at this time is in its record: it began before and ends after it.
    fn must_have_come(&self, place: usize, at: u64) -> bool {
        let Some(events) = self.lanes.get(place / 2).map(|lane| &lane.events) else { return false };
        let from_start = |event: &PacketEvent| matches!(event.kind, Kind::Hello | Kind::Retry | Kind::Accept);
        let began = events.first().is_some_and(|first| from_start(first) || first.at.micros() <= at);
        began && events.last().is_some_and(|last| at <= last.at.micros())
    }
}

/// How many of a packet fly on.
const fn copies(fate: Fate) -> usize {
    match fate {
        Fate::Doubled => 2,
        _ if fate.is_loss() => 0,
        _ => 1,
    }
}
