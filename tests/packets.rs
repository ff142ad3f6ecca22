//! Captures, as Wireshark reads them: `tshark` with docs/nls.lua.

use std::path::Path;
use std::process::Command;

use crate::harness::{Lab, has};

/// Our protocol before those that Wireshark guesses by the port.
const FIRST: [&str; 4] = ["-o", "udp.try_heuristic_first:TRUE", "-o", "tcp.try_heuristic_first:TRUE"];
/// Warnings and errors, malformed packets, and faults of the script.
const WRONG: &str = "_ws.expert.severity >= 6291456 || _ws.malformed || _ws.lua";

/// Seeded transfers that are compared; `NLS_CAPTURES=50` compares as many as the documents speak of.
fn runs() -> u64 {
    std::env::var("NLS_CAPTURES").ok().and_then(|runs| runs.parse().ok()).unwrap_or(4)
}

/// The lines that `tshark` prints for the packets of a file that a filter matches.
fn tshark(lab: &Lab, file: &str, filter: &str) -> Vec<String> {
    let (lines, said) = try_tshark(lab, file, filter);
    assert!(said.is_empty(), "{file}: {said}");
    lines
}

/// The same, and what it complained about.
fn try_tshark(lab: &Lab, file: &str, filter: &str) -> (Vec<String>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nls.lua");
    let mut command = Command::new("tshark");
    lab.dress(&mut command);
    command.args(FIRST).arg("-X").arg(format!("lua_script:{}", script.display()));
    let output = command.args(["-r", file, "-Y", filter]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It warns of root, which tests may be run by.
    let faults: Vec<&str> = said.lines().filter(|line| !line.contains("could be dangerous")).collect();
    (String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(), faults.join("\n"))
}

#[test]
fn tshark_counts_the_retransmissions_that_the_sender_counted() {
    if !has("tshark") {
        return;
    }
    let lab = Lab::new();
    lab.random("f.bin", 60_000, 1);
    let methods = ["", "arq selective window 16", "arq go-back-n window 8", "arq stop-and-wait"];
    for seed in 0..runs() {
        let method = methods[seed as usize % methods.len()];
        let script = format!(
            "listen udp 0 ftp root $tmp as files\nlink udp 0 to $files loss 8% delay 1ms seed {seed} as bad\n\
             capture $bad to {seed}.pcapng as cap\nsend f.bin to udp $bad {method} as up\n\
             expect $bad traced \"close and out\" within 10s\nstop $cap\n\
             trace $up where kind == data and retransmitted as again\nprint $again.shown\n"
        );
        lab.write("run.nls", &script);
        let run = lab.run(&["-q", "run.nls"]).success();
        let file = format!("{seed}.pcapng");
        let counted = tshark(&lab, &file, "nls.retransmission && frame.interface_id == 0").len();
        assert_eq!(counted.to_string(), run.out.trim(), "seed {seed} {method}");
        assert_eq!(tshark(&lab, &file, WRONG), Vec::<String>::new(), "seed {seed} {method}");
    }
}

#[test]
fn tshark_reads_every_service_without_a_warning() {
    if !has("tshark") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/film.mp4", 50_000, 2);
    lab.random("f.bin", 300_000, 1);
    let script = "listen tcp 0 ftp root root as files\nlisten udp 0 ftp root root as ufiles\nlisten tcp 0 calc as calculator\n\
        listen udp 0 calc as ucalculator\nlisten udp 0 stream root root as media\nlisten tcp 0 chat as room\nlisten udp 0 chat as pair\n\
        capture $files to files.pcapng\ncapture $ufiles to ufiles.pcapng\ncapture $calculator to calc.pcapng\n\
        capture $ucalculator to ucalc.pcapng\ncapture $media to media.pcapng\ncapture $room to room.pcapng\ncapture $pair to pair.pcapng\n\
        send f.bin to $files\nget f.bin from $files to $tmp/a\nsend f.bin to udp $ufiles name g.bin\nget g.bin from udp $ufiles to $tmp/b\nls $files\n\
        calc 7 % 3 at $calculator\ncalc 7 % 3 at udp $ucalculator\n!printf '7*6\\n' | nls connect tcp $calculator > $tmp/c\n\
        stream film.mp4 from $media to $tmp/film.mp4\nchat tcp $room name ann as ann\nsay $ann \"hello\"\n\
        chat udp $pair name bob as bob\nsay $bob \"hello\"\nexpect $pair says \"hello\" within 5s\nstop all\n";
    lab.write("all.nls", script);
    lab.run(&["all.nls"]).success();
    for file in ["files", "ufiles", "calc", "ucalc", "media", "room", "pair"] {
        let file = format!("{file}.pcapng");
        assert_eq!(tshark(&lab, &file, WRONG), Vec::<String>::new(), "{file}");
        assert!(tshark(&lab, &file, "nls").len() >= 4, "{file}");
    }
}

#[test]
fn tshark_reads_every_dialect_and_raw_sessions_without_a_warning() {
    if !["tshark", "curl", "nc"].iter().all(|program| has(program)) {
        return;
    }
    let lab = Lab::new();
    lab.random("root/letter", 30_000, 1);
    lab.write("root/page.txt", "the text of a page\n");
    let script = "listen tcp 0 ftp root root as files\nlisten udp 0 ftp root root as ufiles\nlisten tcp 0 calc as calculator\n\
        listen udp 0 calc as ucalculator\nlisten tcp 0 raw as srv\nlisten tcp 0 echo as echo\nlisten tls 0 raw as sealed\non $sealed says \"inside\": say it \"inside too\"\n\
        capture $files to files.pcapng\ncapture $ufiles to ufiles.pcapng\ncapture $calculator to calc.pcapng\n\
        capture $ucalculator to ucalc.pcapng\ncapture $srv to srv.pcapng\ncapture $echo to echo.pcapng\n\
        expect error \"is over TLS\": capture $sealed to no.pcapng\ncapture $sealed to sealed.pcapng plain\n\
        let p = $files.port\nlet u = $ufiles.port\nlet c = $calculator.port\nlet n = $ucalculator.port\n\
        !curl -sf http://127.0.0.1:$p/page.txt -o $tmp/a && curl -sf http://127.0.0.1:$p/letter -o $tmp/b\n\
        !curl -sf ftp://127.0.0.1:$p/page.txt -o $tmp/c && curl -sf -T root/letter http://127.0.0.1:$p/up\n\
        !curl -sf tftp://127.0.0.1:$u/page.txt -o $tmp/d\n\
        !printf '7*6\\n' | nc -N 127.0.0.1 $c > $tmp/e; printf '7*6\\n' | nc -u -w1 127.0.0.1 $n > $tmp/f\n\
        connect tcp $srv as one\nsay $one \"from the client\"\nexpect $srv.last says \"from the client\" within 5s\n\
        say $srv.last \"from the server\"\nexpect $one says \"from the server\" within 5s\nfinish $one\nexpect $srv.last ends within 5s\n\
        connect tcp $echo as two\ncapture $two to two.pcapng\nsay $two \"back and forth\"\nexpect $two says \"back and forth\" within 5s\nreset $two\n\
        connect tls $sealed insecure as three\nsay $three \"inside\"\nexpect $three says \"inside too\" within 5s\nfinish $three\n\
        print $two.trace.sent $srv.trace.received\nstop all\n";
    lab.write("all.nls", script);
    let run = lab.run(&["-q", "all.nls"]).success();
    assert!(run.out.ends_with("\n1 1\n"), "{run:?}");
    for (file, parts) in [
        (
            "files",
            &[
                "tcp contains \"GET /page.txt HTTP\"",
                "tcp contains \"the text of a page\"",
                "tcp contains \"220 nls\"",
                "tcp contains \"PUT /up\"",
                "tcp contains \"RETR page.txt\"",
            ][..],
        ),
        ("ufiles", &["tftp.opcode == 1", "udp contains \"the text of a page\""]),
        ("calc", &["tcp contains \"7*6\"", "tcp contains \"42\""]),
        ("ucalc", &["udp contains \"7*6\"", "udp contains \"42\""]),
        (
            "srv",
            &["tcp contains \"from the client\"", "tcp contains \"from the server\"", "tcp.flags.fin == 1"],
        ),
        ("echo", &["tcp contains \"back and forth\"", "tcp.flags.syn == 1"]),
        ("two", &["tcp contains \"back and forth\"", "tcp.flags.reset == 1"]),
        ("sealed", &["tcp contains \"inside\""]),
    ] {
        let file = format!("{file}.pcapng");
        // A reset is a warning of its own.
        let wrong = format!("({WRONG}) && !(tcp.flags.reset == 1)");
        assert_eq!(tshark(&lab, &file, &wrong), Vec::<String>::new(), "{file}");
        for part in parts {
            assert!(
                !tshark(&lab, &file, part).is_empty(),
                "{file}: {part}: {:#?}",
                tshark(&lab, &file, "frame")
            );
        }
    }
    // All of an upload is there, and all of what the kernel sent by itself.
    let (captured, letter) =
        (std::fs::read(lab.path("files.pcapng")).unwrap(), std::fs::read(lab.path("root/letter")).unwrap());
    let count = |part: &[u8]| captured.windows(part.len()).filter(|window| *window == part).count();
    let found: usize = letter.chunks_exact(40).step_by(75).map(count).sum();
    // Ten parts, twice each, unless the border of a segment lies in one.
    assert!((15..=20).contains(&found), "{found}");
}

#[test]
fn a_capture_is_whole_up_to_the_last_packet_when_its_shell_is_killed() {
    if !has("tshark") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/f.bin", 40_000_000, 1);
    let script = "listen udp 0 ftp root root as files\ncapture $files to c.pcapng as cap\nprint ready\n\
        get f.bin from udp $files to $tmp/back &\nexpect $cap.packets > 1200 within 20s\nprint captured\nwait\n";
    lab.write("capture.nls", script);
    let mut shell = lab.start(&["-q", "capture.nls"]);
    shell.line_with("captured");
    shell.child.kill().unwrap();
    shell.child.wait().unwrap();
    let (lines, said) = try_tshark(&lab, "c.pcapng", "nls.block.length");
    assert!(lines.len() > 500, "{said}");
    // The kernel may have been stopped within the last block; nothing else may be wrong.
    assert!(said.lines().all(|line| line.contains("cut short in the middle of a packet")), "{said}");
}

#[test]
fn what_a_key_encrypts_is_encrypted_in_a_capture_unless_plain_text_is_asked_for() {
    if !has("tshark") {
        return;
    }
    let lab = Lab::new();
    let secret = "nobody on the way may read this ".repeat(1000);
    lab.write("root/letter", &secret);
    lab.nls("key new to team.key").success();
    let script = "listen tcp 0 ftp root root key team.key as files\nlisten udp 0 ftp root root key team.key as ufiles\n\
        link tcp 0 to $files as way\ncapture $way to way.pcapng\n\
        capture $files to DEPTH.pcapng\ncapture $ufiles to uDEPTH.pcapng\n\
        get letter from $way to $tmp/a key team.key\nget letter from udp $ufiles to $tmp/b key team.key\n\
        send $tmp/a to $files name back key team.key\nls $files key team.key\nstop all\n";
    for (depth, words) in [("sealed", ""), ("inside", " plain")] {
        let script = script
            .replace("DEPTH.pcapng", &format!("{depth}.pcapng{words}"))
            .replace("way.pcapng", &format!("{depth}-way.pcapng"))
            .replace("name back", &format!("name {depth}"));
        lab.write("keyed.nls", script);
        lab.run(&["keyed.nls"]).success();
        for file in [format!("{depth}.pcapng"), format!("u{depth}.pcapng"), format!("{depth}-way.pcapng")] {
            assert_eq!(tshark(&lab, &file, WRONG), Vec::<String>::new(), "{file}");
            let bytes = std::fs::read(lab.path(&file)).unwrap();
            let holds = bytes.windows(30).any(|window| window == &secret.as_bytes()[..30]);
            let is_inside = words == " plain" && !file.contains("way");
            assert_eq!(holds, is_inside, "{file}");
            let blocks = if file.starts_with('u') { "nls.block.length" } else { "nls.kind == 0x01" };
            assert_eq!(!tshark(&lab, &file, blocks).is_empty(), is_inside, "{file}");
            let sealed = if file.starts_with('u') { "nls.sealed" } else { "nls.handshake && nls.preface" };
            assert_eq!(!tshark(&lab, &file, sealed).is_empty(), !is_inside, "{file}");
        }
    }
    lab.nls("listen tcp 0 calc as c; link tcp 0 to $c as l; capture $l to x.pcapng plain")
        .fails(1, "the link l has no key");
}

#[test]
fn a_link_over_tcp_is_captured_at_both_sides() {
    if !has("tshark") {
        return;
    }
    let lab = Lab::new();
    lab.random("f.bin", 100_000, 1);
    let script = "listen tcp 0 ftp root $tmp as files\nlink tcp 0 to $files delay 5ms as way\ncapture $way to way.pcapng\n\
        send f.bin to $way\nexpect $way.clients == 0 within 5s\nstop all\n";
    lab.write("way.nls", script);
    lab.run(&["way.nls"]).success();
    assert_eq!(tshark(&lab, "way.pcapng", WRONG), Vec::<String>::new());
    for side in 0..2 {
        let of = |filter: &str| {
            tshark(&lab, "way.pcapng", &format!("frame.interface_id == {side} && {filter}")).len()
        };
        assert_eq!(of("tcp.flags.syn == 1 && tcp.flags.ack == 0"), 1, "side {side}");
        assert!(
            of("tcp.flags.fin == 1") >= 1 && of("nls.preface") == 2 && of("nls.kind") >= 4,
            "side {side}"
        );
    }
}
