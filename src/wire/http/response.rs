//! The head of a response (RFC 9112, section 4).

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::request::Version;
use super::status::Status;
use super::syntax;

/// The interim response to a client that waits before it sends a body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What `Server` says: no version, which would tell an attacker more than a user.
const SERVER: &str = "nls";
/// Fields that most answers have room for at once.
const FIELDS: usize = 12;

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    /// By the end of the connection.
    End,
}

/// The head of a response: a status and fields.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: Status,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    framing: Framing,
    closes: bool,
}

impl ResponseHead {
    /// Without fields of its own. Without [`Self::length`] or [`Self::chunked`] the body ends with the connection.
    pub fn new(status: Status) -> Self {
        Self { status, fields: Vec::with_capacity(FIELDS), framing: Framing::End, closes: false }
    }

    /// With a field more. A value from a peer is made safe by its caller; should it have control characters all the
    /// same, they are replaced: nothing splits a head.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = value.into();
        debug_assert!(syntax::is_token(name.as_bytes()), "`{name}` is no name of a field");
        debug_assert!(
            !value.chars().any(is_control),
            "the value of {name} has control characters: {value:?}"
        );
        self.fields.push((name, cleaned(value)));
        self
    }

    /// The body has so many bytes; for HEAD, those that GET would get.
    pub fn length(mut self, bytes: u64) -> Self {
        self.framing = Framing::Length(bytes);
        self
    }

    /// The body comes in chunks, to a client that knows them.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Whether the connection is closed after it.
    pub fn close(mut self, closes: bool) -> Self {
        self.closes = closes;
        self
    }

    /// The status.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// True if the body must be sent in chunks; to a client of HTTP/1.0 it goes as it is and ends with the connection.
    pub fn is_chunked(&self, version: Version) -> bool {
        self.framing == Framing::Chunked && version >= Version::Http11 && !self.status.is_bodiless()
    }

    /// True if the connection must be closed after the body: as asked, or because nothing else tells its end.
    pub fn closes(&self, version: Version) -> bool {
        let has_end = self.status.is_bodiless()
            || matches!(self.framing, Framing::Length(_))
            || self.is_chunked(version);
        self.closes || !has_end
    }

    /// Appends the head to `out`. `date` is that of [`super::date::format`], `version` that of the request.
    pub fn encode(&self, version: Version, date: &str, out: &mut BytesMut) {
        let status = self.status;
        out.put_slice(format!("HTTP/1.1 {} {}\r\n", status.code(), status.reason()).as_bytes());
        put(out, "Server", SERVER);
        put(out, "Date", date);
        for (name, value) in &self.fields {
            put(out, name, value);
        }
        match self.framing {
            // RFC 9110, section 8.6: not with these; 304 may tell the length of what it stands for.
            Framing::Length(_) if status.is_bodiless() && status != Status::NOT_MODIFIED => {}
            Framing::Length(bytes) => put(out, "Content-Length", &bytes.to_string()),
            Framing::Chunked if self.is_chunked(version) => put(out, "Transfer-Encoding", "chunked"),
            Framing::Chunked | Framing::End => {}
        }
        if self.closes(version) {
            put(out, "Connection", "close");
        } else if version < Version::Http11 {
            put(out, "Connection", "keep-alive");
        }
        out.put_slice(b"\r\n");
    }
}

fn put(out: &mut BytesMut, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.put_slice(part.as_bytes());
    }
}

/// What could end a line for anybody; the tab cannot.
fn is_control(c: char) -> bool {
    c.is_control() && c != '\t'
}

fn cleaned(value: Cow<'static, str>) -> Cow<'static, str> {
    // Most values are seen to be clean by their bytes.
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain && value.chars().any(is_control) { value.replace(is_control, "?").into() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(head: &ResponseHead, version: Version) -> String {
        let mut out = BytesMut::new();
        head.encode(version, "Sun, 06 Nov 1994 08:49:37 GMT", &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_head_is_written_in_order() {
        let head = ResponseHead::new(Status::OK).with("Content-Type", "text/plain").length(5);
        assert_eq!(
            encoded(&head, Version::Http11),
            "HTTP/1.1 200 OK\r\nServer: nls\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
        );
    }

    #[test]
    fn the_end_of_every_body_can_be_found() {
        let head = || ResponseHead::new(Status::OK);
        let (new, old) = (Version::Http11, Version::Http10);
        for (head, version, fields, closes) in [
            (head().chunked(), new, "Transfer-Encoding: chunked\r\n\r\n", false),
            (head().chunked(), old, "GMT\r\nConnection: close\r\n\r\n", true),
            (head().length(1), old, "Content-Length: 1\r\nConnection: keep-alive\r\n\r\n", false),
            (head().length(1).close(true), new, "Content-Length: 1\r\nConnection: close\r\n\r\n", true),
            (head(), new, "GMT\r\nConnection: close\r\n\r\n", true),
            (ResponseHead::new(Status::NO_CONTENT).length(0), new, "GMT\r\n\r\n", false),
            (ResponseHead::new(Status::NOT_MODIFIED).chunked(), new, "GMT\r\n\r\n", false),
            (ResponseHead::new(Status::NOT_MODIFIED).length(9), new, "Content-Length: 9\r\n\r\n", false),
        ] {
            let text = encoded(&head, version);
            assert!(text.ends_with(fields), "{text}");
            assert_eq!(head.closes(version), closes, "{text}");
        }
    }

    #[test]
    fn no_value_splits_a_head() {
        assert_eq!(cleaned("a\r\nSet-Cookie: b\0\u{85}\t".into()), "a??Set-Cookie: b??\t");
        assert_eq!(cleaned("plain".into()), "plain");
    }
}
