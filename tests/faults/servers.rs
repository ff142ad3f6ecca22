//! Servers: limits, and many or hostile clients.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::{PREFACE_CALC, PREFACE_FTP, connect, error_text, frame, read_frame};
use crate::harness::{Lab, Running, eventually, has};

#[test]
fn row_60_a_full_server_says_so() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc max 1");
    let _held = connect(&address, PREFACE_CALC);
    lab.nls(&format!("calc 1 at {address}")).fails(1, "busy: 1 of 1 clients, retry in 5 s");
}

#[test]
fn row_63_what_a_client_asked_that_has_gone_is_not_computed() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc max 100");
    // Each takes milliseconds: all of them more than a minute.
    let questions = format!("1{}\n", "/3".repeat(1900)).repeat(500);
    for _ in 0..100 {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // As much as the system takes.
        drop(client.write_all(questions.as_bytes()));
    }
    eventually("there is a place again", || lab.nls(&format!("calc 6*7 at {address}")).code == Some(0));
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
    // A thread for each that was computed at once, and some that were not in reserve again at once: they live for seconds.
    let threads = status(&server, "Threads:");
    assert!(threads < 48, "{threads} threads for 64 clients");
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
    // A link in front of a server does not open it.
    for (transport, word) in [("tcp", ""), ("udp", ""), ("tcp", " open"), ("udp", " open")] {
        let listen = format!("listen {transport} 0 ftp root root as f; link {transport} 0 to $f{word}");
        let (mut server, _) = lab.server(&listen);
        let link =
            server.line_with(&format!("link {transport}")).split_whitespace().nth(2).unwrap().to_owned();
        let run = as_nobody(&format!("ls {transport} {link}")).unwrap();
        assert_eq!(run.status.success(), !word.is_empty(), "{transport}{word}: {run:?}");
        lab.nls(&format!("ls {transport} {link}")).success();
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
