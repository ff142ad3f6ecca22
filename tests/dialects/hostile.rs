//! Requests that mean harm get an error and nothing else (faults.md rows 20 to 24 and 111): nothing is stored, nothing
//! from outside is sent, and the server goes on.

use super::{exchange, status};
use crate::harness::{Lab, names};

const HOST: &str = "Host: 127.0.0.1\r\n";

/// Each is a whole connection.
fn requests() -> Vec<String> {
    let mut all = Vec::new();
    // Traversal, in every spelling.
    for path in [
        "/../secret",
        "/..",
        "/../",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/sub/..%2f..%2fsecret",
        "/./../secret",
        "//secret",
        "///etc/passwd",
        "/sub//../../secret",
        "/%00",
        "/secret%00.txt",
        "/%c0%ae%c0%ae/secret",
        "/..%5csecret",
        "/sub/%2e/%2e%2e/%2e%2e/secret",
        "/%252e%252e/secret",
        "/out",
        "/outdir/secret",
        "/.hidden",
        "/sub/.hidden",
        "/a.txt/",
        "/a.txt/x",
    ] {
        all.push(format!("GET {path} HTTP/1.1\r\n{HOST}\r\n"));
        all.push(format!("PUT {path} HTTP/1.1\r\n{HOST}Content-Length: 1\r\n\r\nx"));
    }
    // Smuggling: one request for us, another for somebody in front of us.
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n\r\nxxxx",
        "Content-Length: 4\r\nContent-Length: 4\r\n\r\nxxxx",
        "Content-Length: 4, 4\r\n\r\nxxxx",
        "Content-Length: +4\r\n\r\nxxxx",
        "Content-Length: -1\r\n\r\nxxxx",
        "Content-Length: 0x4\r\n\r\nxxxx",
        "Content-Length: 4 4\r\n\r\nxxxx",
        "Content-Length: 99999999999999999999\r\n\r\nxxxx",
        "Content-Length : 4\r\n\r\nxxxx",
        " Content-Length: 4\r\n\r\nxxxx",
        "X: y\r\n Content-Length: 4\r\n\r\nxxxx",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nxxxx",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4;\x01\r\nxxxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x4\r\nxxxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-4\r\nxxxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\nxxxx\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nxxxxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        "X\x00Y: z\r\n\r\n",
        "X: a\x00b\r\n\r\n",
        "X: a\rb\r\n\r\n",
        ": empty\r\n\r\n",
        "no colon\r\n\r\n",
        "Host: other\r\n\r\n",
        "Expect: something\r\n\r\n",
    ] {
        all.push(format!("PUT /new HTTP/1.1\r\n{HOST}{fields}"));
    }
    // Request lines.
    for line in [
        "GET  / HTTP/1.1",
        "GET /\t HTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET / HTTP/2.0",
        "GET / HTTP/9.9",
        "GET / http/1.1",
        "GET /a b HTTP/1.1",
        "GET a.txt HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1",
        "GET https://127.0.0.1/ HTTP/1.1",
        "GET ftp://127.0.0.1/ HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET /%f HTTP/1.1",
        "GET /\u{fc} HTTP/1.1",
        "DELETE /a.txt HTTP/1.1",
        "POST /a.txt HTTP/1.1",
        "PATCH /a.txt HTTP/1.1",
        "TRACE / HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "MKCOL /new HTTP/1.1",
        "MOVE /a.txt HTTP/1.1",
    ] {
        all.push(format!("{line}\r\n{HOST}\r\n"));
    }
    // Who is asked, and who asks.
    for fields in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: 127.0.0.1:99999\r\n",
        "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: null\r\n",
        "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: evil.example\r\nOrigin: http://evil.example\r\n",
    ] {
        all.push(format!("PUT /new HTTP/1.1\r\n{fields}Content-Length: 1\r\n\r\nx"));
    }
    all.push(format!("PUT /new HTTP/1.1\r\n{HOST}Content-Range: bytes 0-0/9\r\nContent-Length: 1\r\n\r\nx"));
    all.push(format!("PUT /new HTTP/1.1\r\n{HOST}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"));
    all.push(format!("PUT /new HTTP/1.1\r\n{HOST}If-Match: \"x\"\r\nContent-Length: 1\r\n\r\nx"));
    all.push(format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "a".repeat(9000)));
    all.push(format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "X: y\r\n".repeat(65)));
    all.push(format!("GET / HTTP/1.1\r\n{HOST}X: {}\r\n\r\n", "y".repeat(17 << 10)));
    all
}

#[test]
fn row_111_more_than_a_hundred_hostile_requests_get_an_error_and_nothing_else() {
    let lab = Lab::new();
    lab.write("secret", "TOP SECRET");
    lab.write("root/a.txt", "hello\n");
    lab.write("root/.hidden", "TOP SECRET");
    lab.write("root/sub/.hidden", "TOP SECRET");
    std::os::unix::fs::symlink(lab.path("secret"), lab.path("root/out")).unwrap();
    std::os::unix::fs::symlink(lab.folder.path(), lab.path("root/outdir")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let before = names(&lab.path("root"));
    let requests = requests();
    assert!(requests.len() > 100, "{}", requests.len());
    for request in requests {
        let answer = exchange(&address, request.as_bytes());
        assert!(!answer.contains("TOP SECRET"), "{request:?}: {answer}");
        assert!((400..600).contains(&status(&answer)), "{request:?}: {answer}");
        assert_eq!(answer.matches("\r\nServer: nls\r\n").count(), 1, "one answer to {request:?}: {answer}");
        assert_eq!(names(&lab.path("root")), before, "{request:?}");
    }
    assert_eq!(std::fs::read_to_string(lab.path("secret")).unwrap(), "TOP SECRET");
    let answer =
        exchange(&address, format!("GET /a.txt HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n").as_bytes());
    assert!(status(&answer) == 200 && answer.ends_with("hello\n"), "it goes on: {answer}");
}

#[test]
fn row_111_bad_ranges_are_answered_with_the_whole_or_refused() {
    let lab = Lab::new();
    lab.write("root/a.txt", "hello\n");
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let many = format!("bytes={}", (0..500).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(","));
    for (range, expected) in [
        ("bytes=9-", 416),
        ("bytes=-0", 416),
        ("bytes=5-1", 200),
        ("bytes=0-0,0-0,0-0", 200),
        ("bytes=18446744073709551615-", 416),
        ("bytes=0-99999999999999999999999", 206),
        ("bytes=a-b", 200),
        ("lines=0-1", 200),
        (&many, 200),
    ] {
        let request = format!("GET /a.txt HTTP/1.1\r\n{HOST}Range: {range}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&address, request.as_bytes());
        assert_eq!(status(&answer), expected, "{range}: {answer}");
    }
}
