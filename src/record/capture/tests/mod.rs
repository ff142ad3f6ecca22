//! What a capture has in it, as an independent reader sees it.

mod reader;
mod script;

use std::net::SocketAddr;

use super::*;
use reader::{blocks, options, read};

const V4: [&str; 2] = ["192.0.2.1:40000", "198.51.100.7:7000"];
const V6: [&str; 2] = ["[2001:db8::1]:40000", "[2001:db8::2]:7000"];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn packet<'a>(ends: [&str; 2], payload: &'a [u8]) -> Packet<'a> {
    Packet {
        interface: 0,
        at_micros: 1_800_000_000_123_456,
        from: address(ends[0]),
        to: address(ends[1]),
        outgoing: true,
        payload,
        comment: "",
    }
}

fn back<'a>(packet: Packet<'a>, payload: &'a [u8]) -> Packet<'a> {
    Packet { from: packet.to, to: packet.from, outgoing: !packet.outgoing, payload, ..packet }
}

#[test]
fn a_file_begins_with_who_made_it_and_where_packets_were_seen() {
    let (_, file) = Capture::new("nls 0.1.0", &["client", "server"]);
    let blocks = blocks(&file);
    let section = options(&blocks[0].1[16..]);
    assert_eq!(section, [(1, SYNTHETIC.as_bytes().to_vec()), (4, b"nls 0.1.0".to_vec())]);
    assert_eq!(options(&blocks[2].1[8..])[0], (2, b"server".to_vec()));
    assert_eq!(read(&file), (vec![], 2));
}

#[test]
fn datagrams_of_every_length_and_family_have_valid_check_sums_and_read_back() {
    let bytes: Vec<u8> = (0..u32::from(u16::MAX)).map(|n| ((n * 31) >> 3) as u8).collect();
    for ends in [V4, V6] {
        for length in (0..70).chain([1199, 1200, 1472, 9001, 65_506, 65_507]) {
            let (mut capture, mut file) = Capture::new("nls", &["session"]);
            file.extend(capture.udp(&Packet { comment: "sent", ..packet(ends, &bytes[..length]) }));
            let (packets, _) = read(&file);
            let [shown] = &packets[..] else { panic!("{} packets", packets.len()) };
            assert_eq!(shown.payload, bytes[..length]);
            assert_eq!((shown.from, shown.to), pair(ends));
            assert_eq!((shown.at_micros, shown.outgoing), (1_800_000_000_123_456, true));
            assert_eq!(shown.comment, "sent");
        }
    }
}

fn pair(ends: [&str; 2]) -> ((std::net::IpAddr, u16), (std::net::IpAddr, u16)) {
    let [from, to] = ends.map(address);
    ((from.ip(), from.port()), (to.ip(), to.port()))
}

#[test]
fn a_check_sum_that_comes_out_as_zero_is_sent_as_all_ones() {
    // Two bytes walk through all values, so through the one that makes the sum zero; the reader refuses a zero.
    let (mut capture, mut file) = Capture::new("nls", &["session"]);
    for value in 0..=u16::MAX {
        file.extend(capture.udp(&packet(V4, &value.to_be_bytes())));
    }
    assert_eq!(read(&file).0.len(), 65_536);
}

#[test]
fn what_is_longer_than_ip_can_carry_is_cut() {
    let long = vec![7; 200_000];
    for (ends, most) in [(V4, 65_507), (V6, 65_527)] {
        let (mut capture, mut file) = Capture::new("nls", &["session"]);
        file.extend(capture.udp(&packet(ends, &long)));
        assert_eq!(read(&file).0[0].payload.len(), most);
    }
}

#[test]
fn a_pair_of_two_families_is_shown_as_ipv6_and_a_mapped_address_as_ipv4() {
    let (mut capture, mut file) = Capture::new("nls", &["session"]);
    file.extend(capture.udp(&packet([V4[0], V6[1]], b"x")));
    file.extend(capture.udp(&packet([V4[0], "[::ffff:198.51.100.7]:7000"], b"x")));
    let (packets, _) = read(&file);
    assert_eq!((packets[0].from, packets[0].to), pair(["[::ffff:192.0.2.1]:40000", V6[1]]));
    assert_eq!((packets[1].from, packets[1].to), pair(V4));
}

#[test]
fn every_beginning_of_a_file_that_ends_with_a_block_is_readable() {
    let (mut capture, mut file) = Capture::new("nls", &["session"]);
    let mut known = Vec::new();
    for part in [
        capture.tcp_open(&packet(V4, b"")),
        capture.udp(&packet(V6, b"odd")),
        capture.tcp_data(&packet(V4, &[1; 5000])),
        capture.tcp_end(&packet(V4, b""), End::Reset),
    ] {
        assert!(!part.is_empty());
        file.extend(part);
        let (packets, _) = read(&file);
        assert!(packets.len() > known.len() && packets.starts_with(&known));
        known = packets;
    }
    let (mut at, mut count) = (0, 0);
    for (_, body) in blocks(&file) {
        at += body.len() + 12;
        assert!(read(&file[..at]).0.len() >= count);
        count = read(&file[..at]).0.len();
    }
    assert_eq!((at, count), (file.len(), known.len()));
}

#[test]
fn hostile_names_and_comments_are_one_short_line() {
    let hostile = "\u{1b}[31m\n\0\u{202e}é".repeat(40_000);
    let (mut capture, mut file) = Capture::new(&hostile, &[&hostile, ""]);
    file.extend(capture.udp(&Packet { comment: &hostile, ..packet(V4, b"x") }));
    file.extend(capture.tcp_open(&Packet { comment: &hostile, ..packet(V4, b"") }));
    let (packets, interfaces) = read(&file);
    assert_eq!((packets.len(), interfaces), (4, 2));
    for shown in packets {
        assert!(shown.comment.len() <= COMMENT_LIMIT && !shown.comment.contains(char::is_control));
    }
    assert!(file.len() < 8 * COMMENT_LIMIT);
}

#[test]
fn a_packet_of_an_interface_that_is_not_there_is_left_out() {
    let (mut capture, _) = Capture::new("nls", &["session"]);
    let strange = Packet { interface: 1, ..packet(V4, b"x") };
    assert!(capture.udp(&strange).is_empty() && capture.tcp_open(&strange).is_empty());
    assert!(capture.tcp_data(&strange).is_empty() && capture.tcp_end(&strange, End::Fin).is_empty());
    assert!(Capture::new("nls", &[]).0.udp(&packet(V4, b"x")).is_empty());
}

/// What a receiver of TCP would have: each side's bytes, all numbers in order.
fn replay(file: &[u8]) -> [Vec<u8>; 2] {
    let (packets, _) = read(file);
    let client = packets[0].from;
    let mut next = [None::<u32>; 2];
    let mut streams = [Vec::new(), Vec::new()];
    for shown in packets {
        let (sequence, acknowledgment, flags) = shown.tcp.unwrap();
        let side = usize::from(shown.from != client);
        assert_eq!(*next[side].get_or_insert(sequence), sequence, "{shown:?}");
        if flags & 0x10 != 0 {
            assert_eq!(next[1 - side], Some(acknowledgment), "all that came is acknowledged");
        }
        let marks = u32::from(flags & 0x02 != 0) + u32::from(flags & 0x01 != 0);
        next[side] = Some(sequence.wrapping_add(marks + shown.payload.len() as u32));
        assert!(shown.payload.len() <= if shown.from.0.is_ipv4() { 1460 } else { 1440 });
        streams[side].extend(shown.payload);
    }
    streams
}

#[test]
fn a_tcp_connection_reads_back_as_its_two_streams() {
    let bytes: Vec<u8> = (0..100_001u32).map(|n| n as u8).collect();
    for ends in [V4, V6, [V4[1], V4[0]]] {
        let (mut capture, mut file) = Capture::new("nls", &["session"]);
        let client = packet(ends, b"");
        file.extend(capture.tcp_open(&client));
        file.extend(capture.tcp_data(&Packet { payload: b"ask", ..client }));
        file.extend(capture.tcp_data(&back(client, &bytes)));
        assert!(capture.tcp_data(&client).is_empty());
        file.extend(capture.tcp_end(&client, End::Fin));
        file.extend(capture.tcp_data(&back(client, b"last")));
        file.extend(capture.tcp_end(&back(client, b""), End::Fin));
        assert!(capture.tcp_end(&client, End::Reset).is_empty(), "it is over");
        let [asked, answered] = replay(&file);
        assert_eq!(asked, b"ask");
        assert_eq!(answered, [&bytes[..], b"last"].concat());
        let (packets, _) = read(&file);
        let pushed = packets.iter().filter(|shown| shown.tcp.is_some_and(|(_, _, flags)| flags & 8 != 0));
        assert_eq!(pushed.count(), 3, "the last segment of each part");
        assert!(packets[0].comment.starts_with(RECONSTRUCTED));
        assert!(packets.iter().all(|shown| shown.outgoing == (shown.from == packets[0].from)));
    }
}

#[test]
fn connections_are_bounded_and_a_forgotten_one_begins_anew() {
    let (mut capture, mut file) = Capture::new("nls", &["session"]);
    let of = |port: usize| Packet {
        from: SocketAddr::new(address(V4[0]).ip(), port as u16),
        ..packet(V4, b"more")
    };
    for port in 1..=CONVERSATION_LIMIT + 1 {
        capture.tcp_open(&of(port));
    }
    assert_eq!(read(&[&file[..], &capture.tcp_data(&of(2))].concat()).0.len(), 2, "bytes, acknowledged");
    file.extend(capture.tcp_data(&of(1)));
    assert_eq!(replay(&file), [b"more".to_vec(), vec![]]);
    assert_eq!(read(&file).0.len(), 5, "the handshake comes before them");
}

#[test]
fn strange_orders_and_addresses_never_panic() {
    let own = "0.0.0.0:0";
    let (mut capture, mut file) = Capture::new("", &[""]);
    for at_micros in [0, u64::MAX] {
        let packet = Packet { at_micros, ..packet([own, own], b"self") };
        file.extend(capture.tcp_end(&packet, End::Fin));
        file.extend(capture.tcp_data(&packet));
        file.extend(capture.tcp_open(&packet));
        file.extend(capture.tcp_end(&packet, End::Fin));
        file.extend(capture.tcp_end(&packet, End::Fin));
        file.extend(capture.udp(&packet));
    }
    assert!(read(&file).0.iter().any(|shown| shown.at_micros == u64::MAX));
}
