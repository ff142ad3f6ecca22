//! Files that one side gives up while others follow, with a peer that is written from `docs/protocol.md` (4.4).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::{PREFACE_FTP, answer, block, connect, end, error_text, frame, hashes, put, read_frame, text};
use crate::harness::{Lab, Running, eventually};

const ERROR: u8 = 0x02;
const READY: u8 = 0x13;
const STORED: u8 = 0x17;
const EXISTS: u16 = 8;
const FULL: u16 = 13;
const INTEGRITY: u16 = 14;
const MISBEHAVED: u16 = 2;

fn error(code: u16) -> Vec<u8> {
    frame(ERROR, &[&code.to_be_bytes()[..], &text("as the test wants")].concat())
}

fn code(body: &[u8]) -> u16 {
    u16::from_be_bytes(body[..2].try_into().unwrap())
}

/// Sends all of a file, which is stored.
fn is_stored(stream: &mut TcpStream, name: &str) {
    stream.write_all(&put(64, 8, 4, name)).unwrap();
    assert_eq!(answer(stream).0, READY, "{name}");
    stream.write_all(&[hashes(b"next"), block(b"next"), end(b"next")].concat()).unwrap();
    assert_eq!(answer(stream).0, STORED, "{name}");
}

/// A connection on which the server has given up the file `name`, because another got its name meanwhile.
fn given_up(lab: &Lab, address: &str, name: &str) -> TcpStream {
    let mut stream = connect(address, PREFACE_FTP);
    stream.write_all(&put(64, 8, 4, name)).unwrap();
    assert_eq!(answer(&mut stream).0, READY);
    lab.write(&format!("root/{name}"), "mine");
    stream.write_all(&[hashes(b"sent"), block(b"sent"), end(b"sent")].concat()).unwrap();
    let (kind, body) = answer(&mut stream);
    assert_eq!((kind, code(&body)), (ERROR, EXISTS), "{}", error_text(&body));
    stream
}

#[test]
fn row_102_a_file_that_the_receiver_gives_up_takes_no_other_with_it() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    // What was under way is dropped, whatever it is, up to the answer.
    let more = [block(b"more"), hashes(b"more"), end(b"more"), put(64, 8, 4, "no"), frame(0x16, b"short")];
    for (n, more) in more.iter().enumerate() {
        let mut stream = given_up(&lab, &address, &format!("a{n}"));
        stream.write_all(&[&more[..], &error(EXISTS)].concat()).unwrap();
        is_stored(&mut stream, &format!("b{n}"));
    }
    assert!(!lab.path("root/no").exists());
    // What ends the connection then is said, and not the other once more.
    let mut damaged = block(b"more");
    damaged.extend(end(b"more"));
    *damaged.last_mut().unwrap() ^= 1;
    let much = block(&vec![0; 1 << 20]).repeat(2);
    for (n, (bytes, expected)) in
        [(damaged, INTEGRITY), (much, MISBEHAVED), (frame(ERROR, &[1]), 1)].into_iter().enumerate()
    {
        let mut stream = given_up(&lab, &address, &format!("c{n}"));
        stream.write_all(&bytes).unwrap();
        let (kind, body) = answer(&mut stream);
        assert_eq!((kind, code(&body)), (ERROR, expected), "{}", error_text(&body));
        let words = error_text(&body);
        assert!(words.contains("appeared meanwhile") && words.contains("; then "), "{words}");
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "it is over");
    }
    let names = std::fs::read_dir(lab.path("root")).unwrap();
    let mine = |name: &str| name.starts_with(['a', 'c']);
    for path in names.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = if mine(name) { "mine" } else { "next" };
        assert!(name.starts_with('.') || std::fs::read_to_string(&path).unwrap() == expected, "{name}");
    }
}

#[test]
fn row_102_a_file_that_the_sender_gives_up_is_answered_and_takes_no_other_with_it() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    for (n, six) in [7, EXISTS, 9, 12, FULL, 15].into_iter().enumerate() {
        let mut stream = connect(&address, PREFACE_FTP);
        stream.write_all(&put(64, 8, 4, &format!("a{n}"))).unwrap();
        assert_eq!(answer(&mut stream).0, READY);
        stream.write_all(&[hashes(b"sent"), block(b"se"), error(six)].concat()).unwrap();
        let (kind, body) = answer(&mut stream);
        assert_eq!((kind, code(&body)), (ERROR, six));
        is_stored(&mut stream, &format!("b{n}"));
        assert!(!lab.path(&format!("root/a{n}")).exists());
    }
    for other in [0, 1, INTEGRITY, 17, 26, 99] {
        let mut stream = connect(&address, PREFACE_FTP);
        stream.write_all(&[put(64, 8, 4, "d"), hashes(b"sent"), error(other)].concat()).unwrap();
        assert_eq!(answer(&mut stream).0, READY);
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "{other} ends it");
    }
}

/// Answers the client of `nls send` one file after another; `script` is told the stream.
fn server(script: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut preface = [0; 8];
        stream.read_exact(&mut preface).unwrap();
        stream.write_all(PREFACE_FTP).unwrap();
        script(&mut stream);
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn row_102_each_refusal_is_of_its_own_file_and_what_is_behind_the_end_is_counted() {
    let lab = Lab::new();
    (1..=5).for_each(|n| drop(lab.random(&format!("f{n}"), 100_000, n)));
    let ready = || frame(READY, &[0; 9]);
    let (address, server) = server(move |stream| {
        let is_put = |stream: &mut TcpStream, name: &str| {
            let (kind, body) = read_frame(stream);
            assert_eq!((kind, &body[body.len() - 2..]), (0x10, name.as_bytes()));
        };
        is_put(stream, "f1");
        // A code that is none of a refusal is one here; and an error of the peer is none of this program.
        stream.write_all(&error(26)).unwrap();
        is_put(stream, "f2");
        stream.write_all(&[ready(), error(FULL)].concat()).unwrap();
        let (kind, body) = std::iter::repeat_with(|| read_frame(stream))
            .find(|(kind, _)| !matches!(kind, 0x01 | 0x16 | 0x19))
            .unwrap();
        assert_eq!((kind, code(&body)), (ERROR, FULL));
        is_put(stream, "f3");
        stream.write_all(&ready()).unwrap();
        // The connection ends: two are behind this one.
        stream.read_exact(&mut [0; 1000]).unwrap();
    });
    let run = lab.nls(&format!("send f1 f2 f3 f4 f5 to {address}")).fails(1, ": f3: the peer ");
    for said in ["2 files behind it were not sent", "f1: as the test wants", "f2: as the test wants"] {
        assert!(run.err.contains(said), "{}", run.err);
    }
    server.join().unwrap();
}

#[test]
fn row_102_a_server_that_does_not_answer_for_one_file_is_asked_for_no_other() {
    let lab = Lab::new();
    (1..=2).for_each(|n| drop(lab.random(&format!("f{n}"), 2 << 20, n)));
    let part = lab.path("f1");
    let (address, server) = server(move |stream| {
        assert_eq!(read_frame(stream).0, 0x10);
        stream.write_all(&frame(READY, &[0; 9])).unwrap();
        (0..3).for_each(|_| drop(read_frame(stream)));
        // The source changes: the client gives it up.
        std::fs::write(&part, "short").unwrap();
        let gave_up = std::iter::repeat_with(|| read_frame(stream)).find(|(kind, _)| *kind == ERROR).unwrap();
        assert_eq!(code(&gave_up.1), 15);
    });
    let command = format!("send f1 f2 to {address} rate 4MB/s");
    let run = lab.nls(&command).fails(1, ": f1: the file changed while reading");
    assert!(run.err.contains("then the peer"), "{}", run.err);
    assert!(run.err.contains("1 file behind it was not sent"), "{}", run.err);
    server.join().unwrap();
}

#[test]
fn row_102_what_was_refused_before_the_end_of_a_connection_is_said() {
    let lab = Lab::new();
    let (address, server) = server(move |stream| {
        let file = |name: &str| {
            [&[0, 1, 0o244][..], &100_000u64.to_be_bytes(), &0u64.to_be_bytes(), &text(name)].concat()
        };
        assert_eq!(read_frame(stream).0, 0x11);
        stream.write_all(&frame(0x1d, &[&[1, 0o355][..], &[0; 8], &text("d")].concat())).unwrap();
        assert_eq!(read_frame(stream).0, 0x22);
        let entries = [file("a"), file("b"), file("c")].concat();
        let page = frame(0x18, &[&[1, 0, 3], &entries[..]].concat());
        stream.write_all(&[page, frame(0x25, &[0; 24])].concat()).unwrap();
        assert_eq!(read_frame(stream).0, 0x11);
        let described = [&[0, 1, 0o244][..], &100_000u64.to_be_bytes(), &[0; 8]].concat();
        stream.write_all(&frame(0x14, &described)).unwrap();
        assert_eq!(answer(stream).0, READY);
        stream.write_all(&[block(b"begins"), error(12)].concat()).unwrap();
        assert_eq!(answer(stream).0, ERROR);
        // Asked for the next one it says nothing.
        assert_eq!(read_frame(stream).0, 0x11);
    });
    let run = lab.nls(&format!("get d/ from {address}")).fails(1, "error: get d: b: the peer ");
    for said in ["1 file behind it was not fetched", "\na: as the test wants"] {
        assert!(run.err.contains(said), "{}", run.err);
    }
    server.join().unwrap();
}

#[test]
fn what_comes_from_standard_input_goes_on_where_it_was_and_what_goes_out_is_not_kept() {
    let lab = Lab::new();
    let original = std::fs::read(lab.random("big", 6 << 20, 3)).unwrap();
    ["root", "temp"].iter().for_each(|name| std::fs::create_dir(lab.path(name)).unwrap());
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let command = |text: &str| {
        let mut command = lab.command(&["-c", text]);
        command.env("TMPDIR", lab.path("temp")).stdin(std::fs::File::open(lab.path("big")).unwrap());
        command
    };
    let mut sender = command(&format!("send - to {address} name piped rate 4MB/s")).spawn().unwrap();
    let part = lab.path("root/.piped.nls-part");
    eventually("the part grows", || std::fs::metadata(&part).is_ok_and(|part| part.len() > 1 << 20));
    sender.kill().unwrap();
    sender.wait().unwrap();
    let text = format!("send - to {address} name piped as up; expect $up.resumed > 500000");
    let mut run = None;
    eventually("the server has noticed", || {
        let output = command(&text).output().unwrap();
        let is_done = output.status.success();
        run = Some(String::from_utf8_lossy(&output.stderr).into_owned());
        is_done
    });
    assert!(std::fs::read(lab.path("root/piped")).unwrap() == original, "{run:?}");
    let mut sender = lab.command(&["-c", &format!("print reads; send - to {address} name more")]);
    let sender = sender.env("TMPDIR", lab.path("temp")).stdin(std::process::Stdio::piped());
    let mut sender = sender.spawn().unwrap();
    let mut input = sender.stdin.take().unwrap();
    let mut sender = Running::of(sender);
    sender.line_with("reads");
    // More than a pipe holds: it is being read.
    input.write_all(&vec![b'x'; 1 << 20]).unwrap();
    assert_eq!(std::fs::read_dir(lab.path("temp")).unwrap().count(), 0, "what is read has no name");
    sender.signal("INT");
    let run = sender.finish();
    assert!(run.err.contains("send -: interrupted; nothing was sent"), "{}", run.err);
    drop(input);
    let mut getter = lab.command(&["-c", &format!("get piped from {address} to - rate 2MB/s")]);
    let getter = Running::of(getter.env("TMPDIR", lab.path("temp")).spawn().unwrap());
    let grows = || {
        let folders = std::fs::read_dir(lab.path("temp")).unwrap();
        let mut parts = folders.filter_map(|entry| entry.ok()?.path().join(".file.nls-part").metadata().ok());
        parts.any(|part| part.len() > 1 << 20)
    };
    eventually("it comes", grows);
    getter.signal("INT");
    let run = getter.finish();
    assert!(run.err.contains("interrupted; nothing of it is kept"), "{}", run.err);
    assert_eq!(std::fs::read_dir(lab.path("temp")).unwrap().count(), 0);
}
