//! Connections: what a network and a peer do to them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::{PREFACE_CALC, PREFACE_FTP, block, connect, end, frame, hashes, put, read_frame, text};
use crate::harness::{Lab, names};

/// Runs a script of the shell in a network of its own; `$1` is the program.
fn in_network(lab: &Lab, script: &str) -> std::process::Output {
    let mut command = std::process::Command::new("unshare");
    lab.dress(&mut command);
    command.args(["-rn", "sh", "-c", script, "sh", crate::harness::PROGRAM]).output().unwrap()
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
    let whole =
        |name: &str| [put(64, 8, bytes.len() as u64, name), hashes(bytes), block(bytes), end(bytes)].concat();
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
fn row_41_who_is_refused_and_goes_on_with_what_is_no_frame_is_not_reset_before_the_reason() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 ftp");
    let mut stream = connect(&address, PREFACE_FTP);
    stream.write_all(&frame(0x7f, b"")).unwrap();
    // More than both systems keep for a program that does not read.
    stream.write_all(&vec![0xff; 16 << 20]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let (kind, body) = read_frame(&mut stream);
    assert!(kind == 0x02 && super::error_text(&body).contains("malformed"), "{kind:#x} {body:?}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
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
fn row_43_an_answer_over_udp_that_was_damaged_on_its_way_is_no_other_protocol() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen udp 0 calc");
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    far.connect(address).unwrap();
    let port = near.local_addr().unwrap().port();
    let client = std::thread::spawn(move || Lab::new().nls(&format!("calc 6 * 7 at udp :{port}")));
    let mut bytes = [0; 2048];
    let (length, from) = near.recv_from(&mut bytes).unwrap();
    near.connect(from).unwrap();
    far.send(&bytes[..length]).unwrap();
    let length = far.recv(&mut bytes).unwrap();
    bytes[0] = b'%';
    near.send(&bytes[..length]).unwrap();
    let pass = |from: &UdpSocket, to: &UdpSocket| {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        from.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 2048];
            while let Ok(length) = from.recv(&mut bytes) {
                if to.send(&bytes[..length]).is_err() {
                    return;
                }
            }
        })
    };
    let threads = [pass(&near, &far), pass(&far, &near)];
    assert_eq!(client.join().unwrap().success().out.trim(), "42");
    for thread in threads {
        thread.join().unwrap();
    }
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
    let output = in_network(&lab, script);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("the address 10.9.9.9 is gone from this machine"), "{output:?}");
}

#[test]
fn an_address_of_a_link_is_bound_and_reached_with_its_interface() {
    let lab = Lab::new();
    if !crate::harness::has("unshare") || !crate::harness::has("ip") {
        return;
    }
    // The system adds the route a moment after the address: until then nothing is reached there.
    let script = "ip link set lo up; ip addr add fe80::9/64 dev lo nodad
        until \"$1\" -c 'expect error E-refused: calc 1 at [fe80::9%lo]:9' 2>/dev/null; do :; done
        exec \"$1\" -c 'listen tcp 0 calc on fe80::9%lo as t
            listen udp 0 calc on [fe80::9%1] as u
            calc 6*7 at $t as one
            calc 6*8 at udp $u as two
            let port = $t.port
            calc 6*9 at [fe80::9%lo]:$port as three
            expect error \"no interface `nosuch0`\": listen tcp 0 calc on fe80::9%nosuch0
            print \"$one.value $two.value $three.value\"'";
    let output = in_network(&lab, script);
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

#[test]
fn a_udp_path_that_is_too_narrow_is_said_at_once_and_no_firewall_is_blamed() {
    let lab = Lab::new();
    let script = "listen udp 0 calc as c\nexpect error \"does not carry packets of 1228 bytes\": calc 7 % 3 at $c\n\
                  listen tcp 0 calc as t\ncalc 7 % 3 at $t as r\nexpect $r.value == 1\n";
    lab.write("t.nls", script);
    let output = in_network(&lab, "ip link set lo mtu 1000 up && exec \"$1\" t.nls");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("Operation not permitted") {
        assert!(std::env::var_os("CI").is_none(), "{said}");
        return eprintln!("SKIPPED: no namespaces here");
    }
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_end_of_a_server_is_heard_through_a_link_of_the_same_shell() {
    let lab = Lab::new();
    let script = "listen udp 0 chat as c; link udp 0 to $c delay 50ms as l; print at $l.port; \
        expect $c.clients == 1 within 20s; print joined; wait";
    let mut server = lab.start(&["-c", script]);
    let port = server.line_with("at ").replace("at ", "");
    let client = lab.start(&["-c", &format!("chat udp :{port} name Ann as me &\nwait $me")]);
    server.line_with("joined");
    server.signal("TERM");
    client.finish().success();
}

#[test]
fn the_end_of_a_server_is_heard_at_once_over_a_slow_path_of_udp() {
    let lab = Lab::new();
    lab.random("root/big", 30_000_000, 5);
    let script = "listen udp 0 ftp root root as f; link udp 0 to $f rate 1MB/s as l; print at $l.port; \
        expect $f.bytes_out > 1000000 within 20s; stop $f; print stopped; wait $l";
    let mut server = lab.start(&["-c", script]);
    let port = server.line_with("at ").replace("at ", "");
    let began = Instant::now();
    lab.nls(&format!("get big from udp :{port}")).fails(1, "the server was stopped");
    // Who is told nothing waits until it may believe that the server is gone, which is 15 s.
    assert!(began.elapsed() < Duration::from_secs(12));
}
