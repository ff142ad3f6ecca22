//! Bodies in chunks (RFC 9112, section 7.1): a decoder without I/O, and the pieces of an encoder.
//!
//! ```text
//! 1a;extension CRLF  26 bytes CRLF  …  0 CRLF  trailer: fields CRLF  CRLF
//! ```

use bytes::{Bytes, BytesMut};

use super::status::{HttpError, Status};
use super::syntax;

/// Longest line with the size of a chunk, or of a trailer, in bytes without its end.
pub const LINE_LIMIT: usize = 4 << 10;
/// Extensions of all chunks of a body together, in bytes: nobody sends any, and they cost the sender next to nothing.
pub const EXTENSIONS_LIMIT: usize = 16 << 10;
/// Trailers of a body, in bytes.
pub const TRAILERS_LIMIT: usize = 8 << 10;
/// Largest chunk that may be declared. What is read is bounded by the caller, who counts the data.
pub const CHUNK_LIMIT: u64 = 1 << 63;

/// The last chunk, without trailers: the end of a body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// What follows the bytes of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The line in front of the bytes of a chunk. `length` is not 0: that would be the end of the body.
pub fn chunk_head(length: usize) -> String {
    debug_assert!(length > 0, "an empty chunk ends the body");
    format!("{length:x}\r\n")
}

/// What came out of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The next bytes of the body; never empty.
    Data(Bytes),
    /// The input is used up but for the front of a line.
    NeedMore,
    /// The body is complete; what is left of the input follows it.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the line with a size.
    Size,
    /// So many bytes of a chunk are left.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    Trailers,
    End,
}

/// Takes a body in chunks apart, however its bytes are split. After an error the connection is closed.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    extensions: usize,
    trailers: usize,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self { state: State::Size, extensions: 0, trailers: 0 }
    }
}

impl ChunkedDecoder {
    /// Before the first chunk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes from the front of `input` as much as one answer needs; to be called until it asks for more.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, HttpError> {
        loop {
            match self.state {
                State::End => return Ok(Decoded::End),
                State::Data(_) if input.is_empty() => return Ok(Decoded::NeedMore),
                State::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Decoded::Data(input.split_to(length).freeze()));
                }
                State::Size | State::DataEnd | State::Trailers => match take_line(input)? {
                    Some(line) => self.read_line(&line)?,
                    None => return Ok(Decoded::NeedMore),
                },
            }
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), HttpError> {
        self.state = match self.state {
            State::DataEnd if line.is_empty() => State::Size,
            State::DataEnd => return Err(HttpError::bad("a chunk is longer than it says")),
            State::Trailers if line.is_empty() => State::End,
            State::Trailers => {
                self.trailers += line.len() + 2;
                if self.trailers > TRAILERS_LIMIT {
                    return Err(HttpError::new(Status::HEADERS_TOO_LARGE, "more than 8 KiB of trailers"));
                }
                syntax::field(line)?;
                State::Trailers
            }
            _ => {
                let (size, extension) = read_size(line)?;
                self.extensions += extension;
                if self.extensions > EXTENSIONS_LIMIT {
                    return Err(HttpError::bad("more than 16 KiB of chunk extensions"));
                }
                if size == 0 { State::Trailers } else { State::Data(size) }
            }
        };
        Ok(())
    }
}

/// A line without its end, which must be CR LF; `None` while it is incomplete.
fn take_line(input: &mut BytesMut) -> Result<Option<Bytes>, HttpError> {
    let most = input.len().min(LINE_LIMIT + 2);
    let Some(end) = input[..most].iter().position(|byte| *byte == b'\n') else {
        if most == LINE_LIMIT + 2 {
            return Err(HttpError::bad("a line of the chunked body is too long"));
        }
        return Ok(None);
    };
    let mut line = input.split_to(end + 1).freeze();
    line.truncate(end);
    match line.split_last() {
        Some((b'\r', text)) if text.iter().all(|byte| syntax::is_value_byte(*byte)) => {
            Ok(Some(line.slice(..end - 1)))
        }
        Some((b'\r', _)) => Err(HttpError::bad("a line of the chunked body has control characters")),
        _ => Err(HttpError::bad("a line of the chunked body ends without CR")),
    }
}

/// The size in hexadecimal digits, and how many bytes of extensions follow it.
fn read_size(line: &[u8]) -> Result<(u64, usize), HttpError> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at(end);
    // Blanks may stand before the semicolon of an extension, and nowhere else.
    if digits.is_empty() || !(extension.is_empty() || extension.trim_ascii_start().starts_with(b";")) {
        return Err(HttpError::bad("the size of a chunk is no hexadecimal number"));
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(size) if digits.len() <= 16 && size <= CHUNK_LIMIT => Ok((size, extension.len())),
        _ => Err(HttpError::new(Status::CONTENT_TOO_LARGE, "the size of a chunk is out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Result<(Vec<u8>, usize), HttpError> {
        let (mut decoder, mut input, mut body) = (ChunkedDecoder::new(), BytesMut::from(input), Vec::new());
        loop {
            match decoder.decode(&mut input)? {
                Decoded::Data(bytes) => body.extend_from_slice(&bytes),
                Decoded::NeedMore => return Err(HttpError::bad("incomplete")),
                Decoded::End => return Ok((body, input.len())),
            }
        }
    }

    #[test]
    fn chunks_become_one_body_and_what_follows_is_left() {
        let input = b"4;a=\"b\"\r\nWiki\r\n00A \t;x\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /";
        assert_eq!(decoded(input), Ok((b"Wiki0123456789".to_vec(), 5)));
        assert_eq!(decoded(LAST_CHUNK), Ok((vec![], 0)));
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let body = vec![7; 1000];
        let whole = [chunk_head(1000).as_bytes(), &body, CHUNK_END, LAST_CHUNK].concat();
        assert_eq!(decoded(&whole), Ok((body, 0)));
    }

    #[test]
    fn row_111_bodies_that_others_may_read_differently_are_refused() {
        for (input, status) in [
            (&b"\r\n"[..], 400),
            (b"5\nhello\n0\n\n", 400),
            (b"5\r\nhello\n0\r\n\r\n", 400),
            (b"5\r\nhello0\r\n\r\n", 400),
            (b"5\r\nhello!\r\n0\r\n\r\n", 400),
            (b"5\r\nhel\r\n0\r\n\r\n\r\n", 400),
            (b"0x5\r\nhello\r\n0\r\n\r\n", 400),
            (b"+5\r\nhello\r\n0\r\n\r\n", 400),
            (b"-1\r\n", 400),
            (b" 5\r\nhello\r\n", 400),
            (b"5 \r\nhello\r\n", 400),
            (b"5 hello\r\n", 400),
            (b"g\r\n", 400),
            (b"5;a\rb\r\nhello\r\n", 400),
            (b"5;\x00\r\nhello\r\n", 400),
            (b"8000000000000001\r\n", 413),
            (b"ffffffffffffffff\r\n", 413),
            (b"10000000000000000\r\n", 413),
            (b"00000000000000001\r\na", 413),
            (b"0\r\nno field\r\n\r\n", 400),
            (b"0\r\na : b\r\n\r\n", 400),
            (b"0\r\n folded\r\n\r\n", 400),
            (b"0\r\na: b\n\r\n", 400),
            (b"0\r\n\n", 400),
        ] {
            let shown = String::from_utf8_lossy(input);
            assert_eq!(decoded(input).map_err(|error| error.status.code()), Err(status), "{shown:?}");
            assert_ne!(decoded(input), Err(HttpError::bad("incomplete")), "{shown:?}");
        }
    }

    #[test]
    fn lines_extensions_and_trailers_are_bounded() {
        let refused = |input: String| {
            let error = decoded(input.as_bytes()).unwrap_err();
            assert_ne!(error.why, "incomplete");
        };
        refused(format!("1;{}", "x".repeat(LINE_LIMIT)));
        refused(format!("1;{}\r\na\r\n", "x".repeat(4000)).repeat(5));
        refused("0\r\n".to_owned() + &format!("a: {}\r\n", "x".repeat(4000)).repeat(3));
        let longest = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(LINE_LIMIT - 2));
        assert_eq!(decoded(longest.as_bytes()), Ok((b"a".to_vec(), 0)));
    }
}
