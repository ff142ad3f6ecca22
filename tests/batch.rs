//! The program in a pipeline: exit codes, streams, signals.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Lab, PROGRAM};

#[test]
fn exit_codes_tell_the_truth() {
    let lab = Lab::new();
    lab.nls("print ok").success();
    lab.nls("calc 1+1").fails(1, "no calc server is known");
    lab.nls("frobnicate").fails(2, "unknown command");
    lab.run(&["--frobnicate"]).fails(2, "unknown option");
    lab.run(&["absent.nls"]).fails(3, "absent.nls");
    lab.write("empty/readme.txt", "");
    lab.run(&["test", "empty"]).fails(4, "no tests found");
    lab.write("bad.nls", "expect 1 == 2\nprint after\n");
    let run = lab.run(&["bad.nls"]).fails(1, "bad.nls:1");
    assert!(!run.out.contains("after"));
    let run = lab.run(&["-k", "bad.nls"]).fails(1, "bad.nls:1");
    assert!(run.out.contains("after"));
}

#[test]
fn errors_and_hints_say_how_to_go_on_and_say_it_once() {
    let lab = Lab::new();
    for listens in ["listen tcp 0 calc", "listen udp 0 ftp", "link udp 0 to 127.0.0.1:9"] {
        let run = lab.nls(listens).success();
        assert!(run.err.contains("`wait` after it keeps it running"), "{listens}: {}", run.err);
    }
    let answered = lab.nls("listen tcp 0 calc as c; calc 1+1 at $c").success();
    assert!(!answered.err.contains("keeps it running"), "{}", answered.err);
    let absent = lab.nls("listen tcp 0 ftp as f; get absent from $f").fails(1, "`ls` shows what there is");
    assert_eq!(absent.err.matches("`ls` shows").count(), 1, "{}", absent.err);
    lab.nls("listen unix socket raw as a; listen unix socket raw")
        .fails(1, "in $tmp, or `test \"…\" serial`");
    for strange in ["/proc/self/status", "/sys/devices/system/cpu/online"] {
        let send = format!("listen tcp 0 ftp as f; send {strange} to $f");
        lab.nls(&send).fails(1, "copy it, and send the copy");
        let name = strange.rsplit('/').next().unwrap();
        assert!(!lab.path(name).exists(), "{name}");
    }
    let mut command = lab.command(&["-c", "print $tmp"]);
    let output = command.env("TMPDIR", lab.path("absent")).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("/absent: no such file or directory; set TMPDIR"), "{words}");
}

#[test]
fn a_script_comes_from_a_file_or_from_standard_input_with_arguments() {
    let lab = Lab::new();
    lab.write("a.nls", "#!/usr/bin/env nls\r\nprint \"$1 and $2\"\r\n");
    assert_eq!(lab.run(&["a.nls", "one", "-k"]).success().out, "one and -k\n");
    assert_eq!(lab.with_input(&[], b"\xef\xbb\xbfprint hi; print there").success().out, "hi\nthere\n");
    lab.run(&["a.nls", "one"]).fails(2, "argument $2 was not given");
}

#[test]
fn row_90_texts_that_are_no_script_are_named() {
    let lab = Lab::new();
    lab.write("utf16.nls", b"\xff\xfep\0r\0");
    lab.run(&["utf16.nls"]).fails(3, "UTF-16");
    lab.write("binary.nls", b"print ok\n\xff\xff\n");
    lab.run(&["binary.nls"]).fails(3, "line 2 is not UTF-8");
    lab.with_input(&[], b"print a\0b").fails(2, "NUL");
    lab.with_input(&[], &vec![b'x'; 1 << 20]).fails(2, "limit is 65536");
    let many = "# nothing\n".repeat(300_000) + "print done\n";
    assert_eq!(lab.with_input(&[], many.as_bytes()).success().out, "done\n");
}

#[test]
fn row_91_errors_in_a_file_are_all_reported_before_anything_runs() {
    let lab = Lab::new();
    lab.write("a.nls", "listen tcp 0 calc as c\nsned x\n\nlisten tcp 99999 calc\n");
    let run = lab.run(&["a.nls"]).fails(2, "a.nls:2:1");
    assert!(run.err.contains("a.nls:4:12") && run.out.is_empty(), "{}", run.err);
    assert_eq!(lab.run(&["check", "a.nls"]).code, Some(2));
    lab.write("b.nls", "print ok");
    lab.run(&["check", "b.nls"]).success();
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let lab = Lab::new();
    let run = lab.run(&["--json", "-c", "listen tcp 0 calc as c; calc 2*21 at $c; calc 1/0"]);
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let objects: Vec<serde_json::Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let result = objects.iter().find(|object| object["verb"] == "calc").unwrap();
    assert_eq!((result["type"].as_str(), result["value"].as_str()), (Some("result"), Some("42")));
    let error = objects.iter().find(|object| object["type"] == "error").unwrap();
    assert!(error["text"].as_str().unwrap().contains("division by zero"));
    assert_eq!(objects.iter().find(|object| object["verb"] == "listen").unwrap()["service"], "calc");
    let wrong = lab.run(&["--json", "-c", "sned x"]);
    let object: serde_json::Value = serde_json::from_str(wrong.out.trim()).unwrap();
    assert_eq!((object["read"].as_str(), object["fix"].as_str()), (Some("sned"), Some("send")));
}

#[test]
fn row_95_without_a_terminal_there_is_no_colour_and_no_prompt() {
    let lab = Lab::new();
    let run = lab.with_input(&[], b"print hi\ncalc 1\n");
    assert_eq!(run.out, "hi\n");
    assert!(!run.err.contains('\u{1b}'));
    let forced = lab.command(&["--color", "always", "-c", "calc 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&forced.stderr).contains("\u{1b}["));
    let mut bare = lab.command(&["-c", "print hi"]);
    bare.env_remove("TERM").env_remove("HOME");
    assert!(bare.output().unwrap().status.success());
}

#[test]
fn row_94_a_closed_standard_output_ends_quietly_by_sigpipe() {
    use std::os::unix::process::ExitStatusExt;
    let lab = Lab::new();
    let mut child = lab.command(&["-c", "repeat 100000: print line"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut front = [0; 10];
    out.read_exact(&mut front).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(13), ""));
}

#[test]
fn row_97_a_signal_closes_the_sessions_and_then_kills() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let lab = Lab::new();
        let (running, _) = lab.server("listen tcp 0 calc");
        running.signal(name);
        let run = running.finish();
        assert_eq!(run.signal, Some(number), "{run:?}");
        assert!(!run.err.contains("panicked"));
    }
}

#[test]
fn commands_of_the_system_can_be_switched_off() {
    let lab = Lab::new();
    lab.run(&["--no-shell", "-c", "!true"]).fails(1, "commands of the system are off");
}

#[test]
fn a_test_run_tells_what_passed_and_what_did_not() {
    let lab = Lab::new();
    lab.write(
        "t/a.nls",
        "test \"good\"\nexpect 1 == 1\ntest \"bad\"\nexpect 1 == 2\ntest \"skipped\"\nskip \"not today\"\n",
    );
    lab.write("t/b.nls", "expect $tmp contains nls\n");
    lab.write("t/_include.nls", "expect 1 == 2\n");
    let run = lab.run(&["test", "t"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("2 passed, 1 failed, 1 skipped"), "{}", run.out);
    assert!(run.out.contains("expected 1 == 2"), "{}", run.out);
    assert_eq!(lab.run(&["test", "t", "--filter", "good"]).code, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let lab = Lab::new();
    let mut running = lab.start(&["-c", "print ready; !exec sleep 5 > /dev/null 2>&1"]);
    running.line_with("ready");
    running.signal("TERM");
    running.signal("TERM");
    let run = running.finish();
    assert_eq!(run.signal, Some(15));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let lab = Lab::new();
    assert!(lab.run(&["--help"]).success().out.contains("nls -c"));
    assert!(lab.run(&["help", "send"]).success().out.contains("Example:"));
    assert!(lab.run(&["--version"]).success().out.starts_with("nls "));
    lab.run(&["help", "sned"]).fails(2, "did you mean send?");
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let lab = Lab::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = lab.command(&["-c", "print hi"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("standard output cannot be written: no space left")
    );
}

#[test]
fn values_of_commands_are_used_again() {
    let lab = Lab::new();
    let run = lab.run(&[
        "-q",
        "-c",
        "listen tcp 0 calc; calc 1/3 as x; calc ($x.value)*3 as y; print $y.value",
        "-c",
        "print \"a\" as p; print $p.text",
    ]);
    assert_eq!(run.success().out, "1\na\na\n");
    lab.nls("let tmp = 5").fails(2, "`tmp` is reserved");
    lab.nls("secret tmp").fails(2, "`tmp` is reserved");
    let json = lab.run(&["--json", "-c", "!echo from the system"]).success();
    assert_eq!((json.out.as_str(), json.err.as_str()), ("", "from the system\n"));
}

#[test]
fn a_background_job_is_waited_for_tells_how_it_ended_and_counts() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    let run = lab
        .nls("listen tcp 0 ftp root root as f; get a from $f as good &; get b from $f as bad &")
        .fails(1, "[bad] get b: there is no file `b`");
    assert!(run.err.contains("[good] got a as"), "{}", run.err);
    assert!(lab.path("a").exists());
}

#[test]
fn a_file_goes_to_standard_output_and_comes_from_standard_input() {
    let lab = Lab::new();
    let big = lab.random("root/big", 700_000, 5);
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let output = lab.command(&["-c", &format!("get big from {address} to -")]).output().unwrap();
    assert!(output.stdout == std::fs::read(&big).unwrap(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("got big as standard output: 683.6 KiB"));
    lab.with_input(&["-c", &format!("send - to {address} name piped")], b"from a pipe").success();
    assert_eq!(std::fs::read(lab.path("root/piped")).unwrap(), b"from a pipe");
    lab.with_input(&["-c", &format!("send - to {address}")], b"").fails(1, "needs a name");
    lab.with_input(&["-c", &format!("send - to {address} name big")], b"other")
        .fails(1, "error: send -: `big` exists");
    lab.with_input(&[], format!("send - to {address} name x\n").as_bytes())
        .fails(1, "standard input is taken by the commands");
    lab.nls(&format!("get . from {address} to -")).fails(1, "a folder does not go to standard output");
    // The place where it is kept until it is whole.
    lab.random("root/large", 2 << 20, 6);
    let narrow = |place: &str, script: &str| {
        let mut command = Command::new("sh");
        lab.dress(&mut command);
        let script = format!("echo in | TMPDIR={place} exec \"$1\" -c '{script}'");
        let output = command.args(["-c", &format!("ulimit -f 1024; {script}"), "sh", PROGRAM]).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let none = lab.path("none").display().to_string();
    for script in [format!("get big from {address} to -"), format!("send - to {address} name other")] {
        let words = narrow(&none, &script);
        assert!(words.contains(&format!("a temporary file in {none}: no such file")), "{words}");
        assert!(words.contains("set TMPDIR to a folder"), "{words}");
    }
    std::fs::create_dir(lab.path("temp")).unwrap();
    let words = narrow(&lab.path("temp").display().to_string(), &format!("get large from {address} to -"));
    assert!(words.contains("file too large; set TMPDIR") && !words.contains("kept"), "{words}");
    assert_eq!(std::fs::read_dir(lab.path("temp")).unwrap().count(), 0);
    let run = lab.run(&["--json", "-c", &format!("get big from {address} to -")]);
    assert!(run.code == Some(1) && run.out.contains("taken by results in JSON"), "{run:?}");
}

/// More is printed than fits the pipe and the queue before it.
#[test]
fn output_that_nobody_reads_holds_up_no_server() {
    let lab = Lab::new();
    let print = format!("print {}\n", "x".repeat(200));
    lab.write("talk.nls", format!("listen tcp 0 calc as c\n{}", print.repeat(9000)));
    let mut talker = lab.start(&["talk.nls"]);
    let line = talker.line();
    let address = line.split_whitespace().nth(3).unwrap().trim_end_matches(':');
    for n in 0..50 {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(format!("{n} + 1000\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(client).read_line(&mut answer).unwrap();
        assert!(answer.contains(&(n + 1000).to_string()), "{answer}");
    }
    assert_eq!(talker.finish().success().out.matches("xxx\n").count(), 9000);
}
