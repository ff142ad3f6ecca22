//! What part of a representation is wanted (RFC 9110, section 14), and several parts in one body.

use std::ops::Range;

use super::syntax;

/// Most ranges of one request; more are answered with the whole, which is what the RFC advises against abuse.
pub const RANGES_LIMIT: usize = 8;

/// What a client wants of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: 200.
    Whole,
    /// These parts, none empty, in ascending order, apart from each other: 206.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// Reads the field `Range` for a representation of `size` bytes. What is invalid, out of order, overlapping or too much
/// is answered with the whole, which is always right (RFC 9110, section 14.2).
pub fn ranges(header: &str, size: u64) -> Wanted {
    let Some((unit, set)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let (mut parts, mut count): (Vec<Range<u64>>, usize) = (Vec::new(), 0);
    for element in syntax::list(set) {
        count += 1;
        if count > RANGES_LIMIT {
            return Wanted::Whole;
        }
        let part = match range(element, size) {
            Some(Wish::Part(part)) => part,
            Some(Wish::Nothing) => continue,
            Some(Wish::All) | None => return Wanted::Whole,
        };
        if parts.last().is_some_and(|last| part.start < last.end) {
            return Wanted::Whole;
        }
        parts.push(part);
    }
    match (count, parts.is_empty()) {
        (0, _) => Wanted::Whole,
        (_, true) => Wanted::Unsatisfiable,
        (_, false) => Wanted::Parts(parts),
    }
}

enum Wish {
    Part(Range<u64>),
    Nothing,
    /// The last bytes of an empty representation: wanted and there, but without a form in `Content-Range`.
    All,
}

/// `first-last`, `first-`, `-count`; `None` if it is neither.
fn range(text: &str, size: u64) -> Option<Wish> {
    let (first, last) = text.split_once('-')?;
    if first.is_empty() {
        return Some(match saturating(last)? {
            0 => Wish::Nothing,
            _ if size == 0 => Wish::All,
            count => Wish::Part(size.saturating_sub(count)..size),
        });
    }
    let first = saturating(first)?;
    let last = if last.is_empty() { u64::MAX } else { saturating(last)? };
    if last < first {
        return None;
    }
    Some(if first < size { Wish::Part(first..last.saturating_add(1).min(size)) } else { Wish::Nothing })
}

/// A number too large for its type is beyond every end.
fn saturating(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

/// `Content-Range` of a part, which is not empty.
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// `Content-Range` of a refusal with 416.
pub fn unsatisfied_range(size: u64) -> String {
    format!("bytes */{size}")
}

/// A body of several parts (RFC 9110, section 14.6):
///
/// ```text
/// CRLF --boundary CRLF  Content-Type, Content-Range CRLF CRLF  bytes  …  CRLF --boundary-- CRLF
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    /// What stands between the parts: letters and digits, at most 70, random, so that no part has it.
    pub boundary: &'a str,
    /// Of the representation.
    pub media_type: &'a str,
    /// Of the whole representation, in bytes.
    pub size: u64,
}

impl Multipart<'_> {
    /// The field `Content-Type` of the response.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// What stands before the bytes of a part.
    pub fn part_head(&self, part: &Range<u64>) -> String {
        let (boundary, media_type) = (self.boundary, self.media_type);
        let range = content_range(part, self.size);
        format!("\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n")
    }

    /// What stands behind the last part.
    pub fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    /// Bytes of the whole body.
    pub fn length(&self, parts: &[Range<u64>]) -> u64 {
        let part = |part: &Range<u64>| {
            (self.part_head(part).len() as u64).saturating_add(part.end.saturating_sub(part.start))
        };
        parts.iter().map(part).fold(self.end().len() as u64, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_111_ranges_follow_the_rfc_or_are_answered_with_the_whole() {
        let one = |start, end| Wanted::Parts(std::iter::once(start..end).collect());
        for (text, expected) in [
            ("bytes=0-99", one(0, 100)),
            ("Bytes=500-", one(500, 1000)),
            ("bytes=-200", one(800, 1000)),
            ("bytes=-5000", one(0, 1000)),
            ("bytes=900-5000", one(900, 1000)),
            ("bytes=999-999", one(999, 1000)),
            ("bytes=0-18446744073709551616", one(0, 1000)),
            ("bytes=0-0, -1", Wanted::Parts(vec![0..1, 999..1000])),
            ("bytes= 0-9 ,, 10-19", Wanted::Parts(vec![0..10, 10..20])),
            ("bytes=0-9,2000-", one(0, 10)),
            (
                "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14",
                Wanted::Parts((0..8).map(|n| 2 * n..2 * n + 1).collect()),
            ),
            ("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16", Wanted::Whole),
            ("bytes=1000-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=1000-,2000-", Wanted::Unsatisfiable),
            ("bytes=18446744073709551615-18446744073709551615", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=5-1", Wanted::Whole),
            ("bytes=0-9,5-14", Wanted::Whole),
            ("bytes=10-19,0-9", Wanted::Whole),
            ("bytes=0-,0-,0-", Wanted::Whole),
            ("bytes=0-9,x", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1-+2", Wanted::Whole),
            ("bytes=1 - 2", Wanted::Whole),
            ("bytes=1-2-3", Wanted::Whole),
            ("bytes=0x1-2", Wanted::Whole),
            ("bytes =0-1", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(ranges(text, 1000), expected, "{text}");
        }
        assert_eq!(ranges("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(ranges("bytes=-1", 0), Wanted::Whole);
        assert_eq!(ranges("bytes=0-", u64::MAX), one(0, u64::MAX));
    }

    #[test]
    fn a_body_of_parts_is_as_long_as_it_says() {
        let multipart = Multipart { boundary: "b0", media_type: "text/plain", size: 1000 };
        let parts = [0..5, 990..1000];
        let mut body = String::new();
        for part in &parts {
            body += &multipart.part_head(part);
            body += &"x".repeat((part.end - part.start) as usize);
        }
        body += &multipart.end();
        assert_eq!(body.len() as u64, multipart.length(&parts));
        assert!(
            body.contains(
                "\r\n--b0\r\nContent-Type: text/plain\r\nContent-Range: bytes 990-999/1000\r\n\r\n"
            )
        );
        assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=b0");
        assert_eq!(unsatisfied_range(7), "bytes */7");
        assert_eq!(multipart.length(&[0..u64::MAX, 0..u64::MAX]), u64::MAX);
    }
}
