//! What holds for any bytes, however they are split. The seeds are fixed.

use bytes::BytesMut;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::hostile::ROWS;
use crate::wire::http::conditional::Tags;
use crate::wire::http::{
    ChunkedDecoder, Decoded, Host, HttpError, Method, RequestHead, Validators, Version, Wanted, date, decide,
    disposition, media_type, percent, range_holds, ranges,
};

/// Mutations of each input.
const ROUNDS: usize = 200;

/// Bodies in chunks, right and wrong.
const BODIES: &[&[u8]] = &[
    b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    b"1;a=b\r\nx\r\n00f \t;c\r\n0123456789abcde\r\n0\r\nTrailer: yes\r\nX:\r\n\r\n",
    b"8000000000000000\r\nabc",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"0\r\n\r\n",
];

/// Flips, drops, repeats and glues bytes.
fn mutated(input: &[u8], other: &[u8], random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    const GLUE: [&[u8]; 10] =
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"%", b"\0", b"\xff", b"\r\nContent-Length: 1\r\n"];
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => drop(bytes.splice(at..at, GLUE[random.random_range(0..GLUE.len())].iter().copied())),
            3 => drop(bytes.splice(at..at, other.iter().copied())),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn each(corpus: &[&[u8]], mut check: impl FnMut(&[u8], &mut Xoshiro256PlusPlus)) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9112);
    for input in corpus {
        check(input, &mut random);
        for _ in 0..ROUNDS {
            let other = corpus[random.random_range(0..corpus.len())];
            let bytes = mutated(input, other, &mut random);
            check(&bytes, &mut random);
        }
    }
}

fn requests() -> Vec<&'static [u8]> {
    ROWS.iter().map(|(request, _)| *request).collect()
}

#[test]
fn heads_read_alike_however_they_are_split() {
    let mut read = 0;
    each(&requests(), |bytes, random| {
        let whole = RequestHead::read(bytes);
        let (mut end, mut split) = (0, RequestHead::read(b""));
        while split == Ok(None) && end < bytes.len() {
            end = (end + random.random_range(1..40)).min(bytes.len());
            split = RequestHead::read(&bytes[..end]);
        }
        assert_eq!(split, whole, "{}", bytes.escape_ascii());
        if let Ok(Some((_, length))) = whole {
            read += 1;
            assert!(bytes[..length].ends_with(b"\r\n\r\n"), "{}", bytes.escape_ascii());
            assert_eq!(RequestHead::read(&bytes[..length]), split, "{}", bytes.escape_ascii());
        }
    });
    assert!(read > 500, "{read} heads were right: the corpus tells nothing");
}

#[test]
fn what_was_read_can_be_asked_for_anything() {
    each(&requests(), |bytes, _| {
        let Ok(Some((head, _))) = RequestHead::read(bytes) else { return };
        let shown = bytes.escape_ascii();
        assert!(head.version == Version::Http10 || head.host().is_some(), "{shown}");
        assert!(!head.target.path_bytes().contains(&0), "{shown}");
        if let Ok(segments) = head.target.segments() {
            let leads_away =
                |name: &Vec<u8>| matches!(name.as_slice(), b"" | b"." | b"..") || name.contains(&b'/');
            assert!(!segments.iter().any(leads_away), "{shown}");
        }
        for (name, value) in head.headers.iter() {
            assert!(head.headers.get(name).is_some(), "{shown}");
            assert!(!value.chars().any(|c| c.is_ascii_control() && c != '\t'), "{shown}");
        }
        let current = Validators { tags: &[], modified: 1 };
        for method in [Method::Get, Method::Put] {
            decide(method, &head.headers, &current);
        }
        range_holds(&head.headers, &current);
        drop((head.accepts("application/json"), head.target.query_value("q"), head.keeps_alive()));
    });
}

/// The body so far, the answer, and what is left of the input. `cuts` draws the length of the next piece.
fn decoded(bytes: &[u8], mut cuts: impl FnMut() -> usize) -> (Vec<u8>, Result<bool, HttpError>, Vec<u8>) {
    let (mut decoder, mut input, mut body, mut at) = (ChunkedDecoder::new(), BytesMut::new(), Vec::new(), 0);
    loop {
        match decoder.decode(&mut input) {
            Ok(Decoded::Data(piece)) => {
                assert!(!piece.is_empty());
                body.extend_from_slice(&piece);
            }
            Ok(Decoded::NeedMore) if at < bytes.len() => {
                let end = (at + cuts()).min(bytes.len());
                input.extend_from_slice(&bytes[at..end]);
                at = end;
            }
            Ok(Decoded::NeedMore) => return (body, Ok(false), input.to_vec()),
            Ok(Decoded::End) => return (body, Ok(true), [&input, &bytes[at..]].concat()),
            Err(error) => return (body, Err(error), Vec::new()),
        }
    }
}

#[test]
fn chunks_decode_alike_however_they_are_split() {
    let mut complete = 0;
    each(BODIES, |bytes, random| {
        let whole = decoded(bytes, || usize::MAX / 2);
        let split = decoded(bytes, || random.random_range(1..9));
        assert_eq!(split, whole, "{}", bytes.escape_ascii());
        complete += usize::from(whole.1 == Ok(true));
    });
    assert!(complete > 40, "{complete} bodies were complete: the corpus tells nothing");
}

#[test]
fn values_of_fields_are_read_without_harm() {
    let values: [&[u8]; 14] = [
        b"bytes=0-99,200-,-5",
        b"bytes=-18446744073709551615",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"W/\"a,b\", \"c\" , *",
        b"\"\xc3\xa4\"",
        b"[::1]:80",
        b"a.example:65535",
        b"text/html;q=0.9;a=\"b,c\", */*;q=0.001",
        b"%C3%A4+b%2",
        b"na\xc3\xafve \"\\%.tar.gz",
        b"\xf0\x9f\x98\x80",
        b"",
    ];
    each(&values, |bytes, random| {
        let text = String::from_utf8_lossy(bytes);
        let size = if random.random() { random.random_range(0..300) } else { u64::MAX };
        if let Wanted::Parts(parts) = ranges(&text, size) {
            assert!(!parts.is_empty() && parts.iter().all(|part| part.start < part.end && part.end <= size));
            assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start), "{text:?}");
        }
        if let Some(seconds) = date::parse(&text) {
            assert_eq!(date::parse(&date::format(seconds)), Some(seconds), "{text:?}");
        }
        let field = disposition("attachment", &text);
        assert!(field.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{field:?}");
        drop((Tags::parse(&text), percent::form_decode(&text), media_type(&text)));
        let _ = Host::read(&text);
    });
}
