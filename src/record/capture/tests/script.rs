//! The script for Wireshark: it is in `docs`, and its tables describe real datagrams.

use std::path::Path;

use super::super::layout::{DATAGRAMS, FRAMES, Field, Form, Row};
use super::super::*;
use super::{V4, V6, back, packet};
use crate::wire::ack::{Ack, push_ack};
use crate::wire::datagram::{self, Credit};
use crate::wire::preface::Preface;
use crate::wire::{Code, ConnectionId, PacketNumber, Reader, SegmentNumber, ServiceId};

#[test]
fn the_script_for_wireshark_is_that_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nls.lua");
    if std::env::var_os("NLS_BLESS").is_some() {
        std::fs::write(&path, lua()).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == lua(), "docs/nls.lua is not that of the tables: NLS_BLESS=1 cargo test writes it");
}

const ID: ConnectionId = ConnectionId(0x0123_4567_89ab_cdef);
const CREDIT: Credit = Credit { stream: 2_097_280, block: 110_400 };

fn data(number: u64, build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    datagram::begin_data(&mut out, ID, PacketNumber(number));
    build(&mut out);
    datagram::finish(&mut out);
    out
}

fn ack(ranges: Vec<std::ops::Range<u64>>) -> Ack {
    Ack { delay_micros: 35, stream_limit: 1 << 40, block_limit: 110_400, marked: 1, ranges }
}

/// A connection with a datagram of every kind; true for those of the client.
fn conversation() -> Vec<(bool, Vec<u8>)> {
    let of = datagram::Packet::Retry { cookie: vec![0xa0; 16], handshake: Vec::new() };
    let piece = [7; 1158];
    let mut now = data(1, |out| datagram::push_block(out, SegmentNumber(1), 1158, &piece));
    now.truncate(now.len() - datagram::CRC);
    datagram::acknowledge_now(&mut now);
    datagram::finish(&mut now);
    let mut in_order = data(3, |out| datagram::push_block(out, SegmentNumber(2), 2316, &piece));
    in_order.truncate(in_order.len() - datagram::CRC);
    datagram::in_order_only(&mut in_order);
    datagram::finish(&mut in_order);
    let holes = (0..200u64).rev().map(|n| n * 5..n * 5 + 4).collect();
    let sealed = |number, mark: fn(&mut [u8])| {
        let mut out = Vec::new();
        datagram::begin_data(&mut out, ID, PacketNumber(number));
        out.extend_from_slice(&[0x5e; 100]);
        mark(&mut out);
        datagram::begin_seal(&mut out);
        out
    };
    vec![
        (true, datagram::hello(ID, 2, CREDIT, vec![], |_| Vec::new())),
        (false, datagram::encode(ID, &of)),
        (true, datagram::hello(ID, 2, CREDIT, vec![0xa0; 16], |_| Vec::new())),
        (false, datagram::encode(ID, &datagram::Packet::Accept { credit: CREDIT, proof: None })),
        (true, data(0, |out| datagram::push_block(out, SegmentNumber(0), 0, &piece))),
        (true, now),
        (true, in_order),
        (false, data(0, |out| push_ack(out, &ack(vec![90..100, 50..80, 0..1]), 400))),
        (false, data(1, |out| push_ack(out, &ack(holes), 400))),
        (true, data(4, |out| datagram::push_block(out, SegmentNumber(0), 0, &piece))),
        (true, data(1 << 52, |out| datagram::push_stream(out, 1 << 50, b"\0\0\0\x01\x23"))),
        (
            true,
            data((1 << 52) + 1, |out| {
                datagram::push_ping(out);
                datagram::push_stream(out, 5, b"");
                datagram::push_pad(out, 1452);
            }),
        ),
        (false, data(2, |out| datagram::push_close(out, Code::Cancelled, "beyond ASCII: é"))),
        (false, datagram::encode(ID, &datagram::Packet::Refuse { code: Code::Busy, text: "full".into() })),
        (true, sealed(10, |_| {})),
        (true, sealed(11, datagram::acknowledge_now)),
        (true, sealed(12, datagram::in_order_only)),
    ]
}

/// Reads `fields` by their forms as the script does; fails where they do not fit.
fn walk(r: &mut Reader<'_>, fields: &[Field]) {
    let mut values: Vec<(&str, u64)> = Vec::new();
    let value = |values: &[(&str, u64)], name| values.iter().find(|(own, _)| *own == name).unwrap().1;
    for &(name, form, _) in fields {
        let number = match form {
            Form::U8 => r.u8().map(u64::from).unwrap(),
            Form::U16 | Form::Code => r.u16().map(u64::from).unwrap(),
            Form::U64 => r.u64().unwrap(),
            Form::Varint => r.varint().unwrap(),
            Form::Bytes | Form::Text => r.take(values.last().unwrap().1 as usize).unwrap().len() as u64,
            Form::Rest => r.rest().len() as u64,
            Form::Bitmap => r.take(value(&values, "ack.bytes") as usize).unwrap().len() as u64,
            Form::Ranges => {
                let numbers = 2 * value(&values, "ack.count") - 1;
                (0..numbers).map(|_| r.varint().unwrap()).count() as u64
            }
            Form::Frames => {
                while r.remaining() > 0 {
                    let kind = r.u8().unwrap();
                    walk(r, find(FRAMES, kind).fields);
                }
                0
            }
        };
        values.push((name, number));
    }
}

fn find(rows: &[Row], number: u8) -> &Row {
    rows.iter().find(|row| row.number == number).unwrap_or_else(|| panic!("no row {number:#04x}"))
}

#[test]
fn the_tables_describe_every_byte_of_real_datagrams() {
    for (_, bytes) in conversation() {
        let mut r = Reader::new(&bytes[9..bytes.len() - datagram::CRC]);
        let row = find(DATAGRAMS, bytes[0]);
        walk(&mut r, row.fields);
        assert_eq!(r.remaining(), 0, "{}", row.name);
    }
    let firsts = 0..=u8::MAX;
    assert!(firsts.filter(|first| datagram::is_ours(*first)).eq(DATAGRAMS.iter().map(|row| row.number)));
}

/// `NLS_CAPTURE=FOLDER` keeps the file, to try it with Wireshark: good.pcapng must have no warning, damaged.pcapng has
/// a datagram with a wrong check sum and one that has a frame of no known type.
#[test]
fn an_example_for_wireshark_can_be_written() {
    let (mut capture, mut good) = Capture::new("nls", &["client", "server"]);
    for ends in [V4, V6] {
        let mut client = packet(ends, b"");
        for (is_client, bytes) in conversation() {
            client.at_micros += 1000;
            let datagram =
                if is_client { Packet { payload: &bytes, ..client } } else { back(client, &bytes) };
            // A link sees each datagram twice: this is no repetition.
            for interface in [0, 1] {
                good.extend(capture.udp(&Packet { comment: "sent", interface, ..datagram }));
            }
        }
        let preface = Preface::new(ServiceId::new(1)).encode();
        let block = [&[0, 0, 0x10, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &[9; 4096]].concat();
        good.extend(capture.tcp_open(&client));
        good.extend(capture.tcp_data(&Packet { payload: &preface, ..client }));
        good.extend(capture.tcp_data(&back(client, &preface)));
        good.extend(capture.tcp_data(&Packet { payload: &block, ..client }));
        good.extend(capture.tcp_data(&back(client, b"\0\0\0\x09\x02\0\x05\0\x04full")));
        good.extend(capture.tcp_end(&client, End::Fin));
        good.extend(capture.tcp_end(&back(client, b""), End::Fin));
    }
    let mut damaged = good.clone();
    let mut bytes = data(9, |out| datagram::push_block(out, SegmentNumber(3), 0, b"bytes"));
    bytes[20] ^= 1;
    damaged.extend(capture.udp(&Packet { comment: "corrupted", ..packet(V4, &bytes) }));
    let strange = data(10, |out| out.push(0x3f));
    damaged.extend(capture.udp(&packet(V4, &strange)));
    assert_eq!(super::read(&damaged).0.len(), super::read(&good).0.len() + 2);
    if let Some(folder) = std::env::var_os("NLS_CAPTURE") {
        std::fs::write(Path::new(&folder).join("good.pcapng"), good).unwrap();
        std::fs::write(Path::new(&folder).join("damaged.pcapng"), damaged).unwrap();
    }
}
