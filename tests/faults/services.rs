//! Conversations, calculations and players.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::{PREFACE_CALC, connect, frame, read_frame, text};
use crate::harness::Lab;

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
