//! Files and folders: what is sent, and where it is put.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::{PREFACE_FTP, block, connect, error_text, frame, put, read_frame, text};
use crate::harness::{Lab, eventually, names};

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
    more.write_all(&block(b"0123456789")).unwrap();
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

/// An entry of a list.
fn entry(kind: u8, name: &str, rest: &[u8], size: u64) -> Vec<u8> {
    [&[kind, 1, 0o244][..], &size.to_be_bytes(), &0u64.to_be_bytes(), &text(name), rest].concat()
}

/// The answer to WALK with these entries.
fn walked(entries: &[Vec<u8>]) -> Vec<u8> {
    let head = [&[1][..], &(entries.len() as u16).to_be_bytes()].concat();
    [frame(0x18, &[head, entries.concat()].concat()), frame(0x25, &[0; 24])].concat()
}

/// A server of one client, which answers each frame as its kind says, up to the first that it does not.
fn answering(
    answer: impl Fn(u8) -> Option<Vec<u8>> + Send + 'static,
) -> (std::net::SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(PREFACE_FTP).unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        let mut header = [0; 5];
        while stream.read_exact(&mut header).is_ok() {
            let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize - 1;
            // The body, and the check sum.
            stream.read_exact(&mut vec![0; length + 4]).unwrap();
            let Some(answer) = answer(header[4]) else { return };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    (address, server)
}

#[test]
fn row_24_a_server_brings_no_link_that_was_not_asked_for_and_writes_through_none() {
    for words in ["", "links", "links hidden"] {
        let lab = Lab::new();
        lab.write("home/.ssh/id", "PRIVATE");
        lab.write("outer", "");
        let page = walked(&[entry(2, "x", &text(".ssh"), 0), entry(0, "x/authorized_keys", &[], 4)]);
        let (address, server) = answering(move |kind| match kind {
            0x11 => Some(folder("d", 0o755)),
            0x22 => Some(page.clone()),
            0x1f => Some(small("d/x/authorized_keys", b"EVIL")),
            _ => None,
        });
        lab.nls(&format!("get d from {address} to home {words}")).fails(1, "");
        server.join().unwrap();
        assert_eq!(names(&lab.path("home/.ssh")), ["id"], "{words}");
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
fn what_is_here_and_changes_while_the_server_is_asked_is_not_called_the_same() {
    let lab = Lab::new();
    let file = lab.write("d/ok", "hello");
    // It says of the file that is offered that it is the same, and takes its time.
    let (address, _) = answering(move |kind| match kind {
        0x11 => Some(folder("d", 0o755)),
        0x22 => Some(walked(&[entry(0, "ok", &[], 5)])),
        0x1f => {
            std::fs::write(&file, "Jello").unwrap();
            Some(frame(0x2a, &[]))
        }
        _ => None,
    });
    let run = lab.nls(&format!("get d/ from {address} replace"));
    run.fails(1, "it is here, and it changed while the server was asked for it");
}

#[test]
fn an_answer_that_has_another_name_than_what_was_asked_for_is_not_taken_for_it() {
    for (name, code) in [("d/ok", 0), ("d/other", 1), ("ok", 1), ("../d/ok", 1)] {
        let lab = Lab::new();
        let (address, _) = answering(move |kind| match kind {
            0x11 => Some(folder("d", 0o755)),
            0x22 => Some(walked(&[entry(0, "ok", &[], 5)])),
            0x1f => Some(small(name, b"hello")),
            _ => None,
        });
        let run = lab.nls(&format!("get d/ from {address}"));
        assert_eq!((run.code, lab.path("d/ok").exists()), (Some(code), code == 0), "{name}: {}", run.err);
    }
}
