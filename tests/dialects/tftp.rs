//! TFTP clients: tftp-hpa, atftp, curl, busybox; and a socket where none of them would do what is tested.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Lab, Run, Running, eventually, has, names};

/// Runs a client in the folder of the lab.
fn client(lab: &Lab, line: &str) -> Run {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    lab.dress(&mut command);
    let child = command.args(words.map(|word| word.replace('~', " "))).spawn().unwrap();
    Running::of(child).finish()
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).ok().is_some_and(|bytes| std::fs::read(other).is_ok_and(|other| bytes == other))
}

/// Each client: its name, and how it gets `NAME` to `LOCAL` and puts `LOCAL` to `NAME`, at `HOST` and `PORT`. A `~` stands
/// for a blank inside a word.
const CLIENTS: [(&str, &str, &str); 7] = [
    ("tftp", "tftp -m binary HOST PORT -c get NAME LOCAL", "tftp -m binary HOST PORT -c put LOCAL NAME"),
    ("curl", "curl -sS tftp://HOST:PORT/NAME -o LOCAL", "curl -sS -T LOCAL tftp://HOST:PORT/NAME"),
    (
        "curl",
        "curl -sS --tftp-blksize 65464 tftp://HOST:PORT/NAME -o LOCAL",
        "curl -sS --tftp-blksize 8 -T LOCAL tftp://HOST:PORT/NAME",
    ),
    (
        "curl",
        "curl -sS --tftp-no-options tftp://HOST:PORT/NAME -o LOCAL",
        "curl -sS --tftp-no-options -T LOCAL tftp://HOST:PORT/NAME",
    ),
    (
        "atftp",
        "atftp --option blksize~1428 --option windowsize~16 -g -r NAME -l LOCAL HOST PORT",
        "atftp --option blksize~1428 --option windowsize~16 -p -l LOCAL -r NAME HOST PORT",
    ),
    (
        "atftp",
        "atftp --option tsize~0 --option timeout~3 -g -r NAME -l LOCAL HOST PORT",
        "atftp -p -l LOCAL -r NAME HOST PORT",
    ),
    (
        "busybox",
        "busybox tftp -g -b 1428 -r NAME -l LOCAL HOST PORT",
        "busybox tftp -p -b 1428 -l LOCAL -r NAME HOST PORT",
    ),
];

#[test]
fn files_go_both_ways_with_every_client() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    let (host, port) = address.rsplit_once(':').unwrap();
    for (n, (program, get, put)) in CLIENTS.iter().enumerate().filter(|(_, row)| has(row.0)) {
        for size in [0, 1, 511, 512, 1428, 200_000] {
            let (down, up) = (format!("down-{n}-{size}"), format!("up-{n}-{size}"));
            let source = lab.random(&format!("root/{down}"), size, size as u64 + 1);
            let line = |form: &str, name: &str, local: &str| {
                let form = form.replace("HOST", host).replace("PORT", port);
                form.replace("NAME", name).replace("LOCAL", local)
            };
            let run = client(&lab, &line(get, &down, "local"));
            // From any server: `getpeername() failed`, for there is nothing that curl would have connected for.
            if (*program, size) == ("curl", 0) {
                lab.write("local", "");
            }
            assert!(same(&source, &lab.path("local")), "{program} gets {size}: {run:?}");
            let run = client(&lab, &line(put, &up, "local"));
            eventually(&format!("{program} puts {size}: {run:?}"), || {
                same(&source, &lab.path(&format!("root/{up}")))
            });
            std::fs::remove_file(lab.path("local")).unwrap();
        }
    }
    let left = names(&lab.path("root"));
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}

#[test]
fn text_is_translated_both_ways() {
    if !has("tftp") {
        return;
    }
    let lab = Lab::new();
    let text = "a line\nanother\n\n".repeat(300) + "the last";
    lab.write("root/text", &text);
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    let (host, port) = address.rsplit_once(':').unwrap();
    client(&lab, &format!("tftp -m ascii {host} {port} -c get text local"));
    assert_eq!(std::fs::read_to_string(lab.path("local")).unwrap(), text);
    client(&lab, &format!("tftp -m ascii {host} {port} -c put local again"));
    assert_eq!(std::fs::read_to_string(lab.path("root/again")).unwrap(), text);
}

#[test]
fn rows_20_and_22_and_23_and_111_what_is_refused_is_told_with_the_codes_of_the_protocol() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    lab.write("root/there", "first");
    lab.write("root/folder/a", "a");
    lab.write("secret", "secret");
    lab.write("new", "other bytes");
    std::os::unix::fs::symlink("../secret", lab.path("root/link")).unwrap();
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    let (_readonly, other) = lab.server("listen udp 0 ftp root root readonly");
    let (not_found, access, exists) = (68, 69, 73);
    for (line, code) in [
        (format!("tftp://{address}/absent"), not_found),
        (format!("tftp://{address}/folder"), not_found),
        (format!("tftp://{address}/link"), not_found),
        (format!("--path-as-is tftp://{address}/../secret"), not_found),
        (format!("tftp://{address}/folder%2f..%2f..%2fsecret"), not_found),
        (format!("-T new tftp://{address}/there"), exists),
        (format!("-T new tftp://{address}/folder"), exists),
        (format!("--path-as-is -T new tftp://{address}/..%2fnew2"), access),
        (format!("-T new tftp://{other}/new"), access),
    ] {
        let run = client(&lab, &format!("curl -sS -o out {line}"));
        assert_eq!(run.code, Some(code), "{line}: {run:?}");
    }
    assert_eq!(std::fs::read_to_string(lab.path("root/there")).unwrap(), "first");
    assert_eq!(names(&lab.path("root")), ["folder", "link", "there"]);
    assert!(!lab.path("new2").exists());
}

#[test]
fn row_24_more_than_the_quota_is_refused_and_leaves_nothing() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    lab.random("large", 100_000, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen udp 0 ftp root root quota 64K");
    for option in ["--tftp-blksize 1428", "--tftp-no-options"] {
        let run = client(&lab, &format!("curl -sS {option} -T large tftp://{address}/large"));
        assert_eq!(run.code, Some(70), "disk full: {run:?}");
    }
    eventually("nothing is left", || names(&lab.path("root")).is_empty());
}

#[test]
fn many_requests_from_one_port_follow_each_other() {
    if !has("tftp") {
        return;
    }
    let lab = Lab::new();
    lab.write("root/a", "first");
    lab.random("up", 5000, 3);
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    let (host, port) = address.rsplit_once(':').unwrap();
    let lines = "mode octet\nget a a1\nput up up1\nget a a2\nput up up2\nget up1 back\nput up up1\nquit\n";
    let mut command = Command::new("tftp");
    lab.dress(&mut command);
    let mut child =
        command.args([host, port]).stdin(std::process::Stdio::piped()).spawn().expect("tftp starts");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let run = Running::of(child).finish();
    for (local, name) in [("a1", "a"), ("a2", "a"), ("up", "up1"), ("up", "up2"), ("back", "up1")] {
        assert!(same(&lab.path(local), &lab.path(&format!("root/{name}"))), "{local}: {run:?}");
    }
}

/// A socket that waits a moment at most.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(length);
    (buffer, from)
}

#[test]
fn row_111_a_request_that_comes_twice_is_answered_from_one_port() {
    let lab = Lab::new();
    lab.write("root/a", "bytes");
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    let socket = socket();
    let mut ports = Vec::new();
    for _ in 0..3 {
        socket.send_to(b"\0\x01a\0octet\0", &address).unwrap();
        let (packet, from) = receive(&socket);
        assert_eq!(packet, b"\0\x03\0\x01bytes");
        ports.push(from.port());
    }
    ports.dedup();
    assert_eq!(ports.len(), 1, "{ports:?}");
    // An acknowledgement of something else is none; the real one ends it.
    let transfer: SocketAddr = format!("127.0.0.1:{}", ports[0]).parse().unwrap();
    socket.send_to(b"\0\x04\0\x07", transfer).unwrap();
    socket.send_to(b"\0\x04\0\x01", transfer).unwrap();
    // What is asked for then is new, and answered at once, whether the server has seen the end yet or not.
    socket.send_to(b"\0\x01a\0octet\0", &address).unwrap();
    assert_eq!(receive(&socket).0, b"\0\x03\0\x01bytes");
}

#[test]
fn row_111_what_is_no_request_and_what_is_asked_twice_is_refused() {
    let lab = Lab::new();
    lab.write("root/a", "bytes");
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    for (request, code) in [
        (&b"\0\x01a\0mail\0"[..], 4),
        (b"\0\x01a\0octet\0blksize\x00512\0blksize\x00600\0", 8),
        (b"\0\x01a\0octet\0blksize\0", 4),
    ] {
        let socket = socket();
        socket.send_to(request, &address).unwrap();
        let (packet, _) = receive(&socket);
        assert_eq!(packet[..4], [0, 5, 0, code], "{packet:?}");
    }
}

#[test]
fn a_server_without_the_dialect_does_not_answer_and_the_others_still_serve() {
    let lab = Lab::new();
    lab.write("root/a", "bytes");
    let (_server, address) = lab.server("listen udp 0 ftp root root dialects own");
    let socket = socket();
    socket.send_to(b"\0\x01a\0octet\0", &address).unwrap();
    lab.nls(&format!("get a from udp {address} to b")).success();
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv_from(&mut [0; 600]).is_err());
    let (_both, address) = lab.server("listen udp 0 ftp root root");
    lab.nls(&format!("get a from udp {address} to c")).success();
    assert_eq!(std::fs::read_to_string(lab.path("c")).unwrap(), "bytes");
}

#[test]
fn a_transfer_keeps_to_the_rate_of_the_server() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let source = lab.random("root/a", 60_000, 1);
    let (_server, address) = lab.server("listen udp 0 ftp root root rate 50KB/s");
    let began = std::time::Instant::now();
    client(&lab, &format!("curl -sS --tftp-blksize 1428 tftp://{address}/a -o out"));
    assert!(same(&source, &lab.path("out")));
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
}
