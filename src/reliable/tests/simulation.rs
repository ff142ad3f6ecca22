//! Both ends, a bad link in each direction, and virtual time in one loop: a thousand networks in seconds.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::base::{RangeSet, Time};
use crate::link::{Direction, Link, Profile};
use crate::reliable::{
    Acceptance, CloseReason, Config, Connection, Endpoint, Event, PIECE_COST, receive_side,
};
use crate::wire::datagram::{self, Packet};
use crate::wire::{Code, ConnectionId, Frame, ServiceId};

/// A service, by its number.
const FILES: ServiceId = ServiceId::new(1);

/// More steps than this mean a livelock.
const STEP_LIMIT: u64 = 20_000_000;
const SECRET: [u8; 32] = [7; 32];

/// The events of one end.
#[derive(Default)]
pub(crate) struct Side {
    /// Events in order, until a test takes them.
    pub(crate) events: Vec<Event>,
    /// How the connection ended, if it did.
    pub(crate) ended: Option<CloseReason>,
}

impl Side {
    /// Notes an event; returns the stream and block credit that it used up, for an application that consumes everything
    /// at once.
    fn note(&mut self, event: Event) -> (u64, u64) {
        let cost = match &event {
            Event::Frame(frame) => (receive_side::stream_cost(frame), 0),
            Event::Block { bytes, .. } => (0, bytes.len() as u64 + PIECE_COST),
            Event::Ended(ending) => {
                self.ended = Some(ending.clone());
                (0, 0)
            }
            Event::Open | Event::Answered => (0, 0),
        };
        self.events.push(event);
        cost
    }
}

/// A client, a server's endpoint, and the links between them.
pub(crate) struct Pair {
    /// Virtual time.
    pub(crate) now: Time,
    /// Events of the client.
    pub(crate) client: Side,
    /// The connection of the client, which sends blocks.
    pub(crate) sender: Connection,
    /// Events of the server.
    pub(crate) server: Side,
    /// The server.
    pub(crate) endpoint: Endpoint,
    /// The link from the client to the server.
    pub(crate) up: Link<SocketAddr>,
    /// The link from the server to the client.
    pub(crate) down: Link<SocketAddr>,
    /// The address of the client: packets to another one are lost.
    pub(crate) address: SocketAddr,
    /// While the queue of `up` is longer than this, its packets get an ECN mark.
    pub(crate) mark_over: Duration,
    steps: u64,
}

impl Pair {
    /// Both ends with `config`, both links with `profile`; `seed` decides about every random choice.
    pub(crate) fn new(profile: Profile, seed: u64, config: Config) -> Self {
        let listening = Acceptance { service: FILES, name: "files", lists: true, max: 1, secret: SECRET };
        let config = Config { seed, ..config };
        Self {
            now: Time::ZERO,
            client: Side::default(),
            sender: Connection::connect(ConnectionId(seed), FILES.number(), config, Time::ZERO),
            server: Side::default(),
            endpoint: Endpoint::new(config, Some(listening)),
            up: Link::new(profile, seed, "sim", Direction::Up),
            down: Link::new(profile, seed, "sim", Direction::Down),
            address: "127.0.0.1:9".parse().unwrap(),
            mark_over: Duration::MAX,
            steps: 0,
        }
    }

    /// Passes all that either side has to send to the links; true if there was an event.
    fn transmit(&mut self) -> bool {
        let before = self.client.events.len() + self.server.events.len();
        let (now, address) = (self.now, self.address);
        loop {
            let mut out = Vec::with_capacity(1300);
            if !self.sender.poll_transmit(now, &mut out) {
                break;
            }
            self.up.offer(now, address, out.into());
        }
        while let Some(event) = self.sender.poll_event() {
            let (stream, block) = self.client.note(event);
            self.sender.consumed(stream, block);
        }
        let (down, mut events) = (&mut self.down, Vec::new());
        let send = |peer: SocketAddr, bytes: &[u8], _: bool| {
            down.offer(now, peer, Bytes::copy_from_slice(bytes));
            true
        };
        self.endpoint.drain(now, send, |id, event| events.push((id, event)));
        while self.endpoint.poll_accepted().is_some() {}
        for (id, event) in events {
            let (stream, block) = self.server.note(event);
            if let Some(connection) = self.endpoint.connection(id) {
                connection.consumed(stream, block);
            }
        }
        self.client.events.len() + self.server.events.len() > before
    }

    /// Handles what arrives now, or moves to the next deadline; false if there is none.
    fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(
            self.steps < STEP_LIMIT,
            "livelock at {:?}: {}, server {:?}",
            self.now,
            self.sender.describe_timers(),
            self.endpoint.deadline()
        );
        let mut arrived = self.transmit();
        while let Some((from, bytes)) = self.up.poll(self.now) {
            arrived = true;
            let marked = self.up.backlog(self.now) > self.mark_over;
            self.endpoint.handle_datagram(self.now, from, bytes, marked);
        }
        while let Some((to, bytes)) = self.down.poll(self.now) {
            arrived = true;
            if to == self.address {
                self.sender.handle_datagram(self.now, bytes, false);
            }
        }
        if arrived {
            return true;
        }
        let deadlines =
            [self.sender.deadline(), self.endpoint.deadline(), self.up.deadline(), self.down.deadline()];
        let Some(next) = deadlines.into_iter().flatten().min() else { return false };
        self.now = next.max(self.now);
        if self.sender.deadline().is_some_and(|at| at <= self.now) {
            self.sender.handle_timeout(self.now);
        }
        self.endpoint.handle_timeout(self.now);
        true
    }

    /// Runs until `done` returns true; panics if nothing can happen any more.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        while !done(self) {
            assert!(self.step(), "stuck");
        }
    }
}

/// Loses, doubles and reorders, with this delay in ms.
pub(crate) fn bad_network(delay: u64) -> Profile {
    Profile {
        loss: 0.1,
        duplicate: 0.02,
        reorder: 0.05,
        reorder_by: Duration::from_millis(3),
        delay: Duration::from_millis(delay),
        ..Profile::default()
    }
}

/// The byte at this offset of a test file, so that a misplaced byte is detected.
pub(crate) fn content(offset: u64, seed: u64) -> u8 {
    ((offset ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Sends `size` bytes as blocks, with a frame before and after; checks every byte; returns the pair.
fn transfer(profile: Profile, seed: u64, size: u64, chunk: u64) -> Pair {
    let source: Bytes = (0..size).map(|offset| content(offset, seed)).collect::<Vec<_>>().into();
    let mut pair = Pair::new(profile, seed, Config::default());
    let (mut offset, mut finished) = (0, false);
    let mut got = vec![0u8; size as usize];
    let mut covered = RangeSet::new();
    let mut frames = Vec::new();
    pair.sender.write_frame(&Frame::new(0x10, &b"first"[..]));
    pair.run_until(|pair| {
        let sender = &mut pair.sender;
        while offset < size && sender.is_writable() {
            let end = (offset + chunk).min(size);
            sender.write_block(offset, source.slice(offset as usize..end as usize));
            offset = end;
        }
        if offset == size && !finished {
            finished = true;
            sender.write_frame(&Frame::new(0x11, &b"last"[..]));
        }
        for event in pair.server.events.drain(..) {
            match event {
                Event::Block { offset, bytes } => {
                    let range = offset..offset + bytes.len() as u64;
                    assert_eq!(
                        covered.insert_range(range.clone()),
                        bytes.len() as u64,
                        "seed {seed}: delivered twice"
                    );
                    got[range.start as usize..range.end as usize].copy_from_slice(&bytes);
                }
                Event::Frame(frame) => frames.push(frame.kind),
                Event::Open | Event::Answered => {}
                Event::Ended(ending) => panic!("seed {seed}: {ending:?}"),
            }
        }
        let links = (pair.up.counts(), pair.down.counts());
        assert_eq!(pair.client.ended, None, "seed {seed}: {links:?}");
        covered.covered() == size && frames.len() == 2
    });
    assert!(got == source, "seed {seed}: the file differs");
    assert_eq!(frames, [0x10, 0x11]);
    pair
}

/// Sends `size` bytes as one block; ends when the server has all of them.
pub(crate) fn send_file(pair: &mut Pair, size: u64) {
    let mut covered = RangeSet::new();
    pair.sender.write_block(0, vec![7; size as usize].into());
    pair.run_until(|pair| {
        for event in pair.server.events.drain(..) {
            if let Event::Block { offset, bytes } = event {
                covered.insert_range(offset..offset + bytes.len() as u64);
            }
        }
        covered.covered() == size
    });
}

#[test]
fn a_clean_network_needs_no_retransmission() {
    let pair = transfer(Profile { delay: Duration::from_millis(5), ..Profile::default() }, 1, 1 << 20, 1024);
    assert_eq!(pair.sender.stats().retransmitted, 0);
}

#[test]
fn row_45_thirty_percent_loss_bursts_and_corruption_end_well() {
    for seed in 0..40 {
        let profile = Profile { loss: 0.3, burst: (1 + seed % 4) as f64, corrupt: 0.05, ..bad_network(10) };
        transfer(profile, seed, 200_000, 1000);
    }
}

#[test]
fn a_narrow_link_with_a_short_queue_is_filled() {
    let profile =
        Profile { rate: 10_000_000, queue: 62_500, delay: Duration::from_millis(25), ..Profile::default() };
    let pair = transfer(profile, 3, 4 << 20, 1100);
    let rate = f64::from(4 << 20) * 8.0 / (pair.now.micros() as f64 / 1e6);
    assert!(rate > 8.0e6, "{rate}");
}

#[test]
fn row_46_total_loss_after_the_start_gives_up_in_time() {
    let mut pair =
        Pair::new(Profile { delay: Duration::from_millis(5), ..Profile::default() }, 4, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    let dead = Profile { loss: 1.0, ..Profile::default() };
    pair.up.set_profile(dead);
    pair.down.set_profile(dead);
    let began = pair.now;
    pair.sender.write_block(0, Bytes::from_static(&[1; 5000]));
    pair.run_until(|pair| pair.client.ended.is_some());
    assert!(matches!(pair.client.ended, Some(CloseReason::TimedOut { .. })), "{:?}", pair.client.ended);
    let waited = pair.now.since(began);
    assert!(waited >= Duration::from_secs(14) && waited <= Duration::from_secs(20), "{waited:?}");
}

#[test]
fn row_39_a_quiet_connection_notices_a_dead_peer_within_30_seconds() {
    let mut pair =
        Pair::new(Profile { delay: Duration::from_millis(5), ..Profile::default() }, 4, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    pair.down.set_profile(Profile { loss: 1.0, ..Profile::default() });
    let began = pair.now;
    pair.run_until(|pair| pair.client.ended.is_some());
    assert!(pair.now.since(began) <= Duration::from_secs(30), "{:?}", pair.now.since(began));
}

#[test]
fn a_quiet_connection_on_a_living_network_stays_open() {
    let mut pair = Pair::new(bad_network(5), 4, Config::default());
    pair.run_until(|pair| pair.now > Time::ZERO + Duration::from_hours(1));
    assert_eq!((&pair.client.ended, &pair.server.ended), (&None, &None));
}

#[test]
fn an_orderly_close_delivers_everything_before_it() {
    for seed in 0..50 {
        let mut pair = Pair::new(bad_network(5), seed, Config::default());
        pair.run_until(|pair| pair.client.events.contains(&Event::Open));
        let client = &mut pair.sender;
        client.write_frame(&Frame::new(0x10, vec![3; 5000]));
        client.close(pair.now, Code::Other, "done");
        pair.run_until(|pair| pair.server.ended.is_some());
        assert!(
            pair.server
                .events
                .iter()
                .any(|event| matches!(event, Event::Frame(frame) if frame.body.len() == 5000)),
            "seed {seed}"
        );
    }
}

#[test]
fn an_unread_connection_holds_no_more_than_its_credit() {
    let config = Config::default();
    let mut client = Connection::connect(ConnectionId(1), 1, config, Time::ZERO);
    client.write_block(0, vec![0; 8 << 20].into());
    let mut server: Option<Connection> = None;
    let (mut now, mut held) = (Time::ZERO, 0);
    for _ in 0..200_000 {
        let mut out = Vec::new();
        if client.poll_transmit(now, &mut out) {
            match (&mut server, datagram::decode(&out).unwrap().1) {
                (_, Packet::Hello { credit, .. }) => {
                    server = Some(Connection::accept(ConnectionId(1), credit, config, now));
                    client.handle_datagram(
                        now,
                        datagram::encode(
                            ConnectionId(1),
                            &Packet::Accept { credit: config.credit, proof: None },
                        )
                        .into(),
                        false,
                    );
                }
                (Some(server), _) => server.handle_datagram(now, out.into(), false),
                (None, _) => {}
            }
        } else if let Some(server) = &mut server {
            now = now + Duration::from_millis(1);
            let mut out = Vec::new();
            while server.poll_transmit(now, &mut out) {
                client.handle_datagram(now, std::mem::take(&mut out).into(), false);
            }
            client.handle_timeout(now);
        }
        while let Some(Event::Block { bytes, .. }) = server.as_mut().and_then(Connection::poll_event) {
            held += bytes.len() as u64 + PIECE_COST;
        }
        if now > Time::ZERO + Duration::from_secs(5) {
            break;
        }
    }
    assert!(held > config.credit.block / 2 && held <= config.credit.block, "{held}");
}
