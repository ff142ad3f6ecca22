//! Rules of the protocol (faults.md rows 48 to 56, and 63) that need no random network.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::simulation::{Pair, bad_network};
use crate::base::Time;
use crate::link::{Direction, Link, Profile};
use crate::reliable::{Acceptance, CloseReason, Config, Connection, Endpoint, Event, handshake};
use crate::wire::datagram::{self, BASE_DATAGRAM, Packet};
use crate::wire::{Code, ConnectionId, Frame, PacketNumber, SegmentNumber, ServiceId};

/// A service, by its number.
const FILES: ServiceId = ServiceId::new(1);

const DELAY: Duration = Duration::from_millis(20);

/// All datagrams that the connection has to send now.
fn drain(connection: &mut Connection, now: Time) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let mut datagram = Vec::new();
        if !connection.poll_transmit(now, &mut datagram) {
            return out;
        }
        out.push(datagram);
    }
}

/// Runs until the server has `size` bytes of blocks, and no longer.
fn all_blocks_come(pair: &mut Pair, size: usize) {
    let mut came = 0;
    pair.run_until(|pair| {
        for event in pair.server.events.drain(..) {
            if let Event::Block { bytes, .. } = event {
                came += bytes.len();
            }
        }
        assert_eq!(pair.client.ended, None);
        came == size
    });
}

#[test]
fn row_50_the_first_round_trip_is_paced_and_no_burst_is_long() {
    let mut pair = Pair::new(Profile { delay: DELAY, ..Profile::default() }, 1, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    pair.sender.write_block(0, vec![0; 4 << 20].into());
    let (began, mut now, mut sent) = (pair.now, pair.now, 0);
    while now.since(began) < DELAY * 2 {
        let burst = drain(&mut pair.sender, now);
        let bytes: usize = burst.iter().map(Vec::len).sum();
        assert!(bytes <= 64 << 10, "{bytes} at once");
        sent += burst.len();
        now = pair.sender.deadline().map_or(now + DELAY, |at| at.max(now + Duration::from_micros(100)));
        pair.sender.handle_timeout(now);
    }
    // Without pacing, all 3600 would have been sent at once, and most would have overflowed the receive buffer.
    assert!((40..=60).contains(&sent), "{sent} in the first round trip");
}

#[test]
fn row_51_a_server_that_does_not_answer_is_asked_a_few_times_a_second_at_most() {
    let mut client = Connection::connect(ConnectionId(1), FILES.number(), Config::default(), Time::ZERO);
    client.write_frame(&Frame::new(0x10, &b"question"[..]));
    let (mut now, mut sent) = (Time::ZERO, 0);
    while !client.has_ended() {
        sent += drain(&mut client, now).len();
        now = client.deadline().unwrap_or(now).max(now);
        client.handle_timeout(now);
    }
    assert!((20..=40).contains(&sent), "{sent} in {now:?}");
}

#[test]
fn row_52_a_spoofed_source_gets_no_more_than_it_sent_and_the_server_keeps_nothing() {
    let listening = Acceptance { service: FILES, name: "files", lists: true, max: 9, secret: [1; 32] };
    let mut server = Endpoint::new(Config::default(), Some(listening));
    let peer = "192.0.2.1:7".parse().unwrap();
    let (mut came, mut answered) = (0, 0);
    for id in 0..1000 {
        let hello =
            datagram::hello(ConnectionId(id), FILES.number(), Config::default().credit, vec![7; 16], |_| {
                Vec::new()
            });
        came += hello.len();
        server.handle_datagram(Time::ZERO, peer, hello.into(), false);
        server.drain(
            Time::ZERO,
            |_, bytes, _| {
                answered += bytes.len();
                true
            },
            |_, _| panic!("nobody was let in"),
        );
    }
    assert!(answered <= came && server.is_empty(), "{answered} for {came}");
}

#[test]
fn row_53_datagrams_of_an_earlier_session_are_dropped_and_counted() {
    let mut pair = Pair::new(Profile { delay: DELAY, ..Profile::default() }, 2, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    let mut old = Vec::new();
    datagram::begin_data(&mut old, ConnectionId(0x00dd), PacketNumber(5));
    datagram::push_block(&mut old, SegmentNumber(0), 0, b"what another session wrote");
    datagram::finish(&mut old);
    let before = pair.endpoint.ignored;
    pair.endpoint.handle_datagram(pair.now, pair.address, old.into(), false);
    assert_eq!(pair.endpoint.ignored, before + 1);
    assert!(!pair.server.events.iter().any(|event| matches!(event, Event::Block { .. })));
}

/// The answers of the server to one datagram.
fn answers(server: &mut Endpoint, now: Time, peer: SocketAddr, datagram: &[u8]) -> Vec<Vec<u8>> {
    server.handle_datagram(now, peer, Bytes::copy_from_slice(datagram), false);
    let mut said = Vec::new();
    let send = |_, bytes: &[u8], _| {
        said.push(bytes.to_vec());
        true
    };
    server.drain(now, send, |_, _| {});
    said
}

/// Runs a connection from beginning to end; returns all datagrams that the client sent.
fn whole_session(server: &mut Endpoint, peer: SocketAddr, id: u64) -> Vec<Vec<u8>> {
    let (mut now, mut sent) = (Time::ZERO, Vec::new());
    let mut client = Connection::connect(ConnectionId(id), FILES.number(), Config::default(), now);
    client.write_frame(&Frame::new(0x10, &b"PUT x replace"[..]));
    let mut closes = false;
    while !client.has_ended() {
        let datagrams = drain(&mut client, now);
        for datagram in &datagrams {
            for answer in answers(server, now, peer, datagram) {
                let answer = Bytes::from(answer);
                let (_, packet) = datagram::decode(&answer).unwrap();
                client.handle_packet(now, packet, answer.clone(), false);
            }
        }
        sent.extend(datagrams);
        if !closes && client.stats().datagrams_in >= 3 {
            closes = true;
            client.close(now, Code::Other, "done");
        }
        now = client.deadline().unwrap_or(now).max(now);
        client.handle_timeout(now);
        server.handle_timeout(now);
    }
    while server.poll_accepted().is_some() {}
    sent
}

#[test]
fn row_53_a_session_that_is_over_does_not_begin_again_when_its_datagrams_come_once_more() {
    let listening = Acceptance { service: FILES, name: "files", lists: true, max: 9, secret: [1; 32] };
    let mut server = Endpoint::new(Config::default(), Some(listening));
    let peer = "192.0.2.1:7".parse().unwrap();
    let sent = whole_session(&mut server, peer, 77);
    assert!(sent.len() >= 3 && server.is_empty(), "{} datagrams", sent.len());
    for datagram in sent.iter().chain(&sent) {
        answers(&mut server, Time::ZERO, peer, datagram);
        assert!(server.is_empty() && server.poll_accepted().is_none());
    }
    let another = whole_session(&mut server, peer, 78);
    assert!(another.len() >= 3, "others are let in");
}

#[test]
fn row_63_one_address_does_not_take_all_places() {
    let listening = Acceptance { service: FILES, name: "files", lists: true, max: 8, secret: [1; 32] };
    let mut server = Endpoint::new(Config::default(), Some(listening));
    let mut joins = |peer: &str, id: u64| {
        let (peer, id) = (peer.parse().unwrap(), ConnectionId(id));
        let cookie = handshake::cookie(&listening.secret, peer, id, Time::ZERO);
        let hello = datagram::hello(id, FILES.number(), Config::default().credit, cookie, |_| Vec::new());
        answers(&mut server, Time::ZERO, peer, &hello);
        server.poll_accepted().is_some()
    };
    let greedy = (0..20).filter(|id| joins(&format!("192.0.2.1:{}", 1000 + id), *id)).count();
    assert_eq!(greedy, 7);
    assert!(joins("192.0.2.2:7", 100) && !joins("192.0.2.3:7", 101));
}

#[test]
fn row_55_packet_numbers_pass_32_bits_as_if_nothing_was() {
    let lossy = Profile { delay: DELAY, loss: 0.05, ..Profile::default() };
    let mut pair = Pair::new(lossy, 3, Config::default());
    pair.sender.begin_numbers_at(PacketNumber(u64::from(u32::MAX) - 100));
    let size = 400_000;
    pair.sender.write_block(0, vec![1; size].into());
    all_blocks_come(&mut pair, size);
}

#[test]
fn row_56_when_the_last_words_are_lost_both_sides_report_the_same_end() {
    for seed in 0..50 {
        let lossy = Profile { delay: DELAY, loss: 0.2, ..Profile::default() };
        let mut pair = Pair::new(lossy, seed, Config::default());
        pair.run_until(|pair| pair.client.events.contains(&Event::Open));
        pair.sender.write_frame(&Frame::new(0x10, vec![3; 5000]));
        pair.sender.close(pair.now, Code::Other, "done");
        pair.run_until(|pair| pair.client.ended.is_some() && pair.server.ended.is_some());
        for (ended, by_peer) in [(&pair.client.ended, false), (&pair.server.ended, true)] {
            let expected = CloseReason::Closed { code: Code::Other, reason: "done".into(), by_peer };
            assert_eq!(ended.as_ref(), Some(&expected), "seed {seed}");
        }
    }
}

#[test]
fn row_48_a_path_that_takes_only_small_datagrams_is_served_with_those() {
    let narrow = Profile { delay: DELAY, mtu: 1240, header: 28, ..Profile::default() };
    let mut pair = Pair::new(narrow, 4, Config { datagram_most: 65_507, ..Config::default() });
    let size = 500_000;
    pair.sender.write_block(0, vec![1; size].into());
    let mut came = 0;
    pair.run_until(|pair| {
        for event in pair.server.events.drain(..) {
            if let Event::Block { bytes, .. } = event {
                assert!(bytes.len() < BASE_DATAGRAM);
                came += bytes.len();
            }
        }
        came == size
    });
    assert_eq!(pair.sender.stats().retransmitted, 0, "tries of larger ones cost nothing else");
}

#[test]
fn a_peer_that_acknowledges_a_number_that_was_left_out_is_caught() {
    let mut pair = Pair::new(Profile { delay: DELAY, ..Profile::default() }, 5, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    pair.sender.write_block(0, vec![0; 4 << 20].into());
    let (mut now, mut number, mut seen) = (pair.now, 1000, Vec::new());
    // The peer acknowledges everything, received or not.
    while !pair.sender.has_ended() && number < 9000 {
        for datagram in drain(&mut pair.sender, now) {
            if let Ok((_, Packet::Data { number, .. })) = datagram::decode(&datagram) {
                seen.push(number);
            }
        }
        let Some(&largest) = seen.last() else { break };
        let mut out = Vec::new();
        datagram::begin_data(&mut out, ConnectionId(5), PacketNumber(number));
        let limits = (1 << 30, 1 << 30);
        let lie = crate::wire::ack::Ack {
            delay_micros: 0,
            stream_limit: limits.0,
            block_limit: limits.1,
            marked: 0,
            ranges: std::iter::once(0..largest.0 + 1).collect(),
        };
        crate::wire::ack::push_ack(&mut out, &lie, 500);
        datagram::finish(&mut out);
        pair.sender.handle_datagram(now, Bytes::from(out), false);
        number += 1;
        now = now + Duration::from_millis(2);
        pair.sender.handle_timeout(now);
    }
    let caught = std::iter::from_fn(|| pair.sender.poll_event())
        .any(|event| matches!(event, Event::Ended(CloseReason::ProtocolViolation(_))));
    assert!(caught, "{number}");
}

/// A client and a server with an open connection, whose id is `seed`.
fn open_pair(seed: u64) -> Pair {
    let mut pair = Pair::new(Profile { delay: DELAY, ..Profile::default() }, seed, Config::default());
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    pair
}

/// A DATA datagram with one frame, which asks for an immediate ACK.
fn data(id: u64, number: u64, frame: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    datagram::begin_data(&mut out, ConnectionId(id), PacketNumber(number));
    frame(&mut out);
    datagram::acknowledge_now(&mut out);
    datagram::finish(&mut out);
    out.into()
}

#[test]
fn row_101_parts_of_the_stream_behind_a_gap_cannot_fill_memory() {
    let mut pair = open_pair(6);
    for number in 0..1000 {
        let part = data(6, number, |out| datagram::push_stream(out, number + 1, &vec![0; 60_000]));
        pair.endpoint.handle_datagram(pair.now, pair.address, part, false);
    }
    let server = &pair.endpoint.connection(ConnectionId(6)).unwrap().receive_side;
    let (kept, acknowledged) =
        (server.stream.waiting_bytes(), server.numbers.iter().map(|range| range.end).max());
    assert!(kept < Config::default().gaps + 61_000, "{kept} bytes are kept");
    assert!(acknowledged.unwrap() < 40, "what was dropped is said to be here");
}

#[test]
fn frames_arrive_where_little_may_wait_behind_a_gap() {
    let mut pair = Pair::new(bad_network(5), 11, Config { gaps: 3000, ..Config::default() });
    pair.run_until(|pair| pair.client.events.contains(&Event::Open));
    let frame = |n: u8| Frame::new(0x10, vec![n; 1000]);
    (0..200).for_each(|n| pair.sender.write_frame(&frame(n)));
    pair.run_until(|pair| pair.server.events.contains(&Event::Frame(frame(199))));
    let came = pair.server.events.iter().filter_map(|event| match event {
        Event::Frame(frame) => Some(frame.body[0]),
        _ => None,
    });
    assert!(came.eq(0..200));
}

#[test]
fn acknowledgements_that_come_twice_are_not_acknowledged() {
    let twice = Profile { delay: DELAY, duplicate: 1.0, ..Profile::default() };
    let mut pair = Pair::new(twice, 7, Config::default());
    pair.sender.write_frame(&Frame::new(0x10, &b"hello"[..]));
    pair.run_until(|pair| pair.now > Time::from_micros(9_000_000));
    let sent = pair.up.counts().offered + pair.down.counts().offered;
    assert!(sent < 30, "{sent} datagrams for one frame");
}

#[test]
fn a_peer_that_talks_and_acknowledges_nothing_is_given_up() {
    let mut pair = open_pair(8);
    pair.sender.write_block(0, vec![0; 5000].into());
    let (mut now, mut number) = (pair.now, 1000);
    while !pair.sender.has_ended() {
        drain(&mut pair.sender, now);
        number += 1;
        pair.sender.handle_datagram(now, data(8, number, datagram::push_ping), false);
        now = now + Duration::from_millis(50);
        pair.sender.handle_timeout(now);
        assert!(now.since(pair.now) < Duration::from_secs(20), "it goes on for ever");
    }
}

#[test]
fn what_comes_late_behind_a_thousand_gaps_is_never_acknowledged_unseen() {
    let mut pair = open_pair(9);
    let even = |n: u64| data(9, 1000 + 2 * n, datagram::push_ping);
    let odd = |n: u64| data(9, 1001 + 2 * n, |out| datagram::push_stream(out, n, &[1]));
    (0..1500).for_each(|n| pair.endpoint.handle_datagram(pair.now, pair.address, even(n), false));
    // The packets of the first gaps come too late to be accepted; the others fill their gaps.
    (0..1500).for_each(|n| pair.endpoint.handle_datagram(pair.now, pair.address, odd(n), false));
    let mut lowest = u64::MAX;
    let send = |_, bytes: &[u8], _| {
        let bytes = Bytes::copy_from_slice(bytes);
        if let Ok((_, Packet::Data { frames, .. })) = datagram::decode(&bytes) {
            for frame in datagram::DataFrames::new(bytes, &frames) {
                if let Ok(datagram::DataFrame::Ack(ack)) = frame {
                    lowest = lowest.min(ack.ranges.last().unwrap().start);
                }
            }
        }
        true
    };
    pair.endpoint.drain(pair.now, send, |_, _| ());
    assert!(lowest > 1001 && lowest < u64::MAX, "{lowest} is said to be here");
}

#[test]
fn a_probe_says_what_is_unacknowledged_twice() {
    let mut pair = open_pair(10);
    pair.sender.write_frame(&Frame::new(0x10, &b"lost"[..]));
    assert_eq!(drain(&mut pair.sender, pair.now).len(), 1);
    let mut now = pair.now;
    while pair.sender.stats().datagrams_out < 20 {
        now = pair.sender.deadline().unwrap().max(now);
        pair.sender.handle_timeout(now);
        let probes = drain(&mut pair.sender, now);
        if probes.is_empty() {
            continue;
        }
        let says = |probe: &Vec<u8>| probe.windows(4).any(|part| part == b"lost");
        assert!(probes.len() == 2 && probes.iter().all(says), "{probes:?}");
        return;
    }
    panic!("no probe");
}

#[test]
fn a_close_does_not_wait_for_copies_of_what_the_peer_has() {
    let way = Duration::from_millis(50);
    let clean = Profile { delay: way, rate: 20_000_000, queue: 250_000, ..Profile::default() };
    for seed in 0..10 {
        let mut pair = Pair::new(Profile { loss: 0.02, ..clean }, seed, Config::default());
        pair.down = Link::new(clean, seed, "sim", Direction::Down);
        let size = 2 << 20;
        pair.sender.write_block(0, vec![1; size].into());
        all_blocks_come(&mut pair, size);
        let all_here = pair.now;
        assert!(pair.sender.stats().copies > 0, "seed {seed}");
        pair.sender.close(pair.now, Code::Other, "done");
        pair.run_until(|pair| pair.client.ended.is_some());
        let closed = pair.now.since(all_here);
        assert!(closed < way + Duration::from_millis(10), "seed {seed}: {closed:?}");
    }
}
