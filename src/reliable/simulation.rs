//! Both ends, a bad link each way, and virtual time in one loop: a thousand networks in seconds.

use std::time::Duration;

use bytes::Bytes;

use super::{Config, Connection, Ending, Event, PIECE_COST, handshake, receive};
use crate::base::{RangeSet, Time};
use crate::link::{Direction, Link, Profile};
use crate::wire::datagram::{self, Packet};
use crate::wire::{Code, Frame};

/// More steps than this are a livelock.
const STEP_LIMIT: u64 = 4_000_000;
const SECRET: [u8; 32] = [7; 32];

struct Side {
    connection: Option<Connection>,
    events: Vec<Event>,
    ended: Option<Ending>,
}

impl Side {
    fn deadlines(&self) -> Option<String> {
        self.connection.as_ref().map(Connection::describe_deadlines)
    }

    /// True if something came out.
    fn transmit(&mut self, now: Time, link: &mut Link) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let before = self.events.len();
        loop {
            let mut out = Vec::with_capacity(1300);
            if !connection.poll_transmit(now, &mut out) {
                break;
            }
            link.offer(now, (), out.into());
        }
        while let Some(event) = connection.poll_event() {
            match &event {
                Event::Frame(frame) => connection.consumed(receive::stream_cost(frame), 0),
                Event::Block { bytes, .. } => connection.consumed(0, bytes.len() as u64 + PIECE_COST),
                Event::Ended(ending) => self.ended = Some(ending.clone()),
                Event::Open => {}
            }
            self.events.push(event);
        }
        self.events.len() > before
    }
}

/// Two ends and the links between them.
struct Pair {
    now: Time,
    client: Side,
    server: Side,
    up: Link,
    down: Link,
    config: Config,
    steps: u64,
}

impl Pair {
    fn new(profile: Profile, seed: u64, config: Config) -> Self {
        let side = |connection| Side { connection, events: Vec::new(), ended: None };
        Self {
            now: Time::ZERO,
            client: side(Some(Connection::connect(seed, 1, config, Time::ZERO))),
            server: side(None),
            up: Link::new(profile, seed, "sim", Direction::Up),
            down: Link::new(profile, seed, "sim", Direction::Down),
            config,
            steps: 0,
        }
    }

    /// The server's part of the handshake, without an `Endpoint`.
    fn greet(&mut self, bytes: &Bytes) {
        let peer = "127.0.0.1:9".parse().unwrap();
        let Ok((id, Packet::Hello { credit, cookie, .. })) = datagram::decode(bytes) else { return };
        let answer = if handshake::is_valid(&SECRET, peer, id, self.now, &cookie) {
            if self.server.connection.is_none() {
                self.server.connection = Some(Connection::accept(id, credit, self.config, self.now));
            }
            Packet::Accept { credit: self.config.credit }
        } else {
            Packet::Retry { cookie: handshake::cookie(&SECRET, peer, id, self.now) }
        };
        self.down.offer(self.now, (), datagram::encode(id, &answer).into());
    }

    /// Moves to the next thing that happens; false if nothing ever will.
    fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(
            self.steps < STEP_LIMIT,
            "livelock at {:?}: client {:?}, server {:?}",
            self.now,
            self.client.deadlines(),
            self.server.deadlines()
        );
        let mut arrived = self.client.transmit(self.now, &mut self.up);
        arrived |= self.server.transmit(self.now, &mut self.down);
        while let Some(((), bytes)) = self.up.poll(self.now) {
            arrived = true;
            match &mut self.server.connection {
                Some(connection) if bytes[0] != 0x04 => connection.handle_datagram(self.now, bytes),
                _ => self.greet(&bytes),
            }
        }
        while let Some(((), bytes)) = self.down.poll(self.now) {
            arrived = true;
            if let Some(connection) = &mut self.client.connection {
                connection.handle_datagram(self.now, bytes);
            }
        }
        if arrived {
            return true;
        }
        let deadlines = [
            self.client.connection.as_ref().and_then(Connection::deadline),
            self.server.connection.as_ref().and_then(Connection::deadline),
            self.up.deadline(),
            self.down.deadline(),
        ];
        let Some(next) = deadlines.into_iter().flatten().min() else { return false };
        self.now = next.max(self.now);
        for side in [&mut self.client, &mut self.server] {
            if let Some(connection) = &mut side.connection
                && connection.deadline().is_some_and(|at| at <= self.now)
            {
                connection.handle_timeout(self.now);
            }
        }
        true
    }

    fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        while !done(self) {
            assert!(self.step(), "stuck");
        }
    }
}

fn bad_network(delay: u64) -> Profile {
    Profile {
        loss: 0.1,
        duplicate: 0.02,
        reorder: 0.05,
        reorder_by: Duration::from_millis(3),
        delay: Duration::from_millis(delay),
        ..Profile::default()
    }
}

/// A byte of a file that knows its offset.
fn content(offset: u64, seed: u64) -> u8 {
    ((offset ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Sends `size` bytes as blocks with a frame before and behind; checks every byte; returns the pair.
fn transfer(profile: Profile, seed: u64, size: u64, chunk: u64) -> Pair {
    let source: Bytes = (0..size).map(|offset| content(offset, seed)).collect::<Vec<_>>().into();
    let mut pair = Pair::new(profile, seed, Config::default());
    let (mut offset, mut finished) = (0, false);
    let mut got = vec![0u8; size as usize];
    let mut covered = RangeSet::new();
    let mut frames = Vec::new();
    pair.client.connection.as_mut().unwrap().write_frame(&Frame::new(0x10, &b"first"[..]));
    pair.run_until(|pair| {
        let sender = pair.client.connection.as_mut().unwrap();
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
                Event::Open => {}
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

#[test]
fn a_clean_network_needs_no_retransmission() {
    let pair = transfer(Profile { delay: Duration::from_millis(5), ..Profile::default() }, 1, 1 << 20, 1024);
    assert_eq!(pair.client.connection.unwrap().stats().retransmitted, 0);
}

#[test]
fn row_45_sixteen_mebibytes_arrive_the_same_through_loss_duplication_and_reordering_for_1000_seeds() {
    let size = 16 << 20;
    let next = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= 1000 {
                        break;
                    }
                    let chunk = [1024, 1000, 4096, 65_536][seed as usize % 4];
                    let pair = transfer(bad_network(1 + seed % 30), seed, size, chunk);
                    let stats = pair.client.connection.unwrap().stats();
                    let needed = size.div_ceil(1000);
                    assert!(stats.retransmitted < needed / 4, "seed {seed}: {stats:?}");
                }
            });
        }
    });
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
    pair.client.connection.as_mut().unwrap().write_block(0, Bytes::from_static(&[1; 5000]));
    pair.run_until(|pair| pair.client.ended.is_some());
    assert!(matches!(pair.client.ended, Some(Ending::Vanished { .. })), "{:?}", pair.client.ended);
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
        let client = pair.client.connection.as_mut().unwrap();
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
    let mut client = Connection::connect(1, 1, config, Time::ZERO);
    client.write_block(0, vec![0; 8 << 20].into());
    let mut server: Option<Connection> = None;
    let (mut now, mut held) = (Time::ZERO, 0);
    for _ in 0..200_000 {
        let mut out = Vec::new();
        if client.poll_transmit(now, &mut out) {
            match (&mut server, datagram::decode(&out).unwrap().1) {
                (_, Packet::Hello { credit, .. }) => {
                    server = Some(Connection::accept(1, credit, config, now));
                    client.handle_datagram(
                        now,
                        datagram::encode(1, &Packet::Accept { credit: config.credit }).into(),
                    );
                }
                (Some(server), _) => server.handle_datagram(now, out.into()),
                (None, _) => {}
            }
        } else if let Some(server) = &mut server {
            now = now + Duration::from_millis(1);
            let mut out = Vec::new();
            while server.poll_transmit(now, &mut out) {
                client.handle_datagram(now, std::mem::take(&mut out).into());
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
