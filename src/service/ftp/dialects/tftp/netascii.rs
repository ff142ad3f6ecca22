//! The mode `netascii` (RFC 1350, section 1; RFC 764): on the way, a line ends with CR LF, and a CR that ends none is CR NUL.
//! Here lines end with LF. Pure.

const LF: u8 = b'\n';
const CR: u8 = b'\r';
const NUL: u8 = 0;

/// Appends the bytes as they travel.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match *byte {
            LF => out.extend_from_slice(&[CR, LF]),
            CR => out.extend_from_slice(&[CR, NUL]),
            other => out.push(other),
        }
    }
}

/// Reads bytes as they come; a block may end inside a pair.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The last byte was a CR whose second half has not come.
    is_open: bool,
}

impl Decoder {
    /// Appends the bytes of the file. A CR that means nothing stays a CR: clients are not strict.
    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            match (std::mem::replace(&mut self.is_open, byte == CR), byte) {
                (true, LF) => out.push(LF),
                (true, NUL) => out.push(CR),
                (true, CR) => out.push(CR),
                (true, other) => out.extend_from_slice(&[CR, other]),
                (false, CR) => {}
                (false, other) => out.push(other),
            }
        }
    }

    /// No more bytes come.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_open) {
            out.push(CR);
        }
    }
}

/// What is encoded comes back, however it is divided; and no bytes are too strange to be read. For the fuzzer.
pub(super) fn check(bytes: &[u8]) {
    let decoded = |pieces: [&[u8]; 2]| {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        pieces.into_iter().for_each(|piece| decoder.decode(piece, &mut out));
        decoder.end(&mut out);
        out
    };
    assert_eq!(decoded([bytes, b""]), decoded(bytes.split_at(bytes.len() / 2).into()));
    let mut encoded = Vec::new();
    encode(bytes, &mut encoded);
    assert_eq!(decoded(encoded.split_at(encoded.len() / 3).into()), bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(bytes, &mut out);
        out
    }

    fn decoded(bytes: &[u8], length: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        bytes.chunks(length).for_each(|block| decoder.decode(block, &mut out));
        decoder.end(&mut out);
        out
    }

    #[test]
    fn line_ends_are_translated_both_ways_wherever_a_block_ends() {
        assert_eq!(encoded(b"a\nb\rc\r\n"), b"a\r\nb\r\0c\r\0\r\n");
        for text in [&b"a\nb\rc\r\n"[..], b"", b"\r", b"\n\n\r\r", b"\0\r\0\n", b"plain"] {
            for length in 1..6 {
                assert_eq!(decoded(&encoded(text), length), text, "{length}");
            }
        }
    }

    #[test]
    fn a_cr_that_means_nothing_stays() {
        for length in 1..4 {
            assert_eq!(decoded(b"a\rb\r\r\nc\r", length), b"a\rb\r\nc\r");
        }
    }
}
