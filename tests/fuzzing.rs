//! The short form of `fuzz/`: the corpus of bad inputs and every example, mutated at random from a fixed seed.
//! `NLS_FUZZ=N` makes it N times as long, from another seed.

#[path = "../fuzz/checks.rs"]
mod checks;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Mutations of each input.
const ROUNDS: usize = 40;

fn corpus() -> Vec<Vec<u8>> {
    let inputs = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/diagnostics/inputs.txt")).unwrap();
    let mut corpus: Vec<Vec<u8>> = inputs.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    corpus.extend(nls::shell::catalogue::entries().map(|entry| entry.verb().example.into()));
    corpus
}

/// Flips, drops, repeats and glues bytes.
fn mutated(input: &[u8], other: &[u8], random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(
                at,
                *b"\"'$\\;#&!%:.\n\t\0=|~*[]{}\xff"[..].get(random.random_range(0..24)).unwrap_or(&b' '),
            ),
            3 => bytes.splice(at..at, other.iter().copied()).for_each(drop),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn each(check: fn(&[u8])) {
    each_of(corpus(), ROUNDS, check);
}

fn each_of(corpus: Vec<Vec<u8>>, rounds: usize, check: fn(&[u8])) {
    // It takes a whole core: not beside a test that must keep up with the time of day.
    let _turn = crate::harness::Lab::new();
    let times = std::env::var("NLS_FUZZ").map_or(1, |times| times.parse().expect("NLS_FUZZ is a number"));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(times as u64);
    for input in &corpus {
        check(input);
        for _ in 0..rounds * times {
            let other = &corpus[random.random_range(0..corpus.len())];
            let bytes = mutated(input, other, &mut random);
            // A failure names its input: it becomes a line of the corpus.
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert!(std::panic::catch_unwind(|| check(&bytes)).is_ok(), "{shown:?}");
        }
    }
}

#[test]
fn no_line_brings_down_the_parser() {
    each(checks::line);
}

#[test]
fn no_line_brings_down_completion_at_any_offset() {
    each(checks::complete_line);
}

#[test]
fn no_word_brings_down_the_values() {
    let secrets = [
        "tiger tigerlily",
        "a correct-horse \"battery\" $taple",
        "correct\\x2dhorse",
        "nls1qpzry9x8gf2tvdw0s3jn",
        "nls1-qpzr y9x8\ngf2t\r\nvdw0 - s3jn",
        "\u{f1}and\u{fa}\n\u{fc}",
    ];
    let mut corpus = corpus();
    corpus.extend(secrets.map(Into::into));
    each_of(corpus, ROUNDS, checks::values);
}

#[test]
fn no_expression_brings_down_the_calculator() {
    let corpus = [
        "7 % 3",
        "-(2.5e3 - 1/3) * 10",
        "2^64 - 1",
        "((((1))))",
        "1/0",
        "0.1 + 0.2",
        "9999999999 * -3",
        "5 − 2 × 3 ÷ 4",
    ];
    each_of(corpus.iter().map(|text| text.as_bytes().to_vec()).collect(), 2000, checks::expression);
}

#[test]
fn no_bytes_on_a_disk_and_no_line_of_a_guest_bring_down_their_readers() {
    let mut corpus: Vec<Vec<u8>> = ["@dee psst", "/who", "//x", "/name zoe", "hello"].map(Into::into).into();
    // Beginnings that lead into each reader.
    let heads: [&[u8]; 19] = [
        b"nlsj\x01\0\0\0\0\x01\0\0\0\0\0\0\0\x10\0\0",
        b"\0\0\0\x14ftypisom0000mdat\0\0\0\x20moov\0\0\0\x18mvhd",
        b"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67\x01\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffAVI LIST\0\0\0\x40hdrlavih",
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f",
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0",
        b"FORM\0\0\0\x40AIFFCOMM\0\0\0\x12\0\x02",
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12",
        b"fLaC\0\0\0\x22\x10\0\x10\0",
        b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\x02\x03\x04\0\0\0\0\0\0\0\0\x01\x1eOpusHead",
        b"ID3\x04\0\0\0\0\0\x10TIT2\0\0\0\x04\0\0",
        b"\xff\xfb\x90\0\xff\xf1\x50\x80\x04\x1f\xfc",
        b"\x47\x40\0\x30\x07\x50\0\0\0\0",
        b"\0\x01file\0octet\0blksize\x001428\0tsize\x000\0windowsize\x0016\0",
        b"USER anonymous\r\nCWD /a/../../b\r\nRETR ../\\x2e.\r\nNLST *a?*\r\nSTOR \xff\xfa\r\nEPSV 1\r\n",
        b"GET /a/%2e%2e/b%5C%2E?sort=name HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n",
        b"POST /say HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\ntext=a+b&token=0123456789abcdef",
        b"WEBVTT\n\n1\n00:01.000 --> 01:02:03,5 align:left\n<i>a</i>\n\n",
        b"\0\0\x01\xba\x44\0\x04\0\x04\x01\0\0\x01\xe0\0\0\x80\x80\x05\x21\0\x01",
    ];
    corpus.extend(heads.map(<[u8]>::to_vec));
    each_of(corpus, 500, checks::foreign);
}

#[test]
fn no_bytes_of_a_peer_bring_down_the_codecs() {
    each(checks::wire);
}

#[test]
fn no_request_over_http_brings_down_its_reader_or_reads_differently_in_pieces() {
    let heads: [&[u8]; 8] = [
        b"GET /a%20b/?q=x+y&json HTTP/1.1\r\nHost: localhost:8080\r\nRange: bytes=0-9,-5\r\n\r\n",
        b"HEAD http://[::1]:80/a HTTP/1.1\r\nHost: a\r\nIf-None-Match: W/\"a\", \"b\"\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nAccept: text/html;q=0.9, application/json\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"a\r\n0123456789\r\n0\r\n\r\n",
    ];
    each_of(heads.map(<[u8]>::to_vec).into(), 500, checks::http);
}

#[test]
fn no_stranger_brings_down_a_handshake_or_is_believed() {
    let samples =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/keyed.txt")).unwrap();
    let named: Vec<(&str, Vec<u8>)> = samples
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, hex)| (name, nls::base::pattern::from_hex(hex).unwrap()))
        .collect();
    // A preface and what is behind it belong together.
    let behind = |name: &str| matches!(name, "first message" | "second message");
    let pairs =
        named.windows(2).filter(|pair| behind(pair[1].0)).map(|pair| [&pair[0].1[..], &pair[1].1].concat());
    let mut corpus: Vec<Vec<u8>> = pairs.collect();
    corpus.extend(named.iter().map(|(_, bytes)| bytes.clone()));
    assert!(corpus.len() > 20, "{}", corpus.len());
    each_of(corpus, 100, checks::keyed);
}
