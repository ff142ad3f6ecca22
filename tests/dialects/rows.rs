//! Rows of faults.md that hold for our own protocol, over HTTP and FTP (row 111).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::ftp::{Client, not_to_be_seen, server};
use super::{exchange, status};
use crate::harness::{LIMIT, Lab, Running, eventually, names};

/// Asks over HTTP, and reads to the end.
fn http(address: &str, line: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}Connection: close\r\n\r\n{body}");
    exchange(address, request.as_bytes())
}

/// What an answer over HTTP holds.
fn content(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn row_20_22_and_57_over_http_what_is_outside_hidden_or_special_is_missing_like_any_other() {
    let lab = Lab::new();
    not_to_be_seen(&lab);
    let (_server, address) = server(&lab, "");
    let missing = http(&address, "GET /nothing", "");
    assert_eq!(status(&missing), 404);
    let own = lab.folder.path().to_str().unwrap();
    for path in ["/out/passwd", "/link", "/.hidden", "/fifo", "/d/a/b", "/out/"] {
        let answer = http(&address, &format!("GET {path}"), "");
        assert_eq!(status(&answer), 404, "{path}: {answer}");
        assert!(!answer.contains(own) && !answer.contains("secret"), "{path}: {answer}");
        // Nothing but the name differs.
        let name = path.trim_matches('/');
        let word = |answer: &str, name: &str| content(answer).replace(name, "…");
        assert_eq!(word(&answer, name), word(&missing, "nothing"), "{path}");
    }
    for path in ["/../secret", "/%2e%2e/secret", "/d/..%2f..%2fsecret", "/d/%00", "//etc/passwd"] {
        let answer = http(&address, &format!("GET {path}"), "");
        assert!((400..500).contains(&status(&answer)) && !answer.contains(own), "{path}: {answer}");
    }
    for path in ["/out/new", "/.new", "/../new", "/fifo", "/link", "/d"] {
        let answer = http(&address, &format!("PUT {path}"), "x");
        assert!((400..500).contains(&status(&answer)) && !answer.contains(own), "{path}: {answer}");
    }
    assert_eq!(names(&lab.path("root/d")), ["a"]);
    assert_eq!(std::fs::read(lab.path("secret")).unwrap(), b"secret");
}

#[test]
fn row_23_over_http_and_ftp_a_link_in_the_way_is_not_written_through() {
    let lab = Lab::new();
    lab.write("root/old", "old");
    std::fs::hard_link(lab.path("root/old"), lab.path("root/hard")).unwrap();
    symlink("old", lab.path("root/soft")).unwrap();
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    for name in ["soft", "hard", "old"] {
        let answer = http(&address, &format!("PUT /{name}"), "other");
        assert!((400..500).contains(&status(&answer)), "{name}: {answer}");
        let reply = client.put(name, b"other");
        assert!(reply.starts_with("55"), "{name}: {reply}");
    }
    assert_eq!(std::fs::read(lab.path("root/old")).unwrap(), b"old");
}

#[test]
fn row_58_over_http_and_ftp_a_long_folder_is_whole_in_the_same_order_and_a_readonly_one_says_so() {
    let lab = Lab::new();
    for n in 0..5000 {
        lab.write(&format!("root/d/file {n}"), "");
    }
    let (_server, address) = server(&lab, "readonly");
    let list = || {
        let request =
            "GET /d/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
        let answer = exchange(&address, request.as_bytes());
        assert_eq!(status(&answer), 200);
        answer.matches("\"file ").count()
    };
    assert_eq!((list(), list()), (5000, 5000));
    let mut client = Client::new(&address);
    let names = client.get("NLST d");
    assert_eq!(names.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 5000);
    assert!(client.get("NLST d") == names, "another order");
    let answer = http(&address, "PUT /new", "x");
    assert!(status(&answer) == 403 && answer.contains("readonly"), "{answer}");
    let reply = client.put("new", b"x");
    assert!(reply.starts_with("55") && reply.contains("readonly"), "{reply}");
}

#[test]
fn row_59_over_http_and_ftp_a_file_that_is_replaced_while_it_is_served_is_served_as_it_was() {
    let lab = Lab::new();
    // More than the buffers of the kernel hold.
    let size = 48 << 20;
    let old = std::fs::read(lab.random("root/a", size, 1)).unwrap();
    let (_server, address) = server(&lab, "");
    let mut over_http = TcpStream::connect(&address).unwrap();
    over_http.write_all(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    over_http.set_read_timeout(Some(LIMIT)).unwrap();
    let mut first = [0; 1000];
    over_http.read_exact(&mut first).unwrap();
    let mut over_ftp = Client::new(&address);
    let mut data = over_ftp.begin("RETR a");
    let mut begun = [0; 1000];
    data.read_exact(&mut begun).unwrap();
    std::fs::rename(lab.random("root/new", 1000, 2), lab.path("root/a")).unwrap();
    let (mut answer, mut file) = (first.to_vec(), begun.to_vec());
    over_http.read_to_end(&mut answer).unwrap();
    data.read_to_end(&mut file).unwrap();
    assert!(answer.ends_with(&old), "{} bytes over HTTP", answer.len());
    assert!(file == old, "{} bytes over FTP", file.len());
}

#[test]
fn row_60_over_http_a_client_too_many_is_told_so_and_when_to_come_again() {
    let lab = Lab::new();
    lab.write("root/a", "a");
    let (_server, address) = server(&lab, "max 1");
    let mut first = Client::new(&address);
    let answer = http(&address, "GET /a", "");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("Retry-After: 5\r\n") && answer.contains("busy: 1 of 1 clients"), "{answer}");
    first.ask("QUIT", "221");
    eventually("there is a place again", || status(&http(&address, "GET /a", "")) == 200);
}

#[test]
fn row_61_and_62_over_http_and_ftp_who_says_nothing_takes_no_place_and_descriptors_come_back() {
    let lab = Lab::new();
    lab.write("root/a", "a");
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    let script = "ulimit -n 96; exec \"$1\" -c 'listen tcp 0 ftp root root dialects own,http max 4; wait'";
    let child = command.args(["-c", script, "sh", crate::harness::PROGRAM]).spawn().unwrap();
    let mut server = Running::of(child);
    let address = server.line().split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    // Half of them would be all places, all of them more than there are descriptors.
    let silent: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(status(&http(&address, "GET /a", "")), 200);
    let more: Vec<TcpStream> = (0..150).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    // Each is told so in its own protocol, if it has spoken when it is turned away.
    for (request, refusal) in
        [("GET /a HTTP/1.1\r\n\r\n", "HTTP/1.1 503 "), ("USER anonymous\r\n", "error: busy: ")]
    {
        eventually("a client hears that there are no descriptors", || {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer));
            let answer = String::from_utf8_lossy(&answer);
            answer.starts_with(refusal) && answer.contains("out of file descriptors, retry in 5 s")
        });
    }
    drop((silent, more));
    eventually("it serves again", || status(&http(&address, "GET /a", "")) == 200);
}

#[test]
fn row_62_who_is_idle_over_ftp_http_or_raw_makes_room_when_all_places_are_taken() {
    let lab = Lab::new();
    lab.write("root/a", "a");
    let (_server, address) = server(&lab, "max 2");
    let (_echo, raw) = lab.server("listen tcp 0 echo max 1");
    let echoes = || {
        let mut stream = TcpStream::connect(&raw).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let answered = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
        answered.is_ok().then_some(stream)
    };
    let mut idle_raw = echoes().unwrap();
    let mut idle_ftp = Client::new(&address);
    let mut idle_http = TcpStream::connect(&address).unwrap();
    idle_http.write_all(b"HEAD /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    idle_http.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(status(&http(&address, "GET /a", "")), 503, "nobody is idle yet");
    eventually("one of them makes room", || status(&http(&address, "GET /a", "")) == 200);
    let _busy = Client::new(&address);
    eventually("the other makes room", || status(&http(&address, "GET /a", "")) == 200);
    let told = idle_ftp.reply();
    assert!(told.starts_with("421 idle for too long, replaced by another client"), "{told}");
    idle_http.read_to_end(&mut Vec::new()).unwrap();
    eventually("an idle client of an echo makes room", || echoes().is_some());
    assert_eq!(idle_raw.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn row_63_over_http_and_ftp_one_slow_client_holds_up_nobody() {
    let lab = Lab::new();
    lab.random("root/large", 32 << 20, 3);
    lab.write("root/a", "a");
    let (_server, address) = server(&lab, "");
    // They ask for much and read nothing of it, or send a byte of much and no more.
    let mut held = Vec::new();
    for request in [
        &b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"[..],
        b"PUT /new HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx",
    ] {
        for _ in 0..8 {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(request).unwrap();
            held.push(stream);
        }
    }
    let mut clients: Vec<(Client, TcpStream)> = Vec::new();
    for _ in 0..8 {
        let mut client = Client::new(&address);
        let data = client.begin("RETR large");
        clients.push((client, data));
    }
    for _ in 0..20 {
        assert_eq!(content(&http(&address, "GET /a", "")), "a");
        assert_eq!(Client::new(&address).get("RETR a"), b"a");
    }
}
