//! The packets of TFTP (RFC 1350, section 5; RFC 2347). Pure; no bytes bring it down, and all that is kept is bounded.
//!
//! ```text
//! RRQ, WRQ  | 01 or 02 | name 00 | mode 00 | option 00 value 00 | …
//! DATA      | 03 | block (16 bits) | bytes
//! ACK       | 04 | block (16 bits)
//! ERROR     | 05 | code (16 bits) | text 00
//! OACK      | 06 | option 00 value 00 | …
//! ```

/// Longest request, in bytes (RFC 2347, section 2).
pub(super) const REQUEST_LIMIT: usize = 512;
/// Bytes before those of the file in a DATA packet; also the bytes of an ACK.
pub(super) const HEADER: usize = 4;
/// Bytes of an ERROR packet besides its text.
pub(super) const ERROR_FRAME: usize = 5;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// How the bytes of the file travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As they are.
    Octet,
    /// As text: lines end with CR LF (RFC 764).
    Netascii,
}

/// RRQ or WRQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The client sends a file.
    pub(super) is_write: bool,
    /// As it came; never empty.
    pub(super) name: Vec<u8>,
    pub(super) mode: Mode,
    /// Names in lower case, and values.
    pub(super) options: Vec<(String, String)>,
}

/// What a peer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Request(Request),
    Data { block: u16, bytes: &'a [u8] },
    Ack(u16),
    Error { code: u16, text: &'a [u8] },
    OptionAck(Vec<(String, String)>),
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends early, goes on behind its end, or has a number that means nothing.
    Malformed,
    /// A mode that is neither `octet` nor `netascii`: `mail` is obsolete (RFC 1350, section 1).
    Mode,
    /// An option comes twice (RFC 2347, section 2).
    Repeated,
}

/// Reads a packet.
pub(super) fn decode(bytes: &[u8]) -> Result<Packet<'_>, Flaw> {
    let (opcode, rest) = number(bytes)?;
    match opcode {
        RRQ | WRQ => request(opcode == WRQ, bytes.len(), rest).map(Packet::Request),
        DATA => number(rest).map(|(block, bytes)| Packet::Data { block, bytes }),
        ACK => match number(rest)? {
            (block, []) => Ok(Packet::Ack(block)),
            _ => Err(Flaw::Malformed),
        },
        ERROR => {
            let (code, text) = number(rest)?;
            // Some clients leave the end of the text out.
            let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(Packet::Error { code, text })
        }
        OACK if bytes.len() <= REQUEST_LIMIT => options(strings(rest)?).map(Packet::OptionAck),
        _ => Err(Flaw::Malformed),
    }
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), Flaw> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Flaw::Malformed)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// The strings, each of which ends with a zero byte.
fn strings(bytes: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Flaw> {
    match bytes.split_last() {
        None | Some((0, _)) => {
            Ok(bytes.split_inclusive(|byte| *byte == 0).map(|string| &string[..string.len() - 1]))
        }
        Some(_) => Err(Flaw::Malformed),
    }
}

fn request(is_write: bool, length: usize, rest: &[u8]) -> Result<Request, Flaw> {
    if length > REQUEST_LIMIT {
        return Err(Flaw::Malformed);
    }
    let mut strings = strings(rest)?;
    let name = strings.next().filter(|name| !name.is_empty()).ok_or(Flaw::Malformed)?;
    let mode = match strings.next().ok_or(Flaw::Malformed)? {
        mode if mode.eq_ignore_ascii_case(b"octet") => Mode::Octet,
        mode if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
        _ => return Err(Flaw::Mode),
    };
    Ok(Request { is_write, name: name.to_vec(), mode, options: options(strings)? })
}

fn options<'a>(mut strings: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(String, String)>, Flaw> {
    let mut options: Vec<(String, String)> = Vec::new();
    while let Some(name) = strings.next() {
        let value = strings.next().ok_or(Flaw::Malformed)?;
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if options.iter().any(|(known, _)| *known == name) {
            return Err(Flaw::Repeated);
        }
        options.push((name, String::from_utf8_lossy(value).into_owned()));
    }
    Ok(options)
}

/// The front of a DATA packet.
pub(super) const fn data_header(block: u16) -> [u8; HEADER] {
    header(DATA, block)
}

/// An ACK packet.
pub(super) const fn ack(block: u16) -> [u8; HEADER] {
    header(ACK, block)
}

const fn header(opcode: u16, number: u16) -> [u8; HEADER] {
    let ([a, b], [c, d]) = (opcode.to_be_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// An ERROR packet of at most so many bytes: the text is cut, and what is not printable is left out.
pub(super) fn error(code: u16, text: &str, most: usize) -> Vec<u8> {
    let text = text.bytes().filter(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let text = text.take(most.saturating_sub(ERROR_FRAME));
    header(ERROR, code).into_iter().chain(text).chain([0]).collect()
}

/// An OACK packet.
pub(super) fn option_ack(options: &[(&str, u64)]) -> Vec<u8> {
    let mut bytes = OACK.to_be_bytes().to_vec();
    for (name, value) in options {
        bytes.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, options: &[(&str, &str)]) -> Packet<'static> {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Packet::Request(Request { is_write: false, name: name.into(), mode: Mode::Octet, options })
    }

    #[test]
    fn packets_are_read_as_the_rfcs_write_them() {
        assert_eq!(decode(b"\0\x01a\0OcTeT\0"), Ok(read("a", &[])));
        assert_eq!(
            decode(b"\0\x01a\0octet\0BlkSize\x001428\0x\0\0"),
            Ok(read("a", &[("blksize", "1428"), ("x", "")]))
        );
        let Ok(Packet::Request(request)) = decode(b"\0\x02a\0netascii\0") else { panic!("a request") };
        assert!(request.is_write && request.mode == Mode::Netascii);
        assert_eq!(decode(b"\0\x03\xff\xfe"), Ok(Packet::Data { block: 0xfffe, bytes: b"" }));
        assert_eq!(decode(b"\0\x03\0\x01ab"), Ok(Packet::Data { block: 1, bytes: b"ab" }));
        assert_eq!(decode(&ack(7)), Ok(Packet::Ack(7)));
        assert_eq!(decode(&error(1, "no\nfile\u{1b}", 99)), Ok(Packet::Error { code: 1, text: b"nofile" }));
        assert_eq!(decode(b"\0\x05\0\0open end"), Ok(Packet::Error { code: 0, text: b"open end" }));
        assert_eq!(decode(&option_ack(&[])), Ok(Packet::OptionAck(vec![])));
        let options = vec![("blksize".into(), "8".into()), ("tsize".into(), "0".into())];
        assert_eq!(decode(&option_ack(&[("blksize", 8), ("tsize", 0)])), Ok(Packet::OptionAck(options)));
    }

    #[test]
    fn row_111_what_is_no_packet_is_refused() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\x07",
            b"\x01\x01",
            b"\0\x01a",
            b"\0\x01a\0octet",
            b"\0\x01\0octet\0",
            b"\0\x01a\0octet\0blksize\0",
            b"\0\x03\0",
            b"\0\x04\0\x01x",
            b"\0\x04\0",
            b"\0\x05\0",
            b"\0\x06a",
        ] {
            assert_eq!(decode(bytes), Err(Flaw::Malformed), "{bytes:?}");
        }
        assert_eq!(decode(b"\0\x01a\0mail\0"), Err(Flaw::Mode));
        assert_eq!(decode(b"\0\x01a\0octet\0tsize\x000\0TSIZE\x000\0"), Err(Flaw::Repeated));
        let long = [b"\0\x01".as_slice(), &[b'a'; REQUEST_LIMIT], b"\0octet\0"].concat();
        assert_eq!(decode(&long), Err(Flaw::Malformed));
    }

    #[test]
    fn an_error_is_cut_to_the_room_that_there_is() {
        assert_eq!(error(2, "abcdef", 8), b"\0\x05\0\x02abc\0");
        assert_eq!(error(2, "abcdef", 0), b"\0\x05\0\x02\0");
    }
}
