//! `nls test`: which tests run, how, and what the reports say.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Lab, PYTHON, Run, has, python_has};

/// Four tests: two pass, one fails, one is skipped.
const MIXED: &str = "listen tcp 0 chat as room
chat tcp $room name ann as ann

test \"passes\" tag quick
expect $room.clients == 1 within 5s

test \"passes alone\" serial
say $ann \"hello\"
expect $room says \"hello\" within 5s

test \"fails\" tag quick tag red
say $ann \"<b>]]>&\\x1b[31m\"
expect $room says \"b\" within 5s
expect $room.last == \"nothing\"

test \"skipped\"
skip \"not # today\"
";

fn json(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tests_are_chosen_by_name_tag_and_what_failed_the_last_time() {
    let lab = Lab::new();
    lab.write("t/mixed.nls", MIXED);
    let listed = |options: &[&str]| {
        let run = lab.run(&[&["test", "t", "--list"], options].concat()).success();
        run.out.lines().map(|line| line.split("  ").nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["passes [quick]", "fails [quick] [red]", "skipped", "passes alone"]);
    assert_eq!(listed(&["--tag", "red"]), ["fails [quick] [red]"]);
    assert_eq!(listed(&["--filter", "^passes", "--repeat", "2"]).len(), 4);
    assert_eq!(listed(&["--filter", "^fails", "--filter", "alone"]), ["fails [quick] [red]", "passes alone"]);
    assert_eq!(listed(&["./t", "t/mixed.nls", "t/../t/mixed.nls"]).len(), 4, "a file that is named twice");
    let shuffled = listed(&["--repeat", "9", "--shuffle", "--seed", "1"]);
    assert_eq!(shuffled, listed(&["--repeat", "9", "--shuffle", "--seed", "1"]));
    assert_ne!(shuffled, listed(&["--repeat", "9", "--shuffle", "--seed", "2"]));
    lab.run(&["test", "t"]).fails(1, "");
    assert_eq!(listed(&["--failed"]), ["fails [quick] [red]"]);
    lab.run(&["test", "t", "--filter", "nobody"]).fails(4, "no tests found");
}

/// Every report must tell of it.
fn fails_in_all_reports(lab: &Lab, script: &str, words: &str) {
    for format in ["human", "tap", "junit", "jsonl", "github", "html"] {
        let run = lab.run(&["test", script, "--report", format]).fails(1, "");
        assert!(run.out.contains(words), "{format}: {}", run.out);
    }
}

#[test]
fn a_test_whose_clean_up_fails_has_failed() {
    let lab = Lab::new();
    for (statement, words) in [
        ("defer !false", "ended with exit status: 1"),
        ("defer expect 1 == 2", "expected 1 == 2"),
        ("defer !false &", "ended with exit status: 1"),
        ("defer get x from 127.0.0.1:1 &", "nothing is listening"),
        ("timeout 200ms\ndefer !read x < fifo", "the time limit of 200.0 ms is over"),
    ] {
        lab.run(&["-c", "!mkfifo fifo 2> /dev/null || true"]).success();
        lab.write("defer.nls", format!("test \"cleans up\"\nprint here\n{statement}\n"));
        fails_in_all_reports(&lab, "defer.nls", words);
        lab.run(&["defer.nls"]).fails(1, words);
        lab.write("plain.nls", format!("{statement}\n"));
        lab.run(&["plain.nls"]).fails(1, words);
    }
    lab.write("skipped.nls", "defer !false\nskip \"not today\"\n");
    lab.run(&["test", "skipped.nls"]).fails(1, "");
}

#[test]
fn row_106_a_report_is_written_through_what_is_no_file_and_a_link_stays_one() {
    let lab = Lab::new();
    lab.write("t.nls", "expect 1 == 1\n");
    let report = |to: &str| lab.run(&["test", "t.nls", "--report", &format!("tap={to}")]);
    let mode = std::os::unix::fs::FileTypeExt::is_fifo;
    lab.nls("!mkfifo fifo; mkdir sub; ln -s sub/real link; mknod null c 1 3 2> /dev/null || touch null")
        .success();
    let reader =
        std::process::Command::new("cat").arg(lab.path("fifo")).stdout(std::process::Stdio::piped()).spawn();
    let reader = reader.unwrap();
    // The reader may not have opened it yet.
    crate::harness::eventually("the FIFO has a reader", || report("fifo").code == Some(0));
    assert!(String::from_utf8_lossy(&reader.wait_with_output().unwrap().stdout).contains("ok 1"));
    assert!(mode(&std::fs::metadata(lab.path("fifo")).unwrap().file_type()), "the FIFO is still one");
    report("fifo").fails(1, "the report `fifo` cannot be written");
    report("link").success();
    assert!(lab.path("link").is_symlink() && lab.path("sub/real").is_file());
    let before = std::fs::metadata(lab.path("null")).unwrap().file_type();
    report("null").success();
    assert_eq!(std::fs::metadata(lab.path("null")).unwrap().file_type(), before);
    // A standard stream is no file, also where it leads to one.
    let out = std::fs::File::create(lab.path("out")).unwrap();
    (&out).write_all(b"before\n").unwrap();
    let mut redirected = lab.command(&["test", "t.nls", "--report", "tap=/dev/stdout"]);
    assert!(redirected.stdout(out).status().unwrap().success());
    let text = std::fs::read_to_string(lab.path("out")).unwrap();
    assert!(text.starts_with("before\nTAP version 14\n"), "{text}");
    lab.run(&["test", "t.nls", "--report", "tap=/dev/stdout", "--report", "junit"])
        .fails(3, "standard output");
    report("absent/report").fails(3, "its folder does not exist");
    std::os::unix::fs::symlink("loop", lab.path("loop")).unwrap();
    report("loop").fails(1, "the report `loop` cannot be written");
    assert!(lab.path("loop").is_symlink());
    assert!(!lab.path("absent").exists());
}

#[test]
fn row_105_what_cannot_fail_is_no_test() {
    let lab = Lab::new();
    for nothing in ["", "# only a comment\n", "\n\n"] {
        lab.write("nothing.nls", nothing);
        lab.run(&["test", "nothing.nls"]).fails(4, "no tests found");
    }
    lab.write("full.nls", "expect 1 == 1\n");
    lab.run(&["test", "nothing.nls", "full.nls"]).fails(1, "");
    lab.write("heading.nls", "let x = 1\ntest \"empty\"\ntest \"full\"\nexpect $x == 1\n");
    fails_in_all_reports(&lab, "heading.nls", "the test has no statements");
    lab.run(&["heading.nls"]).fails(1, "the test has no statements");
}

#[test]
fn row_105_what_is_not_run_and_what_fails_in_the_background_does_not_pass() {
    let lab = Lab::new();
    lab.write("quit.nls", "test \"ends early\"\nquit\nexpect 1 == 2\n");
    fails_in_all_reports(&lab, "quit.nls", "would pass the rest of the test");
    lab.write("setup.nls", "quit\ntest \"never\"\nexpect 1 == 2\n");
    fails_in_all_reports(&lab, "setup.nls", "would pass the rest of the test");
    lab.write("last.nls", "test \"whole\"\nexpect 1 == 1\nquit\n");
    lab.run(&["test", "last.nls"]).success();
    // Its last act is a file, so that the test knows that it has ended; the one behind is still needed.
    let ends = "!sh -c 'exec 9> $tmp/lock; flock 9; touch $tmp/begun; exit 3' &\n\
                expect file $tmp/begun exists within 20s\n!flock $tmp/lock true\n";
    lab.write("back.nls", ends);
    fails_in_all_reports(&lab, "back.nls", "exit status: 3");
    lab.run(&["back.nls"]).fails(1, "exit status: 3");
    lab.write("fixture.nls", "!sleep 600 &\n!sh -c 'kill $$' &\nexpect 1 == 1\n");
    lab.run(&["test", "fixture.nls"]).success();
    lab.write("unit.nls", "calc 1 + 1 as r\nexpect $r.time < 5seconds\n");
    lab.run(&["check", "unit.nls"]).fails(2, "did you mean `5s`?");
}

#[test]
fn a_failure_shows_the_place_what_was_expected_and_the_last_events() {
    let lab = Lab::new();
    lab.write("t/mixed.nls", MIXED);
    let run = lab.run(&["test", "t", "--filter", "^fails$"]);
    for part in [
        "FAIL t/mixed.nls:11  fails",
        "--> t/mixed.nls:14:1",
        "14 | expect $room.last == \"nothing\"",
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "expected: nothing",
        "  actual: <b>]]>&\\x1b[31m",
        "room ",
        "message: ann: <b>",
        "0 passed, 1 failed in ",
        "(--seed ",
    ] {
        assert!(run.out.contains(part), "{part} is not in\n{}", run.out);
    }
    lab.write("a", "one\ntwo\nthree\n");
    lab.write("b", "one\n2\nthree\n");
    lab.write("c", [0u8, 1, 2, 3]);
    lab.write("d", [0u8, 1, 2, 4]);
    lab.write("f.nls", "test \"texts\"\nexpect file a same as b\ntest \"bytes\"\nexpect file c same as d\n");
    let run = lab.run(&["test", "f.nls"]);
    for part in [
        "- 2",
        "+ two",
        "differ from byte 3",
        "expected: 00000000  00 01 02 04",
        "  actual: 00000000  00 01 02 03",
    ] {
        assert!(run.out.contains(part), "{part} is not in\n{}", run.out);
    }
}

#[test]
fn a_test_that_passes_at_its_second_attempt_is_flaky() {
    let lab = Lab::new();
    lab.write("flaky.nls", "!test -e marker || { touch marker; false; }\n");
    let run = lab.run(&["test", "flaky.nls", "--retries", "2"]).success();
    assert!(
        run.out.contains("FLAKY flaky.nls:1  flaky") && run.out.contains("passed on attempt 2"),
        "{}",
        run.out
    );
    assert!(run.out.contains("1 passed, 0 failed, 1 flaky"), "{}", run.out);
    lab.write("bad.nls", "expect 1 == 2\n");
    let run = lab.run(&["--json", "test", "bad.nls", "--retries", "2"]);
    assert_eq!((run.code, json(&run)[0]["attempts"].as_u64()), (Some(1), Some(3)));
}

#[test]
fn after_a_failure_no_more_are_started_if_that_is_wanted() {
    let lab = Lab::new();
    lab.write("t.nls", "test \"a\"\nexpect 1 == 2\ntest \"b\" serial\nexpect 1 == 1\n");
    let run = lab.run(&["--json", "test", "t.nls", "--fail-fast", "--jobs", "1"]);
    let lines = json(&run);
    assert_eq!(lines[1]["verdict"], "skipped");
    assert_eq!(lines[1]["reason"], "not run: an earlier test failed");
    assert_eq!((&lines[2]["failed"], &lines[2]["skipped"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn tests_run_at_the_same_time_and_serial_ones_alone() {
    let lab = Lab::new();
    // Each waits for the other: one after the other they would not end.
    let meet = |name: &str, other: &str| {
        format!("test \"{name}\" timeout 20s\n!touch {name}\nexpect file {other} exists within 15s\n")
    };
    let alone = "test \"alone\" serial\nexpect not file inside exists\n!touch inside; rm inside\n";
    lab.write("t.nls", meet("a", "b") + &meet("b", "a") + alone + &alone.replace("alone", "alone too"));
    lab.run(&["test", "t.nls", "--jobs", "2"]).success();
}

#[test]
fn a_port_that_another_test_of_the_run_holds_is_said_so() {
    let lab = Lab::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!(
        "test \"a\" timeout 20s\nlisten tcp {port} calc\n!touch a\nexpect file b exists within 15s\n\
         test \"b\" timeout 20s\nexpect file a exists within 15s\n\
         expect error \"another session of this program\": listen tcp {port} calc\n!touch b\n"
    );
    lab.write("t.nls", script);
    lab.run(&["test", "t.nls", "--jobs", "2"]).success();
}

#[test]
fn a_time_limit_really_stops_what_runs() {
    let lab = Lab::new();
    lab.write(
        "t.nls",
        "test \"a\" timeout 200ms\n!echo $$ > pid; sleep 1000\ntest \"b\" timeout 200ms\nsleep 1000s\n\
         test \"c\"\ntimeout 200ms\nlisten tcp 0 ftp as f\nwait $f\n",
    );
    let began = Instant::now();
    let run = lab.run(&["test", "t.nls"]);
    assert_eq!(run.out.matches("the time limit of 200.0 ms is over").count(), 3, "{}", run.out);
    assert!(began.elapsed() < Duration::from_secs(20));
    let pid = std::fs::read_to_string(lab.path("pid")).unwrap();
    crate::harness::eventually("the shell is gone", || !Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn what_is_drawn_at_random_follows_the_seed() {
    let lab = Lab::new();
    lab.write("t.nls", "test \"a\"\n!echo $seed >> seeds\ntest \"b\"\n!echo $seed >> seeds\n");
    // `$seed` is the language's, not the environment's.
    lab.write(
        "t.nls",
        "test \"a\"\nlet s = $seed\n!echo $s >> seeds\ntest \"b\"\nlet s = $seed\n!echo $s >> seeds\n",
    );
    for _ in 0..2 {
        lab.run(&["test", "t.nls", "--seed", "7"]).success();
    }
    lab.run(&["test", "t.nls", "--seed", "8"]).success();
    let seeds = std::fs::read_to_string(lab.path("seeds")).unwrap();
    let seeds: BTreeSet<&str> = seeds.lines().collect();
    assert_eq!(seeds.len(), 4, "two for each of the two seeds: {seeds:?}");
}

#[test]
fn junit_is_what_jenkins_reads() {
    let lab = Lab::new();
    lab.write("t/mixed.nls", MIXED);
    lab.write("t/flaky.nls", "!test -e marker || { touch marker; false; }\n");
    std::fs::create_dir(lab.path("out")).unwrap();
    lab.run(&["test", "t", "--retries", "1", "--report", "junit=out/report.xml"]).fails(1, "");
    let xml = std::fs::read_to_string(lab.path("out/report.xml")).unwrap();
    assert!(
        xml.contains("<flakyFailure ") && xml.contains("<rerunFailure ") && xml.contains("<skipped "),
        "{xml}"
    );
    if has("xmllint") {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/junit.xsd");
        let mut command = std::process::Command::new("xmllint");
        lab.dress(&mut command);
        let checked =
            command.args(["--noout", "--schema"]).arg(schema).arg("out/report.xml").output().unwrap();
        assert!(checked.status.success(), "{}\n{xml}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn tap_is_what_a_harness_reads() {
    let lab = Lab::new();
    lab.write("t/mixed.nls", MIXED);
    let run = lab.run(&["test", "t", "--report", "tap"]);
    assert!(run.out.starts_with("TAP version 14\n1..4\n"), "{}", run.out);
    assert!(run.out.contains("# SKIP not \\# today") && !run.out.contains('\u{1b}'), "{}", run.out);
    // The harness of Perl knows versions up to 13; what it checks is the same.
    lab.write("report.tap", run.out.replacen("version 14", "version 13", 1));
    if has("prove") {
        let mut command = std::process::Command::new("prove");
        lab.dress(&mut command);
        let read = command.args(["--exec", "cat", "report.tap"]).output().unwrap();
        let said =
            String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
        assert!(
            said.contains("Failed 1/4 subtests") && !said.contains("Parse errors"),
            "{said}\n{}",
            run.out
        );
    }
}

#[test]
fn annotations_name_the_line_and_give_no_commands_of_a_peer() {
    let lab = Lab::new();
    lab.write("t.nls", "print \"::error::mine\"\nexpect 1 == \"::error::peer\"\n");
    let run = lab.run(&["test", "t.nls", "--report", "github"]);
    let mut stopped = false;
    let mut commands = Vec::new();
    for line in run.out.lines() {
        if line.starts_with("::stop-commands::") {
            stopped = true;
        } else if line.starts_with("::nls-") {
            stopped = false;
        } else if !stopped && line.starts_with("::") {
            commands.push(line);
        }
    }
    assert_eq!(commands.len(), 2, "{}", run.out);
    assert!(
        commands[0].starts_with("::error file=t.nls,line=2,title=t::expected 1 == ::error::peer"),
        "{}",
        run.out
    );
}

/// Names each line that is not as the schema says.
const VALIDATE: &str = r#"
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
wrong = [f"{line}{e.message}" for line in open(sys.argv[2]) for e in validator.iter_errors(json.loads(line))]
sys.exit("\n".join(wrong) or 0)
"#;

#[test]
fn every_line_of_json_is_as_the_schema_says() {
    if !python_has("jsonschema") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/a.bin", 5000, 1);
    lab.write("t/mixed.nls", MIXED);
    lab.write("t/flaky.nls", "!test -e marker || { touch marker; false; }\n");
    let session = "listen tcp 0 ftp root root as f; get a.bin from $f to $tmp as g; ls $f; sessions; listen tcp 0 chat as c; \
                   chat tcp $c name ann as a; say $a hi; expect $c says hi within 5s; set results off; stop all; \
                   listen udp 0 ftp root root as u; get a.bin from udp $u to $tmp replace as d; trace $d; send absent to :1";
    let (mut kinds, mut lines) = (BTreeSet::new(), String::new());
    for arguments in [
        &["--json", "-k", "-c", session][..],
        &["--json", "-c", "sned a\nget"],
        &["--json", "test", "t", "--retries", "1"],
        &["--json", "test", "t", "--list"],
        &["--json", "check", "t"],
    ] {
        let run = lab.run(arguments);
        lines.push_str(&run.out);
        for line in json(&run) {
            kinds.insert(line["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["error", "event", "listed", "packet", "result", "summary", "test"]
    );
    lab.write("lines.json", &lines);
    lab.write("wrong.json", "{\"type\": \"result\"}\n");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.schema.json");
    let validated =
        |file| Command::new(PYTHON).args(["-c", VALIDATE, schema]).arg(lab.path(file)).output().unwrap();
    let output = validated("lines.json");
    assert!(output.status.success(), "{output:?}");
    assert!(!validated("wrong.json").status.success());
}

#[test]
fn a_recorded_session_plays_a_hundred_times_four_at_a_time() {
    let lab = Lab::new();
    lab.random("box/a.bin", 50_000, 1);
    lab.random("b.bin", 20_000, 2);
    // Fixed ports, as people type them: below those that the system hands out to the tests beside this one.
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = (20_000..30_000).filter(free).take(3).collect();
    let (files, sums, room) = (ports[0], ports[1], ports[2]);
    let session = format!(
        "record session.nls\nlisten tcp {files} ftp root box\nsend b.bin to localhost:{files} chunk 1024\n\
         get a.bin from :{files} to copy.bin\nlisten tcp {sums} calc\ncalc 7 % 3\nlisten tcp {room} chat as room\n\
         chat tcp :{room} name ann as ann\nsay $ann \"hello you\"\nexpect $room says \"hello\" within 5s\n\
         calc 1/0\nrecord\n"
    );
    let run = lab.with_input(&["-k"], session.as_bytes());
    assert!(run.out.contains("recorded 10 commands"), "{}{}", run.out, run.err);
    let text = std::fs::read_to_string(lab.path("session.nls")).unwrap();
    let names = |port: &u16| text.contains(&format!(" {port}")) || text.contains(&format!(":{port}"));
    assert!(!ports.iter().any(names), "{text}");
    let run = lab.run(&["test", "session.nls", "--repeat", "100", "--jobs", "4"]);
    assert!(run.out.contains("100 passed, 0 failed"), "{text}\n{}", run.out);
}

#[test]
fn a_secret_of_the_environment_is_shown_nowhere() {
    let lab = Lab::new();
    lab.write("t.nls", "secret TOKEN\nprint \"it is $TOKEN\"\nexpect $TOKEN == tiger\nexpect error \"no ABSENT\": secret ABSENT\n");
    let run = |arguments: &[&str]| {
        let output = lab.command(arguments).env("TOKEN", "swordfish").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    for arguments in [
        &["t.nls"][..],
        &["-x", "t.nls"],
        &["--json", "t.nls"],
        &["test", "t.nls", "--report", "junit=r.xml"],
    ] {
        let said = run(arguments);
        assert!(!said.contains("swordfish") && said.contains("***"), "{said}");
    }
    assert!(!std::fs::read_to_string(lab.path("r.xml")).unwrap().contains("swordfish"));
    let output = lab.command(&["t.nls"]).env("TOKEN", "abc").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("fewer than 4 characters"));
}

#[test]
fn row_92_scripts_that_never_end_are_stopped() {
    let lab = Lab::new();
    lab.write("itself.nls", "source \"itself.nls\"\n");
    lab.run(&["itself.nls"]).fails(2, "sources itself");
    for depth in 0..20 {
        lab.write(&format!("d{depth}.nls"), format!("source \"d{}.nls\"\n", depth + 1));
    }
    lab.run(&["d0.nls"]).fails(2, "nests deeper than 16 files");
    let mut loops = lab.start(&["-c", "print begin; repeat 1000000: print x"]);
    loops.line_with("begin");
    loops.signal("INT");
    let began = Instant::now();
    drop(loops.finish());
    assert!(began.elapsed() < Duration::from_secs(10));
    lab.nls("timeout 200ms; repeat 1000000: retry 1000: expect error: calc 1 at :1").fails(1, "time limit");
}

#[test]
fn questions_of_a_script_are_asked_together_and_the_first_that_fails_ends_it() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let mut script: String = (0..200).map(|n| format!("calc {n} % 7 at {address}\n")).collect();
    script += &format!("calc 1/0 at {address}\ncalc 5 at {address} as never\n");
    lab.write("s.nls", &script);
    let run = lab.run(&["s.nls"]).fails(1, "at s.nls:201: calc 1/0");
    assert_eq!(run.out.lines().count(), 200, "{}", run.out);
    assert!(run.out.lines().zip(0..).all(|(line, n)| line == (n % 7).to_string()), "{}", run.out);
    let run = lab.run(&["-k", "s.nls"]).fails(1, "division by zero");
    assert_eq!(run.out.lines().last(), Some("5"));
    let run = lab.nls(&format!("repeat 1000: calc 6 * 7 at {address}")).success();
    assert_eq!(run.out, "42\n".repeat(1000));
}
