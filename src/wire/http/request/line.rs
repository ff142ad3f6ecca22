//! Where the head of a request ends, and its first line.

use super::method::{Method, Version};
use super::target::Target;
use crate::wire::http::status::{HttpError, Status};
use crate::wire::http::{HEAD_LIMIT, TARGET_LIMIT, syntax};

/// Longest request line, in bytes: a target with room for a method and a version.
const LINE_LIMIT: usize = TARGET_LIMIT + 64;
/// Refused before its head is complete: what does not speak HTTP is not waited for.
const CONTROL: HttpError = HttpError::bad("the head has control characters or bare line ends");

/// The lines of a complete head, and where it ends.
pub(super) struct Lines<'a> {
    /// Between the empty line that may stand before (RFC 9112, section 2.2) and the one that ends it.
    text: &'a [u8],
    /// Bytes of the head with both.
    pub(super) length: usize,
}

impl<'a> Lines<'a> {
    /// `None` while the head is incomplete. What the answer is does not depend on how the bytes are split: the first
    /// byte that cannot be right decides.
    pub(super) fn find(front: &'a [u8]) -> Result<Option<Self>, HttpError> {
        let start = if front.starts_with(b"\r\n") { 2 } else { 0 };
        let (mut line, mut is_first) = (start, true);
        for (at, byte) in front.iter().enumerate().skip(start).take(HEAD_LIMIT - start) {
            if is_first && at - line > LINE_LIMIT {
                return Err(HttpError::new(Status::URI_TOO_LONG, "the request line is too long"));
            }
            match byte {
                b'\n' if at > line && front[at - 1] == b'\r' => {
                    if at == line + 1 {
                        return Self::complete(front, start, at);
                    }
                    (line, is_first) = (at + 1, false);
                }
                b'\n' => return Err(CONTROL),
                _ if at > line && front[at - 1] == b'\r' => return Err(CONTROL),
                b'\r' => {}
                byte if !syntax::is_value_byte(*byte) => return Err(CONTROL),
                _ => {}
            }
        }
        if front.len() < HEAD_LIMIT {
            return Ok(None);
        }
        Err(HttpError::new(Status::HEADERS_TOO_LARGE, "the head is larger than 16 KiB"))
    }

    /// `at` is the last byte of the empty line.
    fn complete(front: &'a [u8], start: usize, at: usize) -> Result<Option<Self>, HttpError> {
        match front.get(start..at - 1) {
            Some(text) if !text.is_empty() => Ok(Some(Self { text, length: at + 1 })),
            _ => Err(HttpError::bad("the request line is empty")),
        }
    }

    /// The request line and the lines of fields.
    pub(super) fn split(&self) -> (&'a [u8], impl Iterator<Item = &'a [u8]> + use<'a>) {
        // Every line has its end, and each CR stands before an LF: both were held above.
        let text = self.text;
        let mut lines = text.strip_suffix(b"\r\n").unwrap_or(text).split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let plain = |line: &'a [u8]| line.strip_suffix(b"\r").unwrap_or(line);
        (plain(first), lines.map(plain))
    }
}

/// `method SP target SP version`, with single spaces (RFC 9112, section 3).
pub(super) fn read(line: &[u8]) -> Result<(Method, Target, Version), HttpError> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HttpError::bad("the request line is not `method target version`"));
    };
    if !syntax::is_token(method) {
        return Err(HttpError::bad("the method is no token"));
    }
    // Before the target: that of HTTP/2's preface would be refused for another reason than its version.
    let version = Version::read(version)?;
    let method = Method::of(method);
    Ok((method, Target::read(target, method)?, version))
}
