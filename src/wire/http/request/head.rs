//! The head of a request as a whole, and what its fields mean together.

use super::accept;
use super::headers::Headers;
use super::host::Host;
use super::line::{self, Lines};
use super::method::{Method, Version};
use super::target::Target;
use crate::wire::http::status::{HttpError, Status};
use crate::wire::http::syntax;

/// How long the body of a request is (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// So many bytes; more than 0.
    Exact(u64),
    /// As the chunks say.
    Chunked,
}

/// The head of a request that only one reading is possible of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub target: Target,
    /// The version of the client.
    pub version: Version,
    /// All fields.
    pub headers: Headers,
    body: BodyLength,
}

impl RequestHead {
    /// Reads a head from the front of what was received, and tells how many bytes it has. `None`: more is needed. A head
    /// that is not complete within [`HEAD_LIMIT`] is refused, and so is whatever is not plainly right.
    ///
    /// [`HEAD_LIMIT`]: crate::wire::http::HEAD_LIMIT
    pub fn read(front: &[u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let Some(lines) = Lines::find(front)? else { return Ok(None) };
        let (first, fields) = lines.split();
        let (method, target, version) = line::read(first)?;
        let mut headers = Headers::default();
        for line in fields {
            headers.read_line(line)?;
        }
        check_host(version, &headers)?;
        let body = body_length(version, &headers)?;
        check_expectations(version, &headers)?;
        Ok(Some((Self { method, target, version, headers, body }, lines.length)))
    }

    /// How long the body is.
    pub const fn body(&self) -> BodyLength {
        self.body
    }

    /// True if another request may follow on the connection (RFC 9112, section 9.3).
    pub fn keeps_alive(&self) -> bool {
        let says = |word| self.headers.has_element("connection", word);
        !says("close") && (self.version >= Version::Http11 || says("keep-alive"))
    }

    /// True if the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.version >= Version::Http11
            && self.body != BodyLength::Empty
            && self.headers.has_element("expect", CONTINUE)
    }

    /// Of whom it is requested: an absolute target outranks the field (RFC 9112, section 3.2.2). `None` only for a client
    /// of HTTP/1.0 that does not say.
    pub fn host(&self) -> Option<Host<'_>> {
        self.target.host().or_else(|| Host::read(self.headers.get("host")?).ok())
    }

    /// True if the client would rather have this media type than a page: false for browsers, and for those that take
    /// whatever there is.
    pub fn accepts(&self, media_type: &str) -> bool {
        accept::is_preferred(self.headers.all("accept"), media_type, "text/html")
    }
}

const CONTINUE: &str = "100-continue";

fn check_host(version: Version, headers: &Headers) -> Result<(), HttpError> {
    match headers.only("host", "more than one Host")? {
        Some(host) => Host::read(host).map(drop),
        None if version >= Version::Http11 => Err(HttpError::bad("there is no Host")),
        None => Ok(()),
    }
}

/// What decides where the next request begins must have one reading only (RFC 9112, sections 6.1 to 6.3).
fn body_length(version: Version, headers: &Headers) -> Result<BodyLength, HttpError> {
    let length = headers.only("content-length", "more than one Content-Length")?;
    let coding = headers.only("transfer-encoding", "more than one Transfer-Encoding")?;
    match (length, coding) {
        (Some(_), Some(_)) => Err(HttpError::bad("Content-Length and Transfer-Encoding together")),
        (None, Some(_)) if version < Version::Http11 => Err(HttpError::bad("Transfer-Encoding in HTTP/1.0")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(BodyLength::Chunked),
        (None, Some(_)) => {
            Err(HttpError::new(Status::NOT_IMPLEMENTED, "the only Transfer-Encoding here is chunked"))
        }
        (Some(length), None) => match syntax::digits(length) {
            Some(0) => Ok(BodyLength::Empty),
            Some(length) => Ok(BodyLength::Exact(length)),
            None => Err(HttpError::bad("the Content-Length is no number of bytes")),
        },
        (None, None) => Ok(BodyLength::Empty),
    }
}

/// HTTP/1.0 does not know the field: there it says nothing (RFC 9110, section 10.1.1).
fn check_expectations(version: Version, headers: &Headers) -> Result<(), HttpError> {
    let mut expectations = headers.all("expect").flat_map(syntax::list);
    if version < Version::Http11 || expectations.all(|word| word.eq_ignore_ascii_case(CONTINUE)) {
        Ok(())
    } else {
        Err(HttpError::new(Status::EXPECTATION_FAILED, "the only expectation known is 100-continue"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> RequestHead {
        let (head, length) = RequestHead::read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn a_head_of_a_browser_is_read() {
        let text =
            "GET /film.mp4?x HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\nRange: bytes=0-\r\n\r\n";
        let (head, length) = RequestHead::read(format!("{text}next").as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        assert_eq!((head.method, head.version), (Method::Get, Version::Http11));
        assert_eq!(head.headers.get("RANGE"), Some("bytes=0-"));
        assert_eq!(head.host(), Some(Host { name: "localhost", port: Some(8080) }));
        assert!(head.keeps_alive() && head.body() == BodyLength::Empty && !head.expects_continue());
    }

    #[test]
    fn one_empty_line_before_the_request_is_skipped() {
        assert_eq!(head("\r\nGET / HTTP/1.0\r\n\r\n").version, Version::Http10);
        assert!(RequestHead::read(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n").is_err());
    }

    #[test]
    fn connections_are_kept_as_the_version_and_the_field_say() {
        for (version, field, keeps) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: a, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ] {
            let head = head(&format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n"));
            assert_eq!(head.keeps_alive(), keeps, "{version} {field}");
        }
    }

    #[test]
    fn bodies_are_as_long_as_the_head_says() {
        let put = |field: &str| head(&format!("PUT /a HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
        assert_eq!(put("").body(), BodyLength::Empty);
        assert_eq!(put("Content-Length: 0\r\n").body(), BodyLength::Empty);
        assert_eq!(put("Content-Length: 007\r\n").body(), BodyLength::Exact(7));
        assert_eq!(put("transfer-encoding: CHUNKED\r\n").body(), BodyLength::Chunked);
        let waiting = put("Content-Length: 5\r\nExpect: 100-Continue\r\n");
        assert!(waiting.expects_continue() && !put("Expect: 100-continue\r\n").expects_continue());
    }

    #[test]
    fn the_host_of_an_absolute_target_counts() {
        let head = head("GET http://a:1/ HTTP/1.1\r\nHost: b\r\n\r\n");
        assert_eq!(head.host(), Some(Host { name: "a", port: Some(1) }));
    }
}
