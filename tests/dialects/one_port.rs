//! One port: who is there is told from the first bytes, or from silence.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{answer_in_reserve, exchange, run, status};
use crate::harness::{LIMIT, Lab, eventually, has};

fn connect(address: &str) -> (TcpStream, BufReader<TcpStream>) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let reader = BufReader::new(stream.try_clone().unwrap());
    (stream, reader)
}

#[test]
fn row_110_a_client_that_waits_to_be_spoken_to_is_greeted_and_may_still_be_anybody() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    for (listen, greeting, ask, told) in [
        ("listen tcp 0 calc", "* nls: a calculator", "7 % 3\n", "1\n"),
        ("listen tcp 0 ftp root root", "220 nls: files", "NOOP\r\n", "200 here\r\n"),
    ] {
        let (_server, address) = lab.server(listen);
        let (mut stream, mut reader) = connect(&address);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with(greeting), "{line}");
        stream.write_all(ask.as_bytes()).unwrap();
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, told);
        // A client of ours whose first packet was slow.
        let (mut late, mut reader) = connect(&address);
        line.clear();
        reader.read_line(&mut line).unwrap();
        late.write_all(b"\x8bNLS\x07\x02\0\0").unwrap();
        let mut preface = [0; 8];
        reader.read_exact(&mut preface).unwrap();
        assert_eq!(&preface[..4], b"\x8bNLS");
    }
}

#[test]
fn row_110_what_a_browser_keeps_in_reserve_is_not_greeted_and_answers_its_next_request() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    for listen in ["listen tcp 0 calc", "listen tcp 0 ftp root root"] {
        let (_server, address) = lab.server(listen);
        let ask = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n"
        );
        // Nobody knows yet that there are browsers here.
        let (mut first, mut reader) = connect(&address);
        let mut greeting = String::new();
        reader.read_line(&mut greeting).unwrap();
        first.write_all(format!("PUT /late HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "an answer behind a greeting is none");
        assert!(!lab.path("root/late").exists(), "and nothing was done");
        // Now it is known.
        let answer = answer_in_reserve(&address, &ask);
        assert_eq!(status(&answer), 200, "{answer}");
        // Whoever waits there to be spoken to waits longer, but not in vain.
        let (_patient, mut reader) = connect(&address);
        let mut late = String::new();
        reader.read_line(&mut late).unwrap();
        assert_eq!(late, greeting);
    }
}

#[test]
fn tls_is_answered_with_an_alert() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 ftp");
    let (mut stream, mut reader) = connect(&address);
    stream.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    let mut alert = Vec::new();
    reader.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [0x15, 3, 1, 0, 2, 2, 40]);
}

#[test]
fn dialects_can_be_turned_off() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    let (_server, address) = lab.server("listen tcp 0 ftp root root dialects own");
    let answer = exchange(&address, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(status(&answer) == 403 && answer.contains("does not speak http"), "{answer}");
    let answer = exchange(&address, b"USER anonymous\r\n");
    assert!(answer.contains("does not speak"), "{answer}");
    lab.nls(&format!("get a from {address} to copy")).success();
    let (_server, address) = lab.server("listen tcp 0 ftp root root dialects http");
    assert_eq!(
        status(&exchange(&address, b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")),
        200
    );
    lab.nls(&format!("get a from {address} to other")).fails(1, "does not speak own");
    let refused = lab.nls("listen tcp 0 ftp dialects own,gopher");
    assert!(refused.code == Some(2) && refused.err.contains("gopher"), "{refused:?}");
}

#[test]
fn row_112_another_user_of_this_machine_gets_nothing_over_http_either() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    if !rustix::process::geteuid().is_root() || !has("setpriv") || !has("curl") {
        eprintln!("SKIPPED: only root can be another user");
        return;
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output =
        run(&lab, "setpriv", &[&nobody[..], &["curl", "-s", "-i", &format!("http://{address}/a")]].concat());
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(status(&answer) == 403 && !answer.contains("\r\n\r\nx"), "{answer}");
    eventually("the owner is served", || {
        status(&exchange(&address, b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")) == 200
    });
}
