use std::fmt::Write;

use super::super::datagram::PROLOGUE;
use super::super::noise;
use super::super::packet::PacketSeal;
use super::*;
use crate::reliable::sealing::Seal;
use crate::wire::datagram::{self, Credit, HELLO_HEAD, PROOF, Packet};
use crate::wire::{ConnectionId, PacketNumber, VERSION};

/// Lines `name = hexadecimal digits`, also quoted by `docs/protocol.md`.
const KNOWN: &str = include_str!("../../../../../tests/samples/keyed.txt");

const HEAD: &str = "\
# Connections with a key, every byte of it (docs/protocol.md, sections 2.7 and 3.13). All secrets here are known.
# Checked by the test `the_vectors_are_those_that_the_documents_show`.
";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ephemeral secrets of the client and of the server.
fn ephemeral() -> [[u8; 32]; 2] {
    [0x40, 0x80].map(|first| std::array::from_fn(|n| first + n as u8))
}

/// One connection, with the cipher of `flags`.
fn connection(out: &mut String, name: &str, flags: u8) {
    let key = key(0x10);
    let ephemeral = ephemeral();
    let Session { client_preface, first, server_preface, second, mut client, mut server } =
        session(&key, flags, [Some(&ephemeral[0]), Some(&ephemeral[1])]);
    let mut confirm = BytesMut::new();
    client.sealer.confirm(&mut confirm);
    let request = sealed(&mut client.sealer, &crate::wire::frame::block_header(0, 5));
    let answer = sealed(&mut server.sealer, b"hello");
    let mut end = BytesMut::new();
    server.sealer.end(&mut end);
    // The first record after the key has changed: number 65536.
    let mut passed = BytesMut::new();
    for _ in 2..1 << 16 {
        passed.clear();
        client.sealer.seal(std::iter::once(&b"x"[..]), 1, &mut passed);
    }
    let next = sealed(&mut client.sealer, b"next key");
    writeln!(out, "\n[{name}]").unwrap();
    for (name, bytes) in [
        ("key", &key.bytes()[..]),
        ("client ephemeral secret", &ephemeral[0]),
        ("server ephemeral secret", &ephemeral[1]),
        ("client preface", &client_preface),
        ("first message", &first),
        ("server preface", &server_preface),
        ("second message", &second),
        ("client record 0, empty: confirms the key", &confirm),
        ("client record 1, the header of a block of 5 bytes", &request),
        ("client record 65535, `x`, the last with the first key", &passed),
        ("client record 65536, `next key`", &next),
        ("server record 0, `hello`", &answer),
        ("server record 1, empty: the end", &end),
    ] {
        writeln!(out, "{name} = {}", hex(bytes)).unwrap();
    }
}

/// What is encrypted of one connection over UDP, with the offered and chosen cipher of `flags`.
fn datagrams(out: &mut String, name: &str, flags: u8) {
    let key = key(0x10);
    let ephemeral = ephemeral();
    let (id, credit) = (ConnectionId(0x0102_0304_0506_0708), Credit { stream: 1 << 16, block: 1 << 20 });
    let hello =
        Packet::Hello { version: VERSION, service: 1, credit, cookie: Vec::new(), handshake: Vec::new() };
    let hello = datagram::encode(id, &hello);
    let prologue = [PROLOGUE, &hello[..HELLO_HEAD], &[flags]];
    let (mut client, first) = noise::begin(&key, &prologue, Ephemeral::Fixed(&ephemeral[0]));
    let mut server = noise::read(&key, &prologue, &first, Ephemeral::Fixed(&ephemeral[1])).unwrap();
    let (mut answer, mut said) = ([0; 49], [0; 49]);
    server.write_message(&[flags], &mut answer).unwrap();
    client.read_message(&answer, &mut said).unwrap();
    let seals = [(client, true), (server, false)].map(|(state, is_initiator)| {
        let agreed = noise::split(state, flags, is_initiator);
        PacketSeal::new(agreed.cipher, agreed.out, agreed.into)
    });
    let [mut client, mut server] = seals;
    let sealed = |seal: &mut PacketSeal, number: u64, text: &[u8]| {
        let mut bytes = [&[0x0b][..], &id.0.to_be_bytes(), &number.to_be_bytes(), text].concat();
        seal.seal(PacketNumber(number), &mut bytes);
        bytes
    };
    let accept = datagram::encode(id, &Packet::Accept { credit, proof: Some([0; PROOF]) });
    let proof = server.prove(datagram::proven_by_accept(&accept));
    let accept = datagram::encode(id, &Packet::Accept { credit, proof: Some(proof) });
    writeln!(out, "\n[{name}]").unwrap();
    for (name, bytes) in [
        ("key", key.bytes().to_vec()),
        ("client ephemeral secret", ephemeral[0].to_vec()),
        ("server ephemeral secret", ephemeral[1].to_vec()),
        ("HELLO before its cookie", hello[..HELLO_HEAD].to_vec()),
        (
            "message in HELLO, the offered ciphers and the first message of Noise",
            [&[flags], &first[..]].concat(),
        ),
        ("message in RETRY, the second message of Noise", answer.to_vec()),
        ("client SEALED 0, `hello`", sealed(&mut client, 0, b"hello")),
        ("client SEALED 65536, `next key`", sealed(&mut client, 1 << 16, b"next key")),
        ("ACCEPT, with its proof and check sum", accept),
        ("server SEALED 0, `welcome`", sealed(&mut server, 0, b"welcome")),
    ] {
        writeln!(out, "{name} = {}", hex(&bytes)).unwrap();
    }
}

#[test]
fn the_vectors_are_those_that_the_documents_show() {
    let mut made = HEAD.to_owned();
    connection(&mut made, "ChaCha20-Poly1305", preface::SEALED);
    datagrams(&mut made, "UDP, ChaCha20-Poly1305", 0);
    if super::super::cipher::Cipher::Aes.is_fast() {
        connection(&mut made, "AES-256-GCM", preface::SEALED | preface::AES);
        datagrams(&mut made, "UDP, AES-256-GCM", preface::AES);
        assert_eq!(made, KNOWN, "made:\n{made}");
    } else {
        assert!(KNOWN.starts_with(&made), "made:\n{made}");
    }
}

/// The bytes of the example in a document: hexadecimal pairs at the beginning of each line.
fn of_example(text: &str) -> String {
    let is_pair = |word: &&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line =
        |line: &str| -> String { line.get(8..).unwrap_or_default().split(' ').take_while(is_pair).collect() };
    text.lines().map(line).collect()
}

#[test]
fn the_example_of_the_protocol_is_the_first_connection_of_the_vectors() {
    let document = include_str!("../../../../../docs/protocol.md");
    let (_, example) = document.split_once("### 10.6").unwrap();
    let example = example.split("```").nth(1).unwrap();
    let known = KNOWN.split("\n[").nth(1).unwrap();
    let value = |name: &str| {
        let mut lines = known.lines().filter(|line| line.starts_with(name));
        lines.next().unwrap().rsplit(' ').next().unwrap()
    };
    let shown: String = [
        "client preface",
        "first message",
        "server preface",
        "second message",
        "client record 0,",
        "client record 1,",
        "server record 0,",
        "server record 1,",
    ]
    .map(value)
    .concat();
    assert_eq!(of_example(example), shown);
}
