//! faults.md row 93: a secret is shown nowhere, whatever characters it has and whatever a format makes of them.

use nls::base::{Secrets, Value, mix};
use nls::language::{Scope, Source, plan};
use nls::output::Style;
use nls::output::reports::{FORMATS, reporter};
use nls::report::{
    Contrast, Event, FailedTest, Failure, Outcome, Place, Report, Summary, TestPlan, TestRun, Verdict,
};
use nls::shell::catalogue;
use nls::wire::Code;

use crate::harness::Lab;

/// Letters that no format changes stand at both ends: where one of them is seen, a part of the secret is.
const MARKS: [&str; 2] = ["Zq7", "Xw9"];

fn random(seed: &mut u64) -> String {
    const PIECES: [&str; 20] = [
        "\"", "\\", "&", "<", ">", "%", "\t", "\n", "\r", "'", "`", "$", "é", "\u{202e}", "\u{1b}", "]]>",
        "%0A", "\\n", "a", " ",
    ];
    let middle: String = (0..5)
        .map(|_| {
            *seed = mix(*seed);
            PIECES[(*seed >> 8) as usize % PIECES.len()]
        })
        .collect();
    format!("{}{middle}{}", MARKS[0], MARKS[1])
}

fn failure(secret: &str) -> Failure {
    let escaped = nls::base::escape::escape_line(secret).into_owned();
    let failure = Failure::new(Code::Other, format!("why {secret} {escaped}")).of(format!("what {secret}"));
    failure
        .fix(secret)
        .detail([secret.to_owned(), escaped])
        .contrast(Contrast::of(secret, format!("x{secret}")))
}

fn wrong(secret: &str) -> FailedTest {
    // A statement ends with its line.
    let typed = if secret.contains('\n') { "" } else { secret };
    let source = Source::new("a.nls", format!("print '{typed}'\nexpect 1 == 2\n"));
    let span = 0..5;
    FailedTest { failure: failure(secret), place: Some(Place { source, span, secret: false }) }
}

fn reports(secret: &str) -> Vec<Report> {
    let fields = vec![("value", Value::text(secret)), ("last", Value::text(format!("x{secret}x")))];
    let FailedTest { failure, place } = wrong(secret);
    vec![
        Report::Result { verb: "calc", session: None, outcome: Outcome::new(secret, fields.clone()) },
        Report::Event(Event {
            session: 1,
            label: "%1".into(),
            kind: "message",
            text: nls::base::escape::escape_line(secret).into_owned(),
            fields,
            interest: nls::report::Interest::Everybody,
        }),
        Report::Failure { failure, verb: None, place, session: None },
        Report::Notice(format!("a {secret}")),
        Report::Test(run(secret)),
    ]
}

fn run(secret: &str) -> TestRun {
    TestRun {
        name: format!("test {secret}"),
        file: "a.nls".into(),
        line: 1,
        tags: vec![secret.into()],
        verdict: Verdict::Failed(vec![wrong(secret)]),
        seconds: 0.1,
        earlier: vec![vec![wrong(secret)]],
    }
}

#[test]
fn row_93_random_secrets_are_in_no_output() {
    let mut seed = 93;
    for _ in 0..300 {
        let (secrets, secret) = (Secrets::default(), random(&mut seed));
        assert!(secrets.add("TOKEN", &secret));
        let shows = |what: &str, text: &str| {
            let seen = MARKS.iter().find(|mark| text.contains(**mark));
            assert!(seen.is_none(), "{what} shows {secret:?}: {text}");
        };
        for json in [false, true] {
            for mut report in reports(&secret) {
                report.hide(&secrets);
                let rendered = Style { json, ..Style::plain() }.render(&report);
                shows("an output", &(rendered.out + &rendered.err));
            }
        }
        for format in FORMATS {
            let mut reporter = reporter(format, Style::plain(), 1).unwrap();
            let mut run = run(&secret);
            run.hide(&secrets);
            let mut text = reporter.begin(&TestPlan { tests: 1, seed: 7, jobs: 1 });
            text += &reporter.test(&run);
            shows(format, &(text + &reporter.end(&Summary::default())));
        }
    }
}

#[test]
fn row_93_a_secret_is_hidden_in_what_a_command_of_the_system_prints_also_in_pieces() {
    let lab = Lab::new();
    let secret = "Zq7\"&<\\%\tXw9";
    lab.write(
        "t.nls",
        "secret TOKEN\nprint $TOKEN\n!printf %s \"$TOKEN ${TOKEN%<*}\"; sleep 0.2; printf '%s end' \"<${TOKEN#*<}\"\n\
         !echo \"$TOKEN\" >&2\nexpect $last.code == 0\nexpect $TOKEN == other\n",
    );
    for arguments in
        [&["t.nls"][..], &["--json", "t.nls"], &["test", "t.nls", "--report", "junit"], &["-x", "t.nls"]]
    {
        let output = lab.command(arguments).env("TOKEN", secret).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("Zq7") && !text.contains("Xw9"), "{arguments:?}: {text}");
        assert!(text.contains("***") && text.contains(" end"), "{arguments:?}: {text}");
    }
}

#[test]
fn row_93_a_secret_is_hidden_in_capitals_and_in_urls_and_is_in_no_code_for_a_camera() {
    let lab = Lab::new();
    let script = "secret TOKEN\n!printf %s \"$TOKEN\" | tr a-z A-Z\n!echo 'GET /?t=Zq7%20pass%26w%7D'\n\
                  expect error \"contains a secret\": qr \"at $TOKEN\"\nlet url = $TOKEN\n\
                  expect error \"contains a secret\": qr url\n";
    lab.write("t.nls", script);
    let output = lab.command(&["t.nls"]).env("TOKEN", "Zq7 pass&w}").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !out.to_lowercase().contains("zq7"), "{out}{err}");
    assert!(out.contains("GET /?t=***") && out.matches("***").count() == 2, "{out}{err}");
}

#[test]
fn row_93_a_secret_that_is_said_is_in_no_transcript() {
    let lab = Lab::new();
    lab.write(
        "t.nls",
        "secret TOKEN\nlisten tcp 0 raw to served.txt as server\nconnect tcp $server to raw.txt as c\nsay $c \"USER $TOKEN\"\n\
         expect $server.1 says USER within 5s\nlisten tcp 0 chat as room\nchat tcp $room name ann to chat.txt as ann\n\
         expect $room.clients == 1 within 5s\nsay $ann \"it is $TOKEN\"\nexpect $room says \"it is\" within 5s\nstop all\n",
    );
    let output = lab.command(&["t.nls"]).env("TOKEN", "Zq7\"w&Xw9").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in ["served.txt", "raw.txt", "chat.txt"] {
        let text = std::fs::read_to_string(lab.path(file)).unwrap();
        assert!(text.contains("***") && !text.contains("Zq7") && !text.contains("Xw9"), "{file}: {text}");
    }
}

#[test]
fn row_93_no_part_of_a_secret_is_in_what_is_wrong_with_it_nor_its_bytes_in_hexadecimal() {
    let lab = Lab::new();
    lab.write("root/x", "");
    let runs = |token: &str, script: &str| {
        let output = lab.command(&["--json", "-c", script]).env("TOKEN", token).output().unwrap();
        assert!(!output.status.success(), "{script}");
        let all = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&all).into_owned()
    };
    let echo = "secret TOKEN; listen tcp 0 echo as e; connect tcp $e as c; say $c $env.TOKEN; expect $c says zz within 200ms";
    let said = runs("Zq7Passw0rd", echo);
    assert!(said.contains("***") && !said.contains("Zq7") && !said.contains("5a 71 37"), "{said}");
    for (token, script) in [
        ("user:Zq7pw@host", "connect tcp $env.TOKEN"),
        ("[::1]:Zq7pw", "connect tcp $env.TOKEN"),
        ("481Zq751623", "listen tcp 0 ftp root root quota $env.TOKEN"),
        ("10Zq7mbit", "listen tcp 0 calc rate $env.TOKEN"),
    ] {
        let said = runs(token, &format!("secret TOKEN; {script}"));
        assert!(
            said.contains("its secret value does not fit here") && !said.contains("Zq7"),
            "{script}: {said}"
        );
    }
    let logged = "secret TOKEN; listen tcp 0 echo as e; connect tcp $e to q.log as c; say $c $env.TOKEN; \
                  expect $c says Xw9 within 5s; expect 1 == 2";
    runs("tok'Zq7Xw9", logged);
    let log = std::fs::read_to_string(lab.path("q.log")).unwrap();
    assert!(log.contains("***") && !log.contains("Zq7"), "{log}");
}

#[test]
fn row_107_what_a_command_of_the_system_prints_can_be_looked_at_and_what_it_leaves_behind_is_ended() {
    let lab = Lab::new();
    lab.write("t.nls", "!echo out; echo err >&2\nexpect $last.out contains out\nexpect $last.err contains err\n!sleep 1000 & echo $! > pid\n");
    let run = lab.run(&["test", "t.nls"]).success();
    assert!(run.err.contains("left behind are ended"), "{}", run.err);
    let pid = std::fs::read_to_string(lab.path("pid")).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "{state}");
    // So is what has left the group of its command.
    lab.write(
        "s.nls",
        "!setsid sh -c 'echo $$ > stray; exec sleep 1000' &\nexpect file stray exists within 5s\n",
    );
    let run = lab.run(&["test", "s.nls"]).success();
    assert!(run.err.contains("that a command left behind is ended"), "{}", run.err);
    let pid = std::fs::read_to_string(lab.path("stray")).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "{state}");
    // Bytes that are no text come through as they are.
    let output = lab.command(&["-c", "!printf 'a\\377\\000b'"]).output().unwrap();
    assert_eq!(output.stdout, b"a\xff\0b");
    // Who reads no more ends the command.
    let mut child = std::process::Command::new("sh");
    lab.dress(&mut child);
    let script = "\"$1\" -c '!yes' | head -1";
    let output = child.args(["-c", script, "sh", crate::harness::PROGRAM]).output().unwrap();
    assert_eq!(output.stdout, b"y\n");
}

#[test]
fn row_93_a_secret_that_is_a_path_or_an_address_is_shown_in_no_part() {
    let lab = Lab::new();
    lab.write("alpha1/gammaray.txt", "x");
    for (token, parts, script) in [
        ("alpha1/gammaray.txt", ["alpha1", "gammaray"], "listen tcp 0 ftp as f; send $env.TOKEN to $f"),
        ("alpha1/gammaray.txt", ["alpha1", "gammaray"], "send $env.TOKEN to :1 as s &; wait $s"),
        ("absent/gammaray", ["absent", "gammaray"], "send $env.TOKEN to :1"),
        ("absent/gammaray", ["absent", "gammaray"], "expect file \"$env.TOKEN\" exists"),
        ("absent/gammaray", ["absent", "gammaray"], "listen tcp 0 ftp root \"./$env.TOKEN\""),
        ("gold.invalid:9000", ["gold", "invalid"], "connect tcp $env.TOKEN as c"),
        ("gold.invalid:9000", ["gold", "invalid"], "let at = $env.TOKEN; calc 1 + 1 at tcp $at"),
        ("Zq7w", ["Zq7", "`Z`"], "listen tcp 0 calc; calc 1 + $env.TOKEN"),
    ] {
        for json in [&["-c"][..], &["--json", "-c"]] {
            let script = format!("secret TOKEN; {script}");
            let output = lab.command(json).arg(&script).env("TOKEN", token).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(said.contains("***") || said.contains("its secret value"), "{script}: {said}");
            assert!(!parts.iter().any(|part| said.contains(part)), "{script}: {said}");
        }
    }
}

#[test]
fn row_93_a_secret_that_is_a_word_of_a_format_leaves_the_format_whole() {
    let lab = Lab::new();
    lab.write("t.nls", "secret TOKEN\ntest \"one\"\nprint a\ntest \"two\"\nexpect file $TOKEN exists\n");
    for token in
        ["null", "true", "test/type/text", "session/event/error/result", "not ok", "<tes", "failed/name"]
    {
        let script = "secret TOKEN; print $TOKEN; file $TOKEN; send $TOKEN to :1; print a";
        let output = lab.command(&["--json", "-k", "-c", script]).env("TOKEN", token).output().unwrap();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value.get("type").is_some() && !line.contains(&format!("/{token}")), "{token}: {line}");
        }
        let reports = [
            "test",
            "t.nls",
            "--report",
            "jsonl=r.jsonl",
            "--report",
            "tap=r.tap",
            "--report",
            "junit=r.xml",
        ];
        assert_eq!(lab.command(&reports).env("TOKEN", token).output().unwrap().status.code(), Some(1));
        let read = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap();
        for line in read("r.jsonl").lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(read("r.tap").contains("\nnot ok "), "{token}: {}", read("r.tap"));
        assert!(read("r.xml").contains("</testsuites>"), "{token}: {}", read("r.xml"));
    }
}

#[test]
fn row_93_errors_of_parsing_for_machines_are_masked_before_they_are_encoded() {
    let (style, vocabulary) = (Style { json: true, ..Style::plain() }, catalogue::vocabulary(true));
    let load = |_: &str, _: &Source| Err("there are no files".to_owned());
    for secret in ["null", "error", "fixx", "prompt", "start"] {
        let secrets = Secrets::default();
        assert!(secrets.add("TOKEN", secret));
        // As a command that nobody knows.
        let source = Source::new(format!("a/{secret}"), format!("{secret} x"));
        let errors = plan(&source, &vocabulary, &mut Scope::builtin(0), &load).unwrap_err();
        let line = style.render_errors(&errors[..1], &secrets).out;
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(object["type"] == "error" && object["code"] == "E-usage" && object["start"] == 0, "{line}");
        assert!(object["file"] == "a/***" && object["read"] == "***", "{line}");
        assert!(!object["text"].as_str().unwrap().contains(secret), "{line}");
    }
}

#[test]
fn row_93_no_part_of_a_secret_is_in_a_recording() {
    let lab = Lab::new();
    lab.write("zebrafolder/quokkafile.txt", "x");
    let script = "secret TOKEN; listen tcp 0 ftp root $tmp as f; record rec.nls; send $TOKEN to $f as up; \
                  expect $up.name == foo; record; print done";
    let output =
        lab.command(&["-k", "-c", script]).env("TOKEN", "zebrafolder/quokkafile.txt").output().unwrap();
    let recorded = std::fs::read_to_string(lab.path("rec.nls")).unwrap();
    assert!(
        recorded.contains("send $env.TOKEN") && recorded.contains("expect error"),
        "{recorded} {output:?}"
    );
    assert!(!recorded.contains("quokka") && !recorded.contains("zebra"), "{recorded}");
}

#[test]
fn row_93_a_recording_has_no_part_of_a_secret_that_is_cut_and_keeps_it_a_secret() {
    let lab = Lab::new();
    // The reason of an error is written up to its first digit.
    let script = "secret TOKEN; record rec.nls; listen tcp 0 ftp as f; get \"x.$TOKEN\" from $f; \
                  listen tcp 0 raw as r; connect tcp $r as c; say $c \"it is $TOKEN\"; \
                  expect $r.1 says \"$TOKEN\" within 5s; expect 1 == 2; record; print done";
    let token = "correct horse 7 battery";
    let recording = lab.command(&["-k", "-c", script]).env("TOKEN", token).output().unwrap();
    let recorded = std::fs::read_to_string(lab.path("rec.nls")).unwrap();
    assert!(
        !recorded.contains("correct") && recorded.contains("\nsecret TOKEN\n"),
        "{recorded} {recording:?}"
    );
    let replay = lab.command(&["rec.nls"]).env("TOKEN", token).output().unwrap();
    let said = String::from_utf8_lossy(&[replay.stdout, replay.stderr].concat()).into_owned();
    assert!(replay.status.success() && !said.contains("horse"), "{recorded} {said}");
}

#[test]
fn row_93_a_secret_in_the_path_of_the_script_is_hidden_in_every_format() {
    let lab = Lab::new();
    lab.write("tok-en/t.nls", "secret TOKEN\ntest \"one\"\nexpect 1 == 2\n");
    let json = ["--json", "tok-en/t.nls"];
    for arguments in [&json[..], &["test", "tok-en/t.nls"]].into_iter().map(<[&str]>::to_vec).chain(
        ["jsonl", "tap", "junit", "github", "html"]
            .map(|format| vec!["test", "tok-en/t.nls", "--report", format]),
    ) {
        let output = lab.command(&arguments).env("TOKEN", "tok-en").output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains("***") && !said.contains("tok-en"), "{arguments:?}: {said}");
    }
}
