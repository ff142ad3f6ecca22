//! docs/faults.md, row by row, where it takes a real process or a real socket. The others stand beside the code that
//! keeps them: search for `row_`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::{Lab, Running, eventually, has, names};

const PREFACE_CALC: &[u8] = b"\x8bNLS\x07\x02\0\0";
pub const PREFACE_FTP: &[u8] = b"\x8bNLS\x07\x01\0\0";

/// A frame as `docs/protocol.md` describes it, written without the program's own code.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 1).to_be_bytes().to_vec();
    out.push(kind);
    out.extend(body);
    if kind != 0x01 {
        out.extend(crc32c(&out).to_be_bytes());
    }
    out
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

pub fn put(chunk: u32, window: u32, size: u64, name: &str) -> Vec<u8> {
    let head = [
        &chunk.to_be_bytes()[..],
        &window.to_be_bytes(),
        &[0, 1, 0o244],
        &size.to_be_bytes(),
        &0u64.to_be_bytes(),
    ]
    .concat();
    frame(0x10, &[head, text(name)].concat())
}

pub fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).expect("a frame");
    let mut body = vec![0; u32::from_be_bytes(header[..4].try_into().unwrap()) as usize - 1];
    stream.read_exact(&mut body).expect("its body");
    if header[4] != 0x01 {
        let mut check = [0; 4];
        stream.read_exact(&mut check).expect("its check sum");
        assert_eq!(u32::from_be_bytes(check), crc32c(&[&header[..], &body].concat()));
    }
    (header[4], body)
}

pub fn connect(address: &str, preface: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(preface).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[..5], &preface[..5]);
    stream
}

fn error_text(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[4..]).into_owned()
}

#[test]
fn row_2_a_source_that_changes_while_it_is_sent_is_not_published() {
    let lab = Lab::new();
    let path = lab.random("a", 3 << 20, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (mut server, address) = lab.server("listen tcp 0 ftp root root");
    let sender = lab.command(&["-c", &format!("send a to {address} chunk 64 window 1")]).spawn().unwrap();
    eventually("the transfer runs", || {
        names(&lab.path("root"))
            .iter()
            .any(|name| std::fs::metadata(lab.path("root").join(name)).is_ok_and(|m| m.len() > 0))
    });
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    let output = sender.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("changed while reading"), "{output:?}");
    assert!(!lab.path("root/a").exists());
    assert!(server.child.try_wait().unwrap().is_none());
}

#[test]
fn row_12_a_killed_sender_leaves_the_part_and_a_living_server() {
    let lab = Lab::new();
    lab.random("a", 4 << 20, 1);
    lab.random("b", 1000, 2);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let mut sender = lab.command(&["-c", &format!("send a to {address} chunk 64 window 1")]).spawn().unwrap();
    let part = lab.path("root/.a.nls-part");
    eventually("bytes arrive", || std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 0));
    sender.kill().unwrap();
    sender.wait().unwrap();
    lab.nls(&format!("send b to {address}")).success();
    assert_eq!(names(&lab.path("root")), [".a.nls-journal", ".a.nls-part", "b"]);
    // The name is free again: the part was let go.
    eventually("the same name is taken again", || {
        lab.nls(&format!("send a to {address} replace")).code == Some(0)
    });
    assert_eq!(names(&lab.path("root")), ["a", "b"]);
}

#[test]
fn row_19_a_name_that_is_being_received_is_refused() {
    let lab = Lab::new();
    lab.write("a", "x");
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let mut first = connect(&address, PREFACE_FTP);
    first.write_all(&put(10, 4, 100, "a")).unwrap();
    assert_eq!(read_frame(&mut first).0, 0x13);
    lab.nls(&format!("send a to {address}")).fails(1, "being received already");
}

#[test]
fn row_29_and_30_a_peer_that_lies_about_sizes_is_told_and_closed() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let mut more = connect(&address, PREFACE_FTP);
    more.write_all(&put(10, 4, 5, "a")).unwrap();
    assert_eq!(read_frame(&mut more).0, 0x13);
    more.write_all(&frame(0x01, &[&0u64.to_be_bytes()[..], b"0123456789"].concat())).unwrap();
    let (kind, body) = read_frame(&mut more);
    assert_eq!(kind, 0x02);
    assert!(error_text(&body).contains("more than it declared"), "{}", error_text(&body));
    for (chunk, window) in [(0, 1), (u32::MAX, 1), (1024, 0)] {
        let mut stream = connect(&address, PREFACE_FTP);
        stream.write_all(&put(chunk, window, 5, "b")).unwrap();
        let (kind, body) = read_frame(&mut stream);
        assert!(kind == 0x02 && error_text(&body).contains("limit"), "{}", error_text(&body));
    }
    let mut huge = connect(&address, PREFACE_FTP);
    huge.write_all(&put(1024, 1, u64::MAX, "c")).unwrap();
    let (kind, body) = read_frame(&mut huge);
    assert!(kind == 0x02 && error_text(&body).contains("space"), "{}", error_text(&body));
    assert!(!names(&lab.path("root")).contains(&"a".to_owned()));
}

#[test]
fn row_33_an_interrupt_cancels_a_transfer_quickly_and_keeps_the_part() {
    let lab = Lab::new();
    lab.random("a", 4 << 20, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let sender = lab.start(&["-c", &format!("print go; send a to {address} chunk 64 window 1")]);
    let part = lab.path("root/.a.nls-part");
    eventually("bytes arrive", || std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 0));
    sender.signal("INT");
    let run = sender.finish();
    assert_eq!(run.signal, Some(2), "{run:?}");
    assert!(run.err.contains("interrupted"), "{}", run.err);
    assert!(part.exists() && !lab.path("root/a").exists());
}

#[test]
fn row_37_a_server_that_says_nothing_is_given_up_in_ten_seconds() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = silent.local_addr().unwrap().port();
    let began = Instant::now();
    let tcp = std::thread::spawn(move || Lab::new().nls(&format!("get x from :{port}")));
    lab.nls(&format!("get x from udp :{udp}")).fails(1, "no answer from udp");
    tcp.join().unwrap().fails(1, "sent nothing for 10 s");
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[test]
fn row_41_a_reset_and_an_early_end_have_different_messages() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (linger, message) in [(None, "closed early, at byte"), (Some(Duration::ZERO), "reset the connection")]
    {
        let server = std::thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 8];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(PREFACE_FTP).unwrap();
                read_frame(&mut stream);
                stream
                    .write_all(&frame(
                        0x14,
                        &[&[0, 1, 0o244], &100u64.to_be_bytes()[..], &0u64.to_be_bytes()].concat(),
                    ))
                    .unwrap();
                stream.write_all(&frame(0x01, &[0; 30])[..20]).unwrap();
                if let Some(linger) = linger {
                    socket2::SockRef::from(&stream).set_linger(Some(linger)).unwrap();
                }
            }
        });
        let run = lab.nls(&format!("get x from :{port} to y"));
        server.join().unwrap();
        // A reset may overtake the bytes before it: then the file never began.
        assert!(run.err.contains(message) || (linger.is_some() && run.err.contains("reset")), "{}", run.err);
        assert!(!lab.path("y").exists());
    }
}

#[test]
fn row_42_single_bytes_and_a_half_closed_connection_get_the_same_answer() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_nodelay(true).unwrap();
    let question = frame(0x10, &[&7u64.to_be_bytes()[..], &text("7 % 3")].concat());
    for byte in PREFACE_CALC.iter().chain(&question) {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let expected =
        [PREFACE_CALC, &frame(0x11, &[&7u64.to_be_bytes()[..], &[1], &text("1")].concat())].concat();
    assert_eq!(answer, expected);
}

#[test]
fn row_27_what_a_network_flips_and_tcp_does_not_notice_is_noticed() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let setup = "listen tcp 0 calc as c\nlisten tcp 0 ftp root root as f\n\
        link tcp 0 to $c corrupt 30% as bad\nlink tcp 0 to $f corrupt 30% as worse\n";
    let calcs: String = (0..60).map(|n| format!("calc {n} + 100000 at $bad\n")).collect();
    let sends: String = (0..20).map(|n| format!("send {n}.txt to $worse fast\n")).collect();
    (0..20).for_each(|n| drop(lab.write(&format!("{n}.txt"), "content")));
    lab.write("s.nls", [setup, &calcs, &sends].concat());
    let run = lab.run(&["-k", "--seed", "7", "s.nls"]).fails(1, "arrived damaged");
    let answers: Vec<u64> = run.out.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(answers.iter().all(|answer| (100_000..100_060).contains(answer)), "{answers:?}");
    assert!(answers.is_sorted(), "each is that of its own question: {answers:?}");
    for name in names(&lab.path("root")).iter().filter(|name| !name.starts_with('.')) {
        assert!(lab.path(name).exists(), "{name} was never sent");
        assert_eq!(std::fs::read_to_string(lab.path("root").join(name)).unwrap(), "content");
    }
}

#[test]
fn row_42_all_in_one_segment_with_the_end_of_the_connection_is_stored_and_the_next_request_is_answered() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let bytes = b"what is sent".as_slice();
    let whole = |name: &str| {
        let hash = blake3::hash(bytes);
        let hashes = frame(0x19, &[&0u64.to_be_bytes()[..], hash.as_bytes()].concat());
        let block = frame(0x01, &[&0u64.to_be_bytes()[..], bytes].concat());
        let end = frame(0x16, &[&hash.as_bytes()[..], &[0; 17]].concat());
        [put(64, 8, bytes.len() as u64, name), hashes, block, end].concat()
    };
    for n in 0..50 {
        let mut stream = connect(&address, PREFACE_FTP);
        // Two files in one segment: the second request stands right after the first END.
        stream.write_all(&[whole(&format!("a{n}")), whole(&format!("b{n}"))].concat()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        for name in [format!("a{n}"), format!("b{n}")] {
            let there = std::fs::read(lab.path(&format!("root/{name}"))).ok();
            assert!(there.as_deref() == Some(bytes), "{name}: {}", String::from_utf8_lossy(&answer));
        }
    }
}

#[test]
fn row_43_another_protocol_is_named_on_both_sides() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 ftp");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"\x16\x04\x01\x02\x00\x01\x00\x01").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9\x1b[2J\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let run = lab.nls(&format!("get x from :{port}")).fails(1, "this looks like SSH");
    assert!(!run.err.contains('\u{1b}'));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        let (_, peer) = udp.recv_from(&mut buffer).unwrap();
        udp.send_to(b"hello?\n", peer).unwrap();
    });
    lab.nls(&format!("get x from udp :{port}")).fails(1, "this looks like text");
}

#[test]
fn row_44_another_version_is_named() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"\x8bNLS\x09\x02\0\0").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("the server speaks version 7, the client 9"));
}

#[test]
fn row_47_and_52_strange_datagrams_and_vanished_clients_leave_the_server_alone() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen udp 0 calc");
    for _ in 0..50 {
        // The socket is gone before the answer comes: the server hears "port unreachable".
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for junk in [&b""[..], b"\x04", b"hello", &[0x08; 1300], &[0xff; 9000]] {
            socket.send_to(junk, &address).unwrap();
        }
    }
    // A first datagram is never answered with more bytes than it has.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut hello = vec![0x04];
    hello.extend(9u64.to_be_bytes());
    hello.extend([7, 2]);
    hello.resize(1196, 0);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &hello) as u32;
    hello.extend(crc.to_be_bytes());
    socket.send_to(&hello, &address).unwrap();
    let mut answer = [0; 2000];
    // Lines that the sockets before this one asked for may come to its port.
    let length = loop {
        let length = socket.recv(&mut answer).expect("a cookie");
        if !answer.starts_with(b"error") {
            break length;
        }
    };
    assert!(length < 100 && answer[0] == 0x05, "{:?}", &answer[..length]);
    lab.nls(&format!("calc 6*7 at udp {address} as r; expect $r.value == 42")).success();
}

#[test]
fn row_60_a_full_server_says_so() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc max 1");
    let _held = connect(&address, PREFACE_CALC);
    lab.nls(&format!("calc 1 at {address}")).fails(1, "busy: 1 of 1 clients, retry in 5 s");
}

#[test]
fn row_59_a_file_that_is_replaced_while_it_is_served_is_served_as_it_was() {
    let lab = Lab::new();
    let old = std::fs::read(lab.random("root/a", 3 << 20, 1)).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let getter = lab.command(&["-c", &format!("get a from {address} rate 10MB/s")]).spawn().unwrap();
    let part = lab.path(".a.nls-part");
    eventually("bytes arrive", || std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 0));
    let new = lab.random("root/new", 3 << 20, 2);
    std::fs::rename(new, lab.path("root/a")).unwrap();
    assert!(getter.wait_with_output().unwrap().status.success());
    assert!(std::fs::read(lab.path("a")).unwrap() == old);
}

#[test]
fn row_61_a_server_without_descriptors_says_so_and_lives_on() {
    let lab = Lab::new();
    let mut command = std::process::Command::new("sh");
    lab.dress(&mut command);
    let script = "ulimit -n 64; exec \"$1\" -c 'listen tcp 0 calc max 1000; wait'";
    let child = command.args(["-c", script, "sh", crate::harness::PROGRAM]).spawn().unwrap();
    let mut server = crate::harness::Running::of(child);
    let address = server.line().split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    let mut held: Vec<TcpStream> = Vec::new();
    let refused = (0..100).find_map(|_| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(PREFACE_CALC).unwrap();
        let mut answer = [0; 8];
        // A server in need may close before it has read: then the next one is told.
        stream.read_exact(&mut answer).ok()?;
        if answer == *PREFACE_CALC {
            held.push(stream);
            return None;
        }
        Some(error_text(&read_frame(&mut stream).1))
    });
    assert!(held.len() > 8, "{}", held.len());
    assert!(refused.unwrap().contains("busy: out of file descriptors, retry in 5 s"));
    drop(held);
    eventually("it serves again", || lab.nls(&format!("calc 6*7 at {address}")).code == Some(0));
}

#[test]
fn row_62_silent_clients_take_no_places() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc max 4");
    let _silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    lab.nls(&format!("calc 6*7 at {address} as r; expect $r.value == 42")).success();
}

#[test]
fn row_65_a_listener_whose_address_goes_away_fails_and_says_so() {
    let lab = Lab::new();
    if !crate::harness::has("unshare") || !crate::harness::has("ip") {
        return;
    }
    let script = "ip link set lo up; ip addr add 10.9.9.9/32 dev lo
        exec \"$1\" -c 'listen tcp 0 calc on 10.9.9.9 as c
            calc 6*7 at $c
            !ip addr del 10.9.9.9/32 dev lo
            wait $c failed within 20s
            print \"$c.error\"'";
    let mut command = std::process::Command::new("unshare");
    lab.dress(&mut command);
    let output = command.args(["-rn", "sh", "-c", script, "sh", crate::harness::PROGRAM]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("the address 10.9.9.9 is gone from this machine"), "{output:?}");
}

#[test]
fn an_address_of_a_link_is_bound_and_reached_with_its_interface() {
    let lab = Lab::new();
    if !crate::harness::has("unshare") || !crate::harness::has("ip") {
        return;
    }
    // The system adds the route a moment after the address.
    let script = "ip link set lo up; ip addr add fe80::9/64 dev lo nodad
        timeout 10 sh -c 'until ip -6 route get fe80::9 oif lo; do :; done' >/dev/null 2>&1
        exec \"$1\" -c 'listen tcp 0 calc on fe80::9%lo as t
            listen udp 0 calc on [fe80::9%1] as u
            calc 6*7 at $t as one
            calc 6*8 at udp $u as two
            let port = $t.port
            calc 6*9 at [fe80::9%lo]:$port as three
            expect error \"no interface `nosuch0`\": listen tcp 0 calc on fe80::9%nosuch0
            print \"$one.value $two.value $three.value\"'";
    let mut command = std::process::Command::new("unshare");
    lab.dress(&mut command);
    let output = command.args(["-rn", "sh", "-c", script, "sh", crate::harness::PROGRAM]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("42 48 54"), "{output:?}");
}

#[test]
fn row_50_what_the_kernel_dropped_is_in_the_record() {
    let lab = Lab::new();
    lab.write(
        "server.nls",
        "listen udp 0 ftp as files\nls $files\nprint at $files.addr\n\
         expect $files traced \"fate == lost-by-kernel\" within 20s\nexplain $files\nprint $files.trace.lost\n",
    );
    let mut server = lab.start(&["server.nls"]);
    let address = server.line_with("at 127.0.0.1:").split_once("at ").unwrap().1.to_owned();
    server.signal("STOP");
    let blaster = UdpSocket::bind("127.0.0.1:0").unwrap();
    // More than any buffer of a socket.
    for _ in 0..100_000 {
        drop(blaster.send_to(&[0; 1200], &address));
    }
    server.signal("CONT");
    let run = server.finish().success();
    assert!(run.out.contains("The kernel of this side dropped "), "{}", run.out);
    assert!(run.out.lines().last().unwrap().parse::<u64>().unwrap() > 0, "{}", run.out);
}

#[test]
fn row_64_ports_that_cannot_be_had_say_why() {
    let lab = Lab::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    lab.nls(&format!("listen tcp {port} ftp")).fails(1, "is taken by another program");
    lab.nls("listen tcp 0 ftp on 192.0.2.1").fails(1, "not an address of this machine");
    lab.nls("listen tcp 0 stream").fails(2, "`stream` is not available over tcp");
    lab.nls("listen tcp 0 ftp root absent").fails(1, "absent");
}

#[test]
fn row_73_an_answer_to_another_question_is_not_taken() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut preface = [0; 8];
        stream.read_exact(&mut preface).unwrap();
        stream.write_all(PREFACE_CALC).unwrap();
        let (_, question) = read_frame(&mut stream);
        let answer = |id: &[u8], value: &str| frame(0x11, &[id, &[1], &text(value)].concat());
        stream.write_all(&answer(&99u64.to_be_bytes(), "9")).unwrap();
        stream.write_all(&answer(&question[..8], "2")).unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    assert_eq!(lab.nls(&format!("calc 1+1 at :{port}")).success().out, "2\n");
    server.join().unwrap();
}

#[test]
fn row_74_a_player_that_is_missing_or_dies_is_named_with_its_status() {
    let lab = Lab::new();
    lab.random("root/film", 100_000, 1);
    let stream =
        |play: &str| lab.nls(&format!("listen udp 0 stream root root as m; stream film play {play}"));
    stream("no-such-player").fails(1, "player not found: no-such-player");
    stream("\"false {url}\"").fails(1, "player false ended with exit status 1");
    let script = lab.write("dies.sh", "#!/bin/sh\necho 'bad \u{1b}[2J file' >&2\nexit 7\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run =
        stream(&format!("\"{} {{url}}\"", script.display())).fails(1, "exit status 7: bad \\x1b[2J file");
    assert!(!run.err.contains('\u{1b}'));
}

#[test]
fn row_79_nothing_that_a_peer_says_reaches_the_terminal_raw() {
    let lab = Lab::new();
    let run = lab.nls(
        "listen tcp 0 chat as room; chat tcp $room name a as a; say $a \"\\x1b]0;owned\\x07 \\u{202e}evil\\x9b31m\"; expect $room says evil within 5s; print $room.last; log $room",
    );
    let run = run.success();
    let hostile = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!run.out.contains(hostile) && !run.err.contains(hostile), "{:?}", run.out);
    assert!(run.out.contains("\\x1b]0;owned\\x07"));
}

#[test]
fn row_80_a_thousand_characters_over_udp_and_not_one_more() {
    let lab = Lab::new();
    let script = |count: usize| {
        format!(
            "listen udp 0 chat as r; chat udp $r name a as a; say $a \"{}\"; expect $r.received == 1 within 5s",
            "é".repeat(count)
        )
    };
    lab.nls(&script(1000)).success();
    lab.nls(&script(1001)).fails(1, "the message has 1001 characters");
}

#[test]
fn row_85_what_was_not_confirmed_is_marked() {
    let lab = Lab::new();
    let (server, address) = lab.server("listen udp 0 chat");
    let script = format!(
        "chat udp {address} name a as a\n!kill -STOP {0}; until grep -q 'State:.T' /proc/{0}/status; do :; done\nsay $a hello\nexpect $a.unconfirmed == 1\nstop $a\n!kill -CONT {0}\n",
        server.child.id()
    );
    let run = lab.with_input(&[], script.as_bytes()).success();
    assert!(run.err.contains("message 1 was not confirmed by host"), "{}", run.err);
}

#[test]
fn row_98_one_session_that_fails_inside_leaves_the_others() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, _kept) = tokio::sync::mpsc::channel(16);
        let registry = nls::session::Registry::new(events);
        let request = |verb| nls::session::Request { verb, kind: verb.into(), name: None, background: false, parent: None };
        let good = registry.start(request("good"), |session| async move {
            session.running("listening");
            session.cancelled().await;
            Ok(nls::report::Outcome::default())
        });
        let good = good.unwrap();
        let bad = registry.start(request("bad"), |_| async { panic!("a bug") }).unwrap();
        let state = bad.ended().await;
        assert!(matches!(&state, nls::session::State::Failed(failure) if failure.to_string().contains("internal error (bug)")), "{state:?}");
        assert!(!good.state().has_ended());
        assert!(registry.close(Duration::from_secs(2)).await.is_empty());
    });
}

#[test]
fn row_100_sessions_have_a_limit_and_ids_are_never_reused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, _) = tokio::sync::mpsc::channel(16);
        let registry = nls::session::Registry::new(events);
        let request = || nls::session::Request {
            verb: "x",
            kind: "x".into(),
            name: None,
            background: false,
            parent: None,
        };
        let start = |registry: &std::sync::Arc<nls::session::Registry>| {
            registry.start(request(), |session| async move {
                session.cancelled().await;
                Ok(nls::report::Outcome::default())
            })
        };
        let mut ids = std::collections::HashSet::new();
        for _ in 0..nls::session::SESSION_LIMIT {
            assert!(ids.insert(start(&registry).unwrap().id));
        }
        assert!(start(&registry).unwrap_err().to_string().contains("1024 sessions"));
        registry.close(Duration::from_secs(5)).await;
    });
}

#[test]
fn row_101_sizes_that_a_peer_declares_cost_no_memory() {
    let lab = Lab::new();
    lab.write("root/x", "");
    let (server, address) = lab.server("listen tcp 0 ftp root root");
    // A frame of 4 GiB, a list of 2^32 names, a file of 2^60 bytes: refused before anything is allocated for them.
    let put = |size: u64| {
        let name = [&3u16.to_be_bytes()[..], b"big"].concat();
        let shape = [&262_144u32.to_be_bytes()[..], &32u32.to_be_bytes(), &[2, 1, 0o244]].concat();
        frame(0x10, &[&shape[..], &size.to_be_bytes(), &1u64.to_be_bytes(), &name].concat())
    };
    for bytes in [vec![0xff, 0xff, 0xff, 0xf0, 0x10], put(1 << 60), put(u64::MAX)] {
        let mut stream = connect(&address, PREFACE_FTP);
        stream.write_all(&bytes).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).ok();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("limit") || said.contains("free") || said.contains("needs"), "{said:?}");
    }
    let peak = status(&server, "VmHWM:");
    assert!(peak < 64 << 10, "{peak} kB");
    lab.nls(&format!("ls {address}")).success();
}

#[test]
fn row_62_a_client_of_a_link_that_is_idle_for_longest_makes_room() {
    let lab = Lab::new();
    let (mut server, _) = lab.server("listen udp 0 echo as e; link udp 0 to udp $e max 2");
    let address = server.line_with("link udp").split_whitespace().nth(2).unwrap().to_owned();
    let ask = |socket: &UdpSocket| {
        socket.send(b"hello").unwrap();
        socket.recv(&mut [0; 16]).is_ok()
    };
    let client = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    };
    let (idle, busy, newcomer) = (client(), client(), client());
    for socket in [&idle, &busy] {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert!(ask(socket), "the first datagram of a client is not lost");
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    }
    assert!(!ask(&newcomer), "nobody is idle yet");
    let began = Instant::now();
    while !ask(&newcomer) {
        assert!(began.elapsed() < Duration::from_secs(20), "it never gets a place");
        assert!(ask(&busy), "who is not idle stays");
    }
}

/// Kinds that took more than the limit once; all of them are a benchmark.
#[test]
fn row_101_hundreds_of_hostile_peers_cannot_fill_memory() {
    if !has("/usr/bin/python3") {
        return;
    }
    let bench = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/hostile.py");
    let run = std::process::Command::new("nice")
        .args(["-n", "15", "/usr/bin/python3", bench, "--memory", "fetches", "http_tar", "tftp", "raw"])
        .env("NLS", env!("CARGO_BIN_EXE_nls"))
        .env("SECONDS", "1.5")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && out.contains("most memory"), "{out}{err}");
}

/// A number of `/proc/PID/status`; kB where it is memory.
fn status(server: &Running, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn row_67_long_questions_are_computed_a_few_at_a_time_and_take_no_core_from_the_others() {
    let lab = Lab::new();
    let (server, address) = lab.server("listen tcp 0 calc");
    let question = [&["9"; 900].concat()[..]; 4].join("*") + "\n";
    let mut clients: Vec<_> = (0..64).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for client in &mut clients {
        client.write_all(question.repeat(4).as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
    }
    for client in &mut clients {
        let mut answers = String::new();
        client.read_to_string(&mut answers).unwrap();
        assert!(answers.lines().count() == 4 && answers.lines().all(|line| line.len() == 3600), "{answers}");
    }
    // A thread for each that was computed at once: threads in reserve live for seconds.
    let threads = status(&server, "Threads:");
    assert!(threads < 20, "{threads} threads for 64 clients");
}

#[test]
fn row_72_who_reads_no_answers_is_not_read_either_and_gets_them_all_in_order() {
    let lab = Lab::new();
    let (server, address) = lab.server("listen tcp 0 calc");
    let asks = TcpStream::connect(&address).unwrap();
    let mut writes = asks.try_clone().unwrap();
    let digits = "9".repeat(2000);
    // 10 000 questions of 2 KB, each with an answer as long.
    let asking = std::thread::spawn(move || {
        for n in 0..10_000 {
            writes.write_all(format!("{digits}-{n}\n").as_bytes()).unwrap();
        }
        writes.shutdown(std::net::Shutdown::Write).unwrap();
    });
    lab.nls(&format!("repeat 100: calc 6*7 at {address}")).success();
    let mut count = 0;
    for line in std::io::BufRead::lines(std::io::BufReader::new(asks)) {
        let answer = line.unwrap();
        let expected = format!("{:04}", 9999 - count % 10_000);
        assert!(answer.len() == 2000 && answer.ends_with(&expected), "{count}: {answer}");
        count += 1;
    }
    asking.join().unwrap();
    assert_eq!(count, 10_000);
    let peak = status(&server, "VmHWM:");
    assert!(peak < 20 << 10, "{peak} kB of 20 MB of answers");
}

#[test]
fn row_84_a_killed_client_is_missed_at_once_over_tcp_and_announced_once() {
    let lab = Lab::new();
    let script = "listen tcp 0 chat relay as room\nchat tcp $room name ann as ann\n\
                  expect $room says \"I am here\" within 20s\nprint heard\nexpect $room.clients == 1 within 2s\n\
                  expect $ann says \"ben joined\" within 2s\n\
                  expect $ann says \"ben\" within 2s\nexpect not $ann says \"ben\"\n";
    lab.write("host.nls", script);
    let mut host = lab.start(&["host.nls"]);
    let address =
        host.line_with("listening").split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    let client =
        lab.start(&["-c", &format!("chat tcp {address} name ben as ben; say $ben \"I am here\"; wait")]);
    host.line_with("heard");
    drop(client);
    host.finish().success();
}

#[test]
fn row_82_who_does_not_read_is_dropped_with_a_reason_and_holds_up_nobody() {
    let lab = Lab::new();
    // A plain client that says one word and never reads; a message of 4 000 bytes each time.
    let text = "x".repeat(4000);
    let script = format!(
        "listen tcp 0 chat turns off as room\nprint $room.port\nexpect $room.clients == 1 within 20s\n\
         chat tcp $room name ann as ann\nrepeat 4000: say $room {text}\nexpect $room.clients == 1 within 20s\n\
         expect $room.peer == ann\nlog $room\n"
    );
    lab.write("host.nls", script);
    let mut host = lab.start(&["host.nls"]);
    let port =
        host.line_with("listening").split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    let mut silent = TcpStream::connect(&port).unwrap();
    silent.write_all(b"hello\n").unwrap();
    let run = host.finish().success();
    assert!((run.out + &run.err).contains("guest is gone: the client does not read"));
}

#[test]
fn row_83_a_flood_is_slowed_and_told_and_the_others_are_heard() {
    let lab = Lab::new();
    let script = "listen tcp 0 chat turns off as room\nexpect $room says \"line 60\" within 20s\n\
                  chat tcp $room name ann as ann\nsay $ann \"I am heard\"\nexpect $room says \"I am heard\" within 2s\n\
                  expect $room.received < 1000\n";
    lab.write("host.nls", script);
    let mut host = lab.start(&["host.nls"]);
    let address =
        host.line_with("listening").split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    let mut flooder = TcpStream::connect(&address).unwrap();
    let mut told = std::io::BufReader::new(flooder.try_clone().unwrap());
    let lines: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
    flooder.write_all(lines.as_bytes()).unwrap();
    let mut line = String::new();
    while !line.contains("slow down") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut told, &mut line).unwrap() > 0, "it was never told");
    }
    host.finish().success();
}

#[test]
fn row_41_a_link_passes_a_reset_on_as_a_reset_behind_what_was_on_its_way() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut link = lab.start(&["-c", &format!("link tcp 0 to :{port} delay 5ms; wait")]);
    let address = link.line().split_whitespace().nth(2).unwrap().to_owned();
    for server_resets in [true, false] {
        let client = TcpStream::connect(&address).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (mut one, mut other) = if server_resets { (server, client) } else { (client, server) };
        one.write_all(b"last words").unwrap();
        socket2::SockRef::from(&one).set_linger(Some(Duration::ZERO)).unwrap();
        let mut words = [0; 10];
        other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        other.read_exact(&mut words).unwrap();
        drop(one);
        assert_eq!(other.read(&mut words).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    // An end stays an end.
    let mut client = TcpStream::connect(&address).unwrap();
    let (server, _) = listener.accept().unwrap();
    drop(server);
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    // A server that is not there is no server that ended.
    drop(listener);
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

fn link(path: &str, target: &str) -> Vec<u8> {
    frame(0x27, &[&[0], &text(path)[..], &text(target)].concat())
}

fn small(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = [&[0, 1, 0o244][..], &0u64.to_be_bytes(), blake3::hash(bytes).as_bytes()].concat();
    frame(0x1e, &[&head[..], &text(name), bytes].concat())
}

fn folder(path: &str, mode: u16) -> Vec<u8> {
    frame(0x1d, &[&mode.to_be_bytes()[..], &0u64.to_be_bytes(), &text(path)].concat())
}

#[test]
fn row_57_no_link_of_a_peer_leads_to_what_is_hidden_and_no_folder_is_widened() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    lab.write("root/.ssh/id", "PRIVATE");
    lab.write("root/.up.nls-part", "PRIVATE");
    lab.write("root/d/.env", "PRIVATE");
    std::fs::create_dir(lab.path("root/closed")).unwrap();
    let mode = |name: &str| std::fs::metadata(lab.path(name)).unwrap().permissions().mode() & 0o7777;
    for name in ["root/.ssh", "root/closed", "root"] {
        std::fs::set_permissions(lab.path(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let mut stream = connect(&address, PREFACE_FTP);
    let attack = [
        link("x", ".ssh"),
        link("y", "d/.env"),
        link("p", ".up.nls-part"),
        link("dot", "."),
        link("d/up", ".."),
        small("x/authorized_keys", b"EVIL"),
        small("d/up/.profile", b"EVIL"),
        folder("x", 0o755),
        folder("closed", 0o755),
        folder("dot", 0o002),
        frame(0x1f, &[&[0], &text("x/id")[..]].concat()),
        frame(0x1f, &[&[0], &text("p")[..]].concat()),
        frame(0x22, &[&[1], &text("")[..]].concat()),
        frame(0x23, &[]),
    ];
    stream.write_all(&attack.concat()).unwrap();
    let mut all = Vec::new();
    loop {
        let (kind, body) = read_frame(&mut stream);
        all.extend(&body);
        if kind == 0x23 {
            break;
        }
    }
    let all = String::from_utf8_lossy(&all).into_owned();
    // The names that are refused are told back; what is there is not.
    assert!(!all.contains("PRIVATE") && !all.contains("authorized_keys\0"), "{all}");
    assert_eq!((mode("root/.ssh"), mode("root/closed"), mode("root")), (0o700, 0o700, 0o700));
    assert_eq!(names(&lab.path("root/.ssh")), ["id"]);
    assert_eq!(names(&lab.path("root")), [".ssh", ".up.nls-part", "closed", "d"]);
    assert_eq!(names(&lab.path("root/d")), [".env"]);
    lab.nls(&format!("ls {address}")).success();
}

#[test]
fn row_24_a_server_brings_no_link_that_was_not_asked_for_and_writes_through_none() {
    for words in ["", "links", "links hidden"] {
        let lab = Lab::new();
        lab.write("home/.ssh/id", "PRIVATE");
        lab.write("outer", "");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(PREFACE_FTP).unwrap();
            let entry = |kind: u8, name: &str, rest: &[u8], size: u64| {
                [&[kind, 1, 0o244][..], &size.to_be_bytes(), &0u64.to_be_bytes(), &text(name), rest].concat()
            };
            let entries = [entry(2, "x", &text(".ssh"), 0), entry(0, "x/authorized_keys", &[], 4)].concat();
            let page = frame(0x18, &[&[1, 0, 2], &entries[..]].concat());
            let mut header = [0; 5];
            while stream.read_exact(&mut header).is_ok() {
                let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize - 1;
                // The body, and the check sum.
                stream.read_exact(&mut vec![0; length + 4]).unwrap();
                let answer = match header[4] {
                    0x11 => folder("d", 0o755),
                    0x22 => [page.clone(), frame(0x25, &[0; 24])].concat(),
                    0x1f => small("any", b"EVIL"),
                    _ => break,
                };
                if stream.write_all(&answer).is_err() {
                    break;
                }
            }
        });
        lab.nls(&format!("get d from 127.0.0.1:{port} to home {words}")).fails(1, "");
        server.join().unwrap();
        assert_eq!(names(&lab.path("home/.ssh")), ["id"], "{words}");
    }
}

#[test]
fn rows_97_and_109_a_signal_ends_the_program_even_if_nobody_reads_its_output() {
    let lab = Lab::new();
    for signal in ["INT", "TERM", "HUP"] {
        // A pipe that is full, and that nobody reads.
        let mut running = lab.start(&["-c", "!yes"]);
        std::thread::park_timeout(Duration::from_millis(300));
        let began = Instant::now();
        running.signal(signal);
        eventually("it dies", || running.child.try_wait().unwrap().is_some());
        let status = running.child.wait().unwrap();
        let number = match signal {
            "INT" => 2,
            "TERM" => 15,
            _ => 1,
        };
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "{status:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}

#[test]
fn row_112_a_server_on_loopback_is_for_its_user_unless_it_says_open() {
    let lab = Lab::new();
    lab.write("root/file", "mine");
    let home = tempfile::tempdir().unwrap();
    lab.nls("key new to team.key").success();
    let as_nobody = |statement: &str| {
        let mut command = lab.as_user(65534, "", &["-c", statement])?;
        command
            .env("NLS_KEYS", home.path().join("keys"))
            .env("NLS_KEY", std::fs::read_to_string(lab.path("team.key")).unwrap().trim());
        Some(command.output().unwrap())
    };
    if as_nobody("").is_none() {
        return;
    }
    std::os::unix::fs::chown(home.path(), Some(65534), Some(65534)).unwrap();
    assert!(as_nobody("key import own").unwrap().status.success());
    for (transport, service) in [("tcp", "ftp"), ("udp", "ftp"), ("udp", "stream")] {
        let (_server, address) = lab.server(&format!("listen {transport} 0 {service} root root"));
        let run = as_nobody(&format!("ls {transport} {address}")).unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(said.contains("is for the user who started it"), "{transport}: {said}");
        lab.nls(&format!("ls {transport} {address}")).success();
        let (_server, address) = lab.server(&format!("listen {transport} 0 {service} root root open"));
        assert!(as_nobody(&format!("ls {transport} {address}")).unwrap().status.success(), "{transport}");
        // Who has a key of the port is no stranger, as on the network.
        let (_server, address) =
            lab.server(&format!("listen {transport} 0 {service} root root key team.key"));
        let run = as_nobody(&format!("ls {transport} {address} key own")).unwrap();
        assert!(run.status.success(), "{transport}: {}", String::from_utf8_lossy(&run.stderr));
    }
    // Films are not for every browser of the machine either.
    for (word, status) in [("", "403"), (" open", "200")] {
        let (mut server, address) =
            lab.server(&format!("listen udp 0 stream root root web{word} as s; print $s.url"));
        let url = server.line();
        assert!(url.starts_with("http://") && url.contains(address.rsplit(':').next().unwrap()), "{url}");
        let asks = format!("exec curl -s -w '%{{http_code}}' {url};");
        let mut curl = lab.as_user(65534, &asks, &[]).unwrap();
        let said = String::from_utf8_lossy(&curl.output().unwrap().stdout).into_owned();
        assert!(said.ends_with(status), "{word}: {said}");
    }
}

#[test]
fn without_a_shell_only_known_players_run() {
    let lab = Lab::new();
    lab.write("root/film.mp4", "not a film");
    for opener in ["xdg-open", "open", "x-www-browser"] {
        let path = lab.write(&format!("bin/{opener}"), "#!/bin/sh\n/usr/bin/touch made\n");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let script = "listen udp 0 stream root root as m\n\
                  expect error \"is not a known player\": stream film.mp4 from $m play \"sh -c 'touch made' {url}\"\n\
                  expect error E-player: stream film.mp4 from $m play\n\
                  stream film.mp4 from $m play browser as film &\n\
                  expect $film.bytes == 10 within 5s\nlog $film\nstop $film\n";
    lab.write("t.nls", script);
    let mut command = lab.command(&["--no-shell", "t.nls"]);
    command.env("PATH", lab.path("bin")).env("DISPLAY", ":0");
    let output = command.env("NLS_PLAYERS", "/bin/sh -c 'touch made' {url}").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("no browser is opened: `--no-shell`"), "{out}{err}");
    assert!(!lab.path("made").exists());
}

#[test]
fn a_system_with_few_descriptors_or_threads_is_told_before_anything_starts() {
    let lab = Lab::new();
    let statements = "listen udp 0 calc; calc 7 % 3";
    // Whoever started the tests may have left descriptors open.
    let close = "for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || eval \"exec $fd>&-\"; done";
    for descriptors in 5..=16 {
        let mut command = std::process::Command::new("bash");
        lab.dress(&mut command);
        let line =
            format!("{close}; ulimit -n {descriptors}; exec {} -c '{statements}'", crate::harness::PROGRAM);
        let output = command.args(["-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if descriptors == 16 {
            assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
            break;
        }
        assert_eq!(output.status.code(), Some(3), "{descriptors}: {said}");
        assert!(
            said.starts_with(
                "error: cannot start: too many open files; at least 16 file descriptors are needed"
            ),
            "{descriptors}: {said}"
        );
    }
    for threads in 1..6 {
        let first = format!("ulimit -p {threads};");
        let Some(mut command) = lab.as_user(54321, &first, &["-c", statements]) else { return };
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{threads}: {said}");
        assert!(said.contains("cannot start: the system allows only"), "{threads}: {said}");
    }
}

#[test]
fn a_file_whose_size_the_system_does_not_know_is_refused_and_not_taken_for_an_empty_one() {
    let lab = Lab::new();
    lab.write("root/empty", "");
    let script = "listen tcp 0 ftp root root as f\nlisten tcp 0 ftp root /proc/self as p\n\
                  expect error \"is not that of its content\": send /proc/cpuinfo to $f\n\
                  expect error \"is not that of its content\": get status from $p\nget empty from $f to copy\n";
    lab.write("t.nls", script);
    lab.run(&["t.nls"]).success();
    assert_eq!(std::fs::read(lab.path("copy")).unwrap(), b"");
    assert_eq!(crate::harness::names(&lab.path("root")), ["empty"]);
}

#[test]
fn a_file_system_that_refuses_modes_times_locks_and_links_is_done_without() {
    if !crate::harness::has("strace") {
        return;
    }
    for refusal in ["EPERM", "EOPNOTSUPP"] {
        let lab = Lab::new();
        let file = lab.random("tree/a/file", 300_000, 3);
        lab.write("tree/small", "small");
        std::fs::create_dir(lab.path("root")).unwrap();
        let mut command = std::process::Command::new("strace");
        lab.dress(&mut command);
        let inject = format!("inject=fchmod,fchmodat,chmod,utimensat,flock,link,linkat:error={refusal}");
        command.args(["-f", "-qq", "-o", "trace", "-e", &inject, crate::harness::PROGRAM, "-c"]);
        command.arg(
            "listen tcp 0 ftp root root as f; send tree/a/file to $f; get file from $f to back; \
             send tree to $f; get tree/ from $f to again",
        );
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{refusal}: {said}");
        assert!(said.contains("done without"), "{refusal}: {said}");
        assert!(std::fs::read_to_string(lab.path("trace")).unwrap().contains("INJECTED"));
        let whole = std::fs::read(file).unwrap();
        for copy in ["root/file", "back", "root/tree/a/file", "again/a/file"] {
            assert!(std::fs::read(lab.path(copy)).is_ok_and(|bytes| bytes == whole), "{refusal}: {copy}");
        }
        assert_eq!(std::fs::read(lab.path("again/small")).unwrap(), b"small");
    }
}

#[test]
fn row_84_who_is_lost_leaves_the_conversation_open_for_who_comes_next() {
    let lab = Lab::new();
    lab.write(
        "bob.nls",
        "listen tcp 0 chat max 1 as bob\nprint $bob.port\nexpect $bob says \"from ann\" within 30s\n\
         print heard\nexpect $bob says \"from ben\" within 30s\nwait $bob within 30s\n",
    );
    let mut bob = lab.start(&["-q", "bob.nls"]);
    let port = bob.line();
    let talk = format!("chat tcp :{port} name ben as me; say $me \"from ben\"; close $me");
    // One whose connection is reset says no last word; an end without one is how `nc` leaves.
    let mut ann = connect(&format!("127.0.0.1:{port}"), b"\x8bNLS\x07\x03\0\0");
    let say = [&1u64.to_be_bytes()[..], &0u64.to_be_bytes(), &text("from ann")].concat();
    let join = [&0u64.to_be_bytes()[..], &text("ann")].concat();
    ann.write_all(&[frame(0x10, &join), frame(0x12, &say)].concat()).unwrap();
    assert_eq!(bob.line(), "heard");
    socket2::SockRef::from(&ann).set_linger(Some(Duration::ZERO)).unwrap();
    drop(ann);
    crate::harness::eventually("the place is free again", || lab.nls(&talk).code == Some(0));
    bob.finish().success();
}

#[test]
fn a_udp_path_that_is_too_narrow_is_said_at_once_and_no_firewall_is_blamed() {
    let lab = Lab::new();
    let script = "listen udp 0 calc as c\nexpect error \"does not carry packets of 1228 bytes\": calc 7 % 3 at $c\n\
                  listen tcp 0 calc as t\ncalc 7 % 3 at $t as r\nexpect $r.value == 1\n";
    lab.write("t.nls", script);
    let mut command = std::process::Command::new("unshare");
    lab.dress(&mut command);
    let line = format!("ip link set lo mtu 1000 up && exec {} t.nls", crate::harness::PROGRAM);
    let output = command.args(["-rn", "sh", "-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("Operation not permitted") {
        assert!(std::env::var_os("CI").is_none(), "{said}");
        return eprintln!("SKIPPED: no namespaces here");
    }
    assert!(output.status.success(), "{said}");
}
