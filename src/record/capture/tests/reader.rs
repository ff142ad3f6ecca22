//! A small reader of pcapng, IP, UDP and TCP that shares no code with the writer. It panics where a file is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Enhanced Packet Block, taken apart down to its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) interface: u32,
    pub(super) at_micros: u64,
    pub(super) outgoing: bool,
    pub(super) comment: String,
    pub(super) from: (IpAddr, u16),
    pub(super) to: (IpAddr, u16),
    /// Sequence, acknowledgment, flags.
    pub(super) tcp: Option<(u32, u32, u8)>,
    pub(super) payload: Vec<u8>,
}

/// All packets of a file; the number of its interfaces.
pub(super) fn read(file: &[u8]) -> (Vec<Shown>, usize) {
    let (mut packets, mut interfaces) = (Vec::new(), 0);
    for (at, (kind, body)) in blocks(file).into_iter().enumerate() {
        assert_eq!(kind == 0x0a0d_0d0a, at == 0, "one section header, and it comes first");
        match kind {
            0x0a0d_0d0a => {
                assert_eq!(body[..4], 0x1a2b_3c4du32.to_le_bytes());
                assert_eq!(body[4..16], [1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
                options(&body[16..]);
            }
            1 => {
                assert_eq!(body[..8], [101, 0, 0, 0, 0, 0, 0, 0]);
                assert!(options(&body[8..]).contains(&(9, vec![6])));
                interfaces += 1;
            }
            6 => packets.push(packet(&body)),
            other => panic!("a block of kind {other}"),
        }
    }
    assert!(packets.iter().all(|packet| (packet.interface as usize) < interfaces));
    (packets, interfaces)
}

/// Kind and body of each block.
pub(super) fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut found = Vec::new();
    while !file.is_empty() {
        let (kind, length) = (u32_at(file, 0), u32_at(file, 4) as usize);
        assert!(length >= 12 && length.is_multiple_of(4) && length <= file.len(), "{length}");
        assert_eq!(u32_at(file, length - 4) as usize, length);
        found.push((kind, file[8..length - 4].to_vec()));
        file = &file[length..];
    }
    found
}

pub(super) fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        let kind = u16::from_le_bytes([bytes[0], bytes[1]]);
        let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        bytes = &bytes[4..];
        if kind == 0 {
            assert!(length == 0 && bytes.is_empty(), "the end of options is the end of the block");
            return found;
        }
        found.push((kind, bytes[..length].to_vec()));
        let padded = length.div_ceil(4) * 4;
        assert!(bytes[length..padded].iter().all(|byte| *byte == 0));
        bytes = &bytes[padded..];
    }
}

fn packet(body: &[u8]) -> Shown {
    let captured = u32_at(body, 12) as usize;
    assert_eq!(u32_at(body, 16) as usize, captured);
    let options = options(&body[20 + captured.div_ceil(4) * 4..]);
    let option = |kind| options.iter().find(|(own, _)| *own == kind).map(|(_, value)| value.clone());
    let bytes = &body[20..20 + captured];
    let (from, to, protocol, rest) = match bytes[0] >> 4 {
        4 => v4(bytes),
        _ => v6(bytes),
    };
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    let (tcp, header) = match protocol {
        17 => {
            assert_eq!(usize::from(port(4)), rest.len());
            assert_ne!(port(6), 0, "zero is no check sum");
            (None, 8)
        }
        6 => {
            let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
            (Some((number(4), number(8), rest[13])), usize::from(rest[12] >> 4) * 4)
        }
        other => panic!("protocol {other}"),
    };
    Shown {
        interface: u32_at(body, 0),
        at_micros: u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8)),
        outgoing: match option(2).unwrap()[..] {
            [1, 0, 0, 0] => false,
            [2, 0, 0, 0] => true,
            _ => panic!("flags of a packet"),
        },
        comment: String::from_utf8(option(1).unwrap_or_default()).unwrap(),
        from: (from, port(0)),
        to: (to, port(2)),
        tcp,
        payload: rest[header..].to_vec(),
    }
}

fn v4(bytes: &[u8]) -> (IpAddr, IpAddr, u8, &[u8]) {
    assert_eq!(bytes[0], 0x45);
    assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
    assert_eq!(total(&[&bytes[..20]]), 0xffff, "check sum of the IPv4 header");
    let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    let length = ((bytes.len() - 20) as u16).to_be_bytes();
    assert_eq!(
        total(&[&bytes[12..20], &[0, bytes[9]], &length, &bytes[20..]]),
        0xffff,
        "check sum over IPv4"
    );
    (address(12).into(), address(16).into(), bytes[9], &bytes[20..])
}

fn v6(bytes: &[u8]) -> (IpAddr, IpAddr, u8, &[u8]) {
    assert_eq!(bytes[0], 0x60);
    assert_eq!(usize::from(u16::from_be_bytes([bytes[4], bytes[5]])), bytes.len() - 40);
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
    let length = ((bytes.len() - 40) as u32).to_be_bytes();
    let parts: [&[u8]; 4] = [&bytes[8..40], &length, &[0, 0, 0, bytes[6]], &bytes[40..]];
    assert_eq!(total(&parts), 0xffff, "check sum over IPv6");
    (address(8).into(), address(24).into(), bytes[6], &bytes[40..])
}

/// The ones' complement sum of all: 0xffff where a check sum inside is right.
fn total(parts: &[&[u8]]) -> u32 {
    let mut sum = 0u32;
    for (at, byte) in parts.concat().iter().enumerate() {
        sum += if at % 2 == 0 { u32::from(*byte) << 8 } else { u32::from(*byte) };
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
