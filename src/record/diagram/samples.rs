//! Small records for the tests: a delay of 10 ms each way; the link stands in the middle and loses the third piece once.

use super::Lane;
use crate::base::Time;
use crate::record::{Acked, Cause, Fate, Kind, PacketEvent, Way};

const DELAY: u64 = 10_000;

/// Writes one transfer as up to three lanes see it.
struct Pen {
    lanes: Vec<Lane>,
}

impl Pen {
    fn new(lanes: usize) -> Self {
        let names: &[&str] = match lanes {
            1 => &["client"],
            2 => &["client", "server"],
            _ => &["client", "link 5% loss", "server"],
        };
        Self { lanes: names.iter().map(|name| Lane { name: (*name).into(), events: Vec::new() }).collect() }
    }

    fn see(&mut self, lane: usize, at: u64, event: PacketEvent) {
        self.lanes[lane].events.push(PacketEvent { at: Time::from_micros(at), round_trip: 20_000, ..event });
    }

    /// A packet that the client (`Out`) or the server sends, and the fate with which it arrives or is lost.
    fn packet(&mut self, at: u64, event: PacketEvent, fate: Fate) {
        let (way, lanes) = (event.way, self.lanes.len());
        let back = if way == Way::Out { Way::In } else { Way::Out };
        let is_client = way == Way::Out;
        let arrived = PacketEvent { fate, ..event };
        match (is_client, fate.is_loss()) {
            (true, _) => self.see(0, at, event),
            (false, false) => self.see(0, at + DELAY, arrived),
            (false, true) => {}
        }
        if lanes == 3 {
            let at_link = if fate.is_loss() { fate } else { Fate::Passed };
            self.see(1, at + 200, PacketEvent { fate: at_link, ..event });
        }
        match (is_client, fate.is_loss()) {
            _ if lanes == 1 => {}
            (true, false) => self.see(lanes - 1, at + DELAY, PacketEvent { way: back, ..arrived }),
            (false, _) => self.see(lanes - 1, at, PacketEvent { way: back, ..event }),
            (true, true) => {}
        }
    }

    fn data(&mut self, at: u64, number: u64, piece: u64, fate: Fate) {
        self.packet(at, data(number, piece), fate);
    }

    fn again(&mut self, at: u64, pair: (u64, u64), piece: u64, cause: Cause) {
        let (number, again) = pair;
        self.packet(at, PacketEvent { cause: Some(cause), again, ..data(number, piece) }, Fate::Arrived);
    }

    fn ack(&mut self, at: u64, number: u64, ranges: &[(u64, u64)]) {
        let acked = Acked::of(ranges.iter().map(|(first, last)| *first..last + 1));
        self.packet(
            at,
            PacketEvent { kind: Kind::Ack, way: Way::In, number, acked, ..data(0, 0) },
            Fate::Arrived,
        );
    }

    fn missing(&mut self, at: u64, number: u64) {
        self.see(0, at, PacketEvent { fate: Fate::Missing, ..data(number, 0) });
    }

    /// The lanes, each by time.
    fn done(mut self) -> Vec<Lane> {
        self.lanes.iter_mut().for_each(|lane| lane.events.sort_by_key(|event| event.at));
        self.lanes
    }
}

fn data(number: u64, piece: u64) -> PacketEvent {
    let (length, size) = (1024, 1060);
    PacketEvent {
        flow: 7,
        kind: Kind::Data,
        number,
        offset: piece * 1024,
        length,
        size,
        ..PacketEvent::default()
    }
}

fn hello(pen: &mut Pen) {
    let plain = PacketEvent { flow: 7, ..PacketEvent::default() };
    pen.packet(1_000_000, PacketEvent { kind: Kind::Hello, ..plain }, Fate::Arrived);
    pen.packet(1_010_050, PacketEvent { kind: Kind::Accept, way: Way::In, ..plain }, Fate::Arrived);
}

/// Three pieces; the second is lost and sent again after a timeout.
pub(in crate::record) fn stop_and_wait(lanes: usize) -> Vec<Lane> {
    let mut pen = Pen::new(lanes);
    hello(&mut pen);
    pen.data(1_020_100, 0, 0, Fate::Arrived);
    pen.ack(1_030_150, 0, &[(0, 0)]);
    pen.data(1_040_200, 1, 1, Fate::LostByLink);
    pen.missing(1_240_200, 1);
    pen.again(1_240_200, (2, 1), 1, Cause::Timeout);
    pen.ack(1_250_250, 1, &[(2, 2), (0, 0)]);
    pen.done()
}

/// A window of four; the third of six pieces is lost. Go-back-N drops what follows and sends all of it again; selective
/// repeat sends one piece again.
pub(in crate::record) fn window_of_four(lanes: usize, selective: bool) -> Vec<Lane> {
    let mut pen = Pen::new(lanes);
    hello(&mut pen);
    let dropped = if selective { Fate::Arrived } else { Fate::OutOfOrder };
    for (n, fate) in [Fate::Arrived, Fate::Arrived, Fate::LostByLink, dropped].into_iter().enumerate() {
        let n = n as u64;
        pen.data(1_020_100 + n * 400, n, n, fate);
    }
    pen.ack(1_030_150, 0, &[(0, 0)]);
    pen.ack(1_030_550, 1, &[(0, 1)]);
    pen.data(1_040_200, 4, 4, dropped);
    pen.data(1_040_600, 5, 5, dropped);
    if selective {
        pen.ack(1_031_350, 2, &[(3, 3), (0, 1)]);
        pen.ack(1_050_650, 3, &[(3, 5), (0, 1)]);
        pen.missing(1_060_700, 2);
        pen.again(1_060_700, (6, 2), 2, Cause::Gap);
        pen.ack(1_070_750, 4, &[(3, 6), (0, 1)]);
    } else {
        pen.missing(1_140_000, 2);
        for n in 0..4 {
            pen.again(1_140_000 + n * 400, (6 + n, 2 + n), 2 + n, Cause::Timeout);
            pen.ack(1_150_050 + n * 400, 2 + n, &[(6, 6 + n), (0, 1)]);
        }
    }
    pen.done()
}

/// So many packets, each seen by both ends.
pub(in crate::record) fn big(packets: u64) -> Vec<Lane> {
    let mut pen = Pen::new(2);
    (0..packets).for_each(|n| pen.data(n * 100, n, n, Fate::Arrived));
    pen.done()
}
