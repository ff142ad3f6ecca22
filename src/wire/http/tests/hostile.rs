//! Requests that are refused, and those near by that are not.

use crate::wire::http::{HEAD_LIMIT, HEADERS_LIMIT, RequestHead, TARGET_LIMIT};

/// What the connection brings, and the status of the refusal; 200 for what is read.
pub(super) const ROWS: &[(&[u8], u16)] = &[
    // What must work.
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET / HTTP/1.0\r\n\r\n", 200),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"PROPFIND /a HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    (b"GET /a[1]?q=%F0%9F%98%80 HTTP/1.1\r\nhost:a\r\n\r\n", 200),
    (b"GET / HTTP/1.1\r\nHost:\t[::1]:8080 \t\r\nX:\r\n\r\n", 200),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n\r\n", 200),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n", 200),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 200),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", 200),
    (b"PUT /a HTTP/1.0\r\nExpect: anything\r\nContent-Length: 1\r\n\r\n", 200),
    // Ends of lines.
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    (b"GET / HTTP/1.1\rHost: a\r\r", 400),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // The request line.
    (b"GET /\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1a\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/+.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\n\r\n", 505),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"HTTP/1.1 200 OK\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", 400),
    // Targets.
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET ../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /?q=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /?a=%u0041 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Fields.
    (b"GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\x00Y: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", 400),
    // Hosts.
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    // Lengths: what request smuggling is made of.
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5 0\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n : chunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\xa0\r\n\r\n", 501),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 501),
    // Expectations.
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 1\r\n\r\n", 417),
];

/// 200 for a head that was read, 0 for one that is incomplete.
fn status(request: &[u8]) -> u16 {
    match RequestHead::read(request) {
        Ok(Some(_)) => 200,
        Ok(None) => 0,
        Err(error) => error.status.code(),
    }
}

#[test]
fn row_111_what_can_be_read_in_two_ways_is_refused() {
    for (request, expected) in ROWS {
        assert_eq!(status(request), *expected, "{}", request.escape_ascii());
    }
}

#[test]
fn row_111_heads_are_bounded_in_every_direction() {
    let with = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let path = |length: usize| "/".to_owned() + &"a".repeat(length - 1);
    assert_eq!(status(with(&path(TARGET_LIMIT), "").as_bytes()), 200);
    assert_eq!(status(with(&path(TARGET_LIMIT + 1), "").as_bytes()), 414);
    // Long before its end is known.
    assert_eq!(status(format!("GET {}", path(TARGET_LIMIT + 80)).as_bytes()), 414);
    assert_eq!(status(with("/", &"X: y\r\n".repeat(HEADERS_LIMIT - 1)).as_bytes()), 200);
    assert_eq!(status(with("/", &"X: y\r\n".repeat(HEADERS_LIMIT)).as_bytes()), 431);

    let room = HEAD_LIMIT - with("/", "X: \r\n").len();
    let full = |length: usize| with("/", &format!("X: {}\r\n", "y".repeat(length)));
    assert_eq!(status(full(room).as_bytes()), 200);
    assert_eq!(status(full(room + 1).as_bytes()), 431);
    assert_eq!(status(&full(room + 1).as_bytes()[..HEAD_LIMIT - 1]), 0);
    assert_eq!(status(&full(room + 1).as_bytes()[..HEAD_LIMIT]), 431);
}

#[test]
fn a_head_is_waited_for_only_while_it_may_become_one() {
    for front in ["", "\r", "\r\n", "GET", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        assert_eq!(status(front.as_bytes()), 0, "{front:?}");
    }
    for front in ["\n", "\rG", "GET /\0", "GET / HTTP/1.1\r\nHost: a\rX", "\x16"] {
        assert_eq!(status(front.as_bytes()), 400, "{front:?}");
    }
}
