//! Programs of others, as they are: curl, ncat, nc, ffmpeg, mpv, zbarimg.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Lab, Running, has};

/// Runs a program with some input; what it printed.
fn with_input(lab: &Lab, program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    lab.dress(&mut command);
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn ncat_and_nc_ask_the_calculator_in_lines_of_text() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let (host, port) = address.rsplit_once(':').unwrap();
    if has("ncat") {
        let answers = with_input(&lab, "ncat", &[host, port], "7 % 3\n1/0\n(2+3)*4\n");
        assert_eq!(answers, "1\nerror: division by zero at column 2\n20\n");
    }
    if has("nc") {
        assert_eq!(with_input(&lab, "nc", &["-N", host, port], "7 % 3"), "1\n");
    }
}

#[test]
fn ncat_and_nc_ask_the_calculator_over_udp() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen udp 0 calc");
    let (host, port) = address.rsplit_once(':').unwrap();
    for program in ["nc", "ncat"] {
        if !has(program) {
            continue;
        }
        let mut command = Command::new(program);
        lab.dress(&mut command);
        let mut asks = Running::of(command.args(["-u", host, port]).stdin(Stdio::piped()).spawn().unwrap());
        let mut ask = asks.child.stdin.take().unwrap();
        ask.write_all(b"7 % 3\n").unwrap();
        assert_eq!(asks.line(), "1", "{program}");
        ask.write_all(b"1/0\n").unwrap();
        assert_eq!(asks.line(), "error: division by zero at column 2", "{program}");
    }
    if has("nc") {
        assert_eq!(with_input(&lab, "nc", &["-u", "-w1", host, port], "7 % 3\n"), "1\n");
    }
    lab.nls(&format!("calc 6*7 at udp {address} as r; expect $r.value == 42")).success();
}

#[test]
fn nc_that_only_listens_is_greeted_and_hears_the_room() {
    if !has("nc") {
        return;
    }
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 chat relay");
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new("nc");
    lab.dress(&mut command);
    let mut guest = Running::of(command.args([host, port]).stdin(Stdio::piped()).spawn().unwrap());
    guest.line_with("you are guest");
    lab.nls(&format!("chat tcp {address} name ann as ann; say $ann \"good day\"; close $ann")).success();
    assert_eq!(guest.line_with("ann: "), "ann: good day");
}

#[test]
fn nc_and_ncat_hold_a_conversation_over_udp() {
    for program in ["nc", "ncat"] {
        if !has(program) {
            continue;
        }
        let lab = Lab::new();
        let script = "listen udp 0 chat as bob\nprint $bob.port\nexpect $bob says \"hello\" within 20s\n\
                      say $bob \"good day\"\nexpect $bob says \"fine\" within 20s\nwait $bob within 20s\n";
        lab.write("bob.nls", script);
        let mut bob = lab.start(&["-q", "bob.nls"]);
        let port = bob.line();
        let mut command = Command::new(program);
        lab.dress(&mut command);
        let mut guest =
            Running::of(command.args(["-u", "127.0.0.1", &port]).stdin(Stdio::piped()).spawn().unwrap());
        let mut say = guest.child.stdin.take().unwrap();
        say.write_all(b"hello there\n").unwrap();
        assert_eq!(guest.line(), "* you are guest; /name NEW, /who, /quit, /help", "{program}");
        assert_eq!(guest.line(), "host: good day", "{program}");
        say.write_all(b"fine, thanks\nand another thing\n").unwrap();
        assert!(guest.line().starts_with("* it is not your turn"), "{program}");
        say.write_all(b"/quit\n").unwrap();
        bob.finish().success();
    }
}

#[test]
fn nc_that_ends_its_side_is_told_goodbye_and_its_last_line_comes_before_its_end() {
    if !has("nc") {
        return;
    }
    let lab = Lab::new();
    let script = "listen tcp 0 chat relay as room\nchat tcp $room name ann as ann\nprint $room.port\n\
                  expect $ann says \"last words\" within 20s\nexpect $ann says \"guest left\" within 20s\n";
    lab.write("room.nls", script);
    let mut room = lab.start(&["-q", "room.nls"]);
    let port = room.line();
    let answer = with_input(&lab, "nc", &["-N", "127.0.0.1", &port], "@zoe psst\n/frob\nlast words\n");
    assert!(answer.contains("* nobody is called zoe; here are: ann, guest"), "{answer}");
    assert!(answer.contains("* `/frob` is not a chat command, and was not sent"), "{answer}");
    assert!(answer.trim_end().ends_with("* goodbye"), "{answer}");
    room.finish().success();
}

#[test]
fn a_silent_ncat_server_and_a_silent_client_hold_up_nobody() {
    if !has("ncat") {
        return;
    }
    let lab = Lab::new();
    lab.write("root/a", "x");
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new("ncat");
    lab.dress(&mut command);
    let mut silent = command.args([host, port]).stdin(Stdio::piped()).spawn().unwrap();
    lab.nls(&format!("get a from {address}")).success();
    silent.kill().unwrap();
    silent.wait().unwrap();
}

/// Two seconds of a test picture; the index of the file stands at its end.
fn film(lab: &Lab, name: &str) {
    std::fs::create_dir_all(lab.path("root")).unwrap();
    let mut command = Command::new("ffmpeg");
    lab.dress(&mut command);
    let path = format!("root/{name}");
    let arguments = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=2:size=320x240:rate=25",
        "-pix_fmt",
        "yuv420p",
        &path,
    ];
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn mpv_and_ffmpeg_play_a_film_while_it_arrives() {
    if !has("ffmpeg") || !has("mpv") {
        return;
    }
    let lab = Lab::new();
    for name in ["film.mp4", "film.mkv"] {
        film(&lab, name);
        for (player, said) in [
            ("mpv --vo=null --ao=null --really-quiet --no-terminal --speed=100 {url}", "mpv"),
            ("ffmpeg -v error -i {url} -f null -", "ffmpeg"),
        ] {
            let script = format!(
                "listen udp 0 stream root root as m; stream {name} play \"{player}\" as s; expect $s.player == {said}; expect $s.state == done"
            );
            let run = lab.nls(&script).success();
            assert!(run.out.contains(&format!("played by {said}")), "{}", run.out);
        }
    }
}

/// The five lines of the first user, exactly as written. They name fixed ports and a host called `host`, so they
/// run in a network and a name file of their own.
#[test]
fn the_five_lines_work_exactly_as_written() {
    if !has("unshare") || !has("ffmpeg") || !has("mpv") {
        return;
    }
    let lab = Lab::new();
    film(&lab, "movie.mp4");
    lab.random("client/file.bin", 100_000, 1);
    std::fs::create_dir(lab.path("served")).unwrap();
    lab.write("hosts", "127.0.0.1 localhost host\n");
    // Packets as large as on most paths: the largest chunks leave in two fragments.
    // A machine without a screen: the real player, told so.
    let player = lab.write(
        "bin/mpv",
        "#!/bin/sh\nexec $(PATH=${PATH#*:} command -v mpv) --vo=null --ao=null --speed=100 \"$@\"\n",
    );
    std::fs::set_permissions(&player, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    lab.write("server.nls", "listen tcp 9000 ftp\nlisten udp 9001 chat as talk\nwait $talk within 40s\n");
    let script = "retry 200 every 20ms: ls host:9000\nlisten tcp 0 calc\nlisten udp 0 stream root ../root\n\
        send file.bin to host:9000 chunk 1024\ncalc 7 % 3\nchat udp host:9001\nstream movie.mp4 play\n";
    lab.write("client/five.nls", script);
    let shell = format!(
        "ip link set lo mtu 1500 up && mount --bind hosts /etc/hosts && (cd served && exec {0} ../server.nls) & sleep 0; \
         cd client && until ip link show lo | grep -q UP; do :; done; PATH={1}/bin:$PATH {0} five.nls; code=$?; wait; exit $code",
        crate::harness::PROGRAM,
        lab.folder.path().display()
    );
    let mut command = Command::new("unshare");
    lab.dress(&mut command);
    let output = command.args(["-rmn", "sh", "-c", &shell]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("Operation not permitted") {
        assert!(std::env::var_os("CI").is_none(), "{err}");
        eprintln!("SKIPPED: no namespaces here");
        return;
    }
    assert!(output.status.success(), "{out}\n{err}");
    for said in ["98 chunks of 1024 bytes", "\n1\n", "with host", "played by mpv"] {
        assert!(out.contains(said), "`{said}` is not in {out}\n{err}");
    }
    assert!(lab.path("served/file.bin").exists());
}

#[test]
fn nc_and_ncat_take_part_in_a_conversation_and_are_told_the_rule() {
    let lab = Lab::new();
    for program in ["nc", "ncat"] {
        if !has(program) {
            continue;
        }
        let script = "listen tcp 0 chat as room\nprint $room.port\nexpect $room says \"hello\" within 20s\n\
                      say $room \"good day\"\nexpect $room says \"fine\" within 20s\n\
                      expect $room.clients == 0 within 20s\n";
        lab.write("host.nls", script);
        let mut host = lab.start(&["-q", "host.nls"]);
        let port = host.line();
        let mut command = Command::new(program);
        lab.dress(&mut command);
        let mut guest =
            Running::of(command.args(["127.0.0.1", &port]).stdin(Stdio::piped()).spawn().unwrap());
        let mut say = guest.child.stdin.take().unwrap();
        say.write_all(b"hello there\n").unwrap();
        assert_eq!(guest.line(), "* you are guest; /name NEW, /who, /quit, /help", "{program}");
        assert_eq!(guest.line(), "host: good day", "{program}");
        say.write_all(b"fine, thanks\nand another thing\n/name bob\n/who\n").unwrap();
        assert!(guest.line().starts_with("* it is not your turn"), "{program}");
        assert_eq!(
            (guest.line(), guest.line()),
            ("* you are bob".to_owned(), "* here: bob".to_owned()),
            "{program}"
        );
        say.write_all(b"/quit\n").unwrap();
        host.finish().success();
    }
}

/// Runs a script of `scripts/foreign` if the programs that it needs are there.
fn foreign(script: &str, programs: &[&str]) {
    if !programs.iter().all(|program| has(program)) {
        return;
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/foreign").join(script);
    Lab::new().run(&["test", path.to_str().unwrap()]).success();
}

#[test]
fn mail_goes_to_a_server_of_python_and_curl_sends_some_to_a_mock() {
    foreign("smtp.nls", &["/usr/bin/python3", "curl"]);
}

#[test]
fn nginx_answers_a_request_by_hand_and_a_mock_answers_curl() {
    foreign("http.nls", &["nginx", "curl"]);
}

#[test]
fn redis_keeps_a_value_and_a_mock_answers_redis_cli() {
    foreign("redis.nls", &["redis-server", "redis-cli"]);
}

#[test]
fn dnsmasq_resolves_a_name_and_a_mock_answers_dig() {
    foreign("dns.nls", &["dnsmasq", "dig"]);
}

#[test]
fn certificates_that_browsers_refuse_are_refused_with_the_reason() {
    foreign("tls.nls", &["nginx", "openssl"]);
}

#[test]
fn the_standard_streams_are_a_connection_byte_for_byte_in_both_directions() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 echo");
    let sent = lab.random("sent.bin", 3_000_000, 7);
    let script =
        format!("{} connect tcp {address} < {} > back.bin", env!("CARGO_BIN_EXE_nls"), sent.display());
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    let output = command.args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        std::fs::read(&sent).unwrap() == std::fs::read(lab.path("back.bin")).unwrap(),
        "what came back differs"
    );
    // Nothing else is on standard output, and the end of the input ends the conversation.
    let refused = Command::new(env!("CARGO_BIN_EXE_nls"))
        .args(["connect", "tcp", "127.0.0.1:1"])
        .stdin(Stdio::null())
        .output();
    let refused = refused.unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
}

#[test]
fn a_verb_in_the_first_place_runs_it_and_a_near_miss_says_so() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    assert_eq!(lab.run(&["calc", "7", "%", "3", "at", &address]).success().out.trim(), "1");
    let missed = lab.run(&["clac", "7"]);
    assert!(missed.code == Some(3) && missed.err.contains("did you mean `nls calc …`?"), "{}", missed.err);
    let script = lab.write("send", "print a script\n");
    assert_eq!(
        lab.run(&[&format!("./{}", script.file_name().unwrap().display())]).success().out.trim(),
        "a script"
    );
}

/// The picture that a terminal shows, as a file (PGM): half blocks filled with `ink`, the rest with `ground`.
fn photographed(lab: &Lab, lines: &[&str], ink: u8, ground: u8) -> String {
    const SCALE: usize = 6;
    let columns = lines[0].chars().count();
    let mut picture = format!("P5 {} {} 255\n", columns * SCALE, lines.len() * 2 * SCALE).into_bytes();
    for line in lines {
        for half in ["█▀", "█▄"] {
            let pixels = line.chars().flat_map(|c| [if half.contains(c) { ink } else { ground }; SCALE]);
            picture.extend(pixels.collect::<Vec<u8>>().repeat(SCALE));
        }
    }
    let file = lab.path("code.pgm");
    std::fs::write(&file, picture).unwrap();
    file.display().to_string()
}

#[test]
fn zbarimg_reads_the_codes_of_dark_light_and_coloured_terminals() {
    if !has("zbarimg") {
        return;
    }
    let lab = Lab::new();
    let long = "http://192.168.100.107:41234/a/longer/path?with=Ünïcödé&".repeat(4);
    for text in ["192.168.1.7:9000", "http://[2001:db8::7]:9000/", "0123456789", &long] {
        for (colour, ground, lightness) in
            [("never", "dark", 255), ("never", "light", 0), ("always", "dark", 0)]
        {
            let run = lab.run(&["--color", colour, "-c", &format!("qr \"{text}\" {ground}")]).success();
            let bare = run.out.replace("\u{1b}[48;5;231;38;5;16m", "").replace("\u{1b}[0m", "");
            let is_drawn = |line: &&str| line.chars().all(|c| " █▀▄".contains(c));
            let drawn: Vec<&str> = bare.lines().take_while(is_drawn).collect();
            let picture = photographed(&lab, &drawn, lightness, 255 - lightness);
            let read =
                with_input(&lab, "zbarimg", &["--nodbus", "--quiet", "--raw", "-Sbinary", &picture], "");
            assert_eq!(read.trim_end(), text, "{colour} {ground}");
        }
    }
}
