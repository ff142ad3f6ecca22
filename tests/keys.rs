//! Row 114: keys are made, kept and handed over, and shown by `key show` only.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nls::base::Key;

use crate::harness::{Lab, PYTHON, Run, names, python_has};

/// Makes a key and takes it from its file.
fn made(lab: &Lab, name: &str) -> Key {
    let run = lab.run(&["key", "new", name]).success();
    let key = Key::read(&std::fs::read_to_string(file(lab, name)).unwrap()).unwrap();
    hides(&run, &key);
    assert!(run.out.contains(&key.fingerprint()), "{}", run.out);
    key
}

fn file(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.path(&format!(".config/nls/keys/{name}.key"))
}

/// What a reader of the text would need of a key; parts of it count.
fn occurs(key: &Key, text: &str) -> bool {
    let (form, words) = (key.text(), key.words());
    let parts: Vec<&str> = words.split(' ').collect();
    let lower = text.to_ascii_lowercase();
    lower.contains(&form[4..20])
        || lower.contains(&form[40..])
        || parts.windows(4).any(|four| lower.contains(&four.join(" ")))
}

#[track_caller]
fn hides(run: &Run, key: &Key) {
    assert!(!occurs(key, &run.out) && !occurs(key, &run.err), "out: {}\nerr: {}", run.out, run.err);
}

/// Every file below a folder that shows the key.
fn files_with(key: &Key, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files_with(key, &entry, found);
        } else if occurs(key, &String::from_utf8_lossy(&std::fs::read(&entry).unwrap())) {
            found.push(entry.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
}

#[test]
fn row_114_a_key_is_in_its_file_only_and_then_nowhere() {
    let lab = Lab::new();
    let key = made(&lab, "ann");
    let script = "record talk.nls\nkey list\nkey show ann words\nlisten tcp 0 echo as server\nlog server\n\
        sessions\nreport to page.html\nprint $last\nrecord\n";
    lab.write("s.nls", script);
    for arguments in [&["-x", "s.nls"][..], &["--json", "s.nls"]] {
        for left in ["talk.nls", "page.html"] {
            std::fs::remove_file(lab.path(left)).ok();
        }
        let run = lab.run(arguments).success();
        let words = run.out.matches(&*key.words()).count();
        // In JSON it is in the text and in the field.
        assert_eq!(words, if arguments[0] == "--json" { 2 } else { 1 }, "{}", run.out);
        hides(&Run { out: run.out.replace(&*key.words(), ""), ..run }, &key);
    }
    let mut found = Vec::new();
    files_with(&key, lab.folder.path(), &mut found);
    assert_eq!(found, ["ann.key"]);
    assert_eq!(file(&lab, "ann").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    hides(&lab.run(&["key", "forget", "ann"]).success(), &key);
    let mut found = Vec::new();
    files_with(&key, lab.folder.path(), &mut found);
    assert!(found.is_empty(), "{found:?}");
    assert!(names(&lab.path(".config/nls/keys")).is_empty());
}

#[test]
fn row_114_what_was_shown_once_is_masked_afterwards() {
    let lab = Lab::new();
    let key = made(&lab, "default");
    let path = file(&lab, "default").display().to_string();
    let script =
        format!("key show default as k\nprint $k.key\nprint \"<$k.key>\"\n!cat '{path}'\nkey show default\n");
    let run = lab.nls(&script).success();
    assert_eq!(run.out.matches(&*key.text()).count(), 2, "{}", run.out);
    assert!(run.out.contains("<***>"), "{}", run.out);
}

#[test]
fn row_114_a_key_of_the_environment_or_of_secret_is_masked_in_each_form() {
    let lab = Lab::new();
    let key = made(&lab, "ann");
    let words = key.words().to_string();
    for script in ["secret NLS_KEY; print $NLS_KEY", "print $env.NLS_KEY", "let k = $env.NLS_KEY; print $k"] {
        let script = format!("{script}; !cat .config/nls/keys/ann.key");
        let mut command = lab.command(&["-c", &script]);
        let output = command.env("NLS_KEY", &words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !occurs(&key, &text) && text.contains("***"), "{script}: {text}");
    }
}

#[test]
fn row_114_a_key_is_imported_from_a_pipe_a_file_and_the_environment() {
    let lab = Lab::new();
    let key = made(&lab, "ann");
    let shown = lab.run(&["key", "show", "ann", "words"]).success().out;
    let by_pipe = lab.with_input(&["key", "import", "pipe"], shown.as_bytes()).success();
    std::fs::copy(file(&lab, "ann"), lab.path("stick.key")).unwrap();
    std::fs::set_permissions(lab.path("stick.key"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let by_file = lab.run(&["key", "import", "stick", "from", "stick.key"]).success();
    assert!(by_file.out.contains("others can read"), "{}", by_file.out);
    let mut command = lab.command(&["key", "import", "variable"]);
    let output = command.env("NLS_KEY", key.text().to_uppercase()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for run in [&by_pipe, &by_file] {
        hides(run, &key);
    }
    let list = lab.run(&["key", "list"]).success();
    hides(&list, &key);
    assert_eq!(list.out.matches(&key.fingerprint()).count(), 4, "{}", list.out);
    // Another machine; the copy is as good as the first.
    let other = Lab::new();
    other.with_input(&["key", "import", "ann"], key.text().as_bytes()).success();
    assert_eq!(other.run(&["key", "show", "ann"]).success().out.trim_end(), &**key.text());
}

#[test]
fn row_114_a_key_in_a_command_is_refused_and_shown_nowhere() {
    let lab = Lab::new();
    let key = made(&lab, "ann");
    let (text, words) = (key.text().to_string(), key.words().to_string());
    let quoted = format!("\"{words}\"");
    lab.write("s.nls", format!("print begin\nkey import bob {text}\nprint {text} to\n"));
    for arguments in [
        &["key", "import", "bob", &text][..],
        &["key", "import", &text],
        &["key", "show", &text[..50]],
        &["-c", &format!("key import bob {words}")],
        &["-c", &format!("key import bob {quoted}")],
        &["-c", &format!("calc 1 at :1 {text}; key import bob from x {text}")],
        &["--json", "-c", &format!("key import {text}")],
        &["s.nls"],
        &["check", "s.nls"],
    ] {
        let run = lab.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}{}", run.out, run.err);
        hides(&run, &key);
        let said = run.out + &run.err;
        assert!(said.contains("must not stand in a command"), "{said}");
    }
    assert_eq!(names(&lab.path(".config/nls/keys")), ["ann.key"]);
}

#[test]
fn row_114_a_password_is_refused_with_the_reason() {
    let lab = Lab::new();
    let refused = lab.with_input(&["key", "import", "bob"], b"correct horse battery staple\n");
    let refused = refused.fails(1, "a password that somebody chose cannot be one");
    assert!(refused.err.contains("key new") && !refused.err.contains("horse"), "{}", refused.err);
    lab.with_input(&["key", "import", "bob"], b"\n").fails(1, "nobody can be asked");
    lab.run(&["key", "show", "hunter2"]).fails(1, "a password cannot be one");
    lab.with_input(&["key", "import", "bob"], &vec![b'x'; 1 << 20]).fails(1, "a password");
    assert!(!lab.path(".config/nls/keys").exists());
}

#[test]
fn a_key_is_never_replaced_and_a_file_that_others_can_read_is_refused() {
    let lab = Lab::new();
    let key = made(&lab, "default");
    lab.run(&["key", "new"]).fails(1, "never replaced");
    lab.with_input(&["key", "import", "default"], key.text().as_bytes()).fails(1, "never replaced");
    lab.write("taken", "");
    lab.run(&["key", "new", "bob", "to", "taken"]).fails(1, "never replaced");
    assert_eq!(
        names(&lab.path(".config/nls/keys")),
        ["default.key"],
        "nothing is left of a command that failed"
    );
    std::fs::set_permissions(file(&lab, "default"), std::fs::Permissions::from_mode(0o644)).unwrap();
    lab.run(&["key", "show", "default"]).fails(1, "chmod 600");
    let list = lab.run(&["key", "list"]).success();
    assert!(list.out.contains("its mode is 644"), "{}", list.out);
    lab.run(&["key", "forget", "default"]).success();
}

#[test]
fn what_does_not_belong_together_is_refused_with_the_form() {
    let lab = Lab::new();
    for (text, form) in [
        ("key list ann", "write key list"),
        ("key show", "write key show NAME|FILE"),
        ("key forget ./a.key", "write key forget NAME"),
        ("key new ann words", "write key new"),
        ("key import", "write key import"),
        ("key show ann to x", "write key show"),
    ] {
        lab.nls(text).fails(1, form);
    }
    lab.nls("key import ann").fails(1, "nobody can be asked");
    lab.nls("key show \"a b\"").fails(2, "a password that somebody chose");
}

#[test]
fn a_key_is_a_code_for_a_camera_and_a_result_in_json() {
    let lab = Lab::new();
    let key = made(&lab, "ann");
    let code = lab.run(&["key", "show", "ann", "qr"]).success();
    assert!(code.out.contains('█') && code.out.contains(&**key.text()), "{}", code.out);
    let line = lab.run(&["--json", "key", "show", "ann"]).success().out;
    let result: serde_json::Value = serde_json::from_str(line.trim_end()).unwrap();
    assert_eq!(result["key"], **key.text());
    assert_eq!(result["fingerprint"], key.fingerprint());
    assert_eq!(result["path"], file(&lab, "ann").display().to_string());
    let line = lab.run(&["--json", "key", "list"]).success().out;
    let result: serde_json::Value = serde_json::from_str(line.trim_end()).unwrap();
    assert!(result["keys"] == 1 && result.get("key").is_none(), "{line}");
}

#[test]
fn a_new_code_is_in_the_result_of_the_command_that_makes_it() {
    let lab = Lab::new();
    made(&lab, "lab");
    let script = "listen tcp 0 calc key lab as c; set $c code; print $c.code";
    let run = lab.run(&["--json", "-c", script]).success();
    let lines: Vec<serde_json::Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |verb: &str| lines.iter().find(|line| line["verb"] == verb).unwrap();
    let code = of("set")["code"].as_str().unwrap();
    assert!(code.contains('-') && of("print")["text"] == code, "{}", run.out);
    lab.run(&["-c", "listen tcp 0 calc key lab as c; set $c code as made; expect $made.code == $c.code"])
        .success();
}

#[test]
fn a_server_that_is_not_named_again_is_asked_with_the_key_that_it_was_asked_with() {
    let lab = Lab::new();
    made(&lab, "lab");
    lab.write("root/a.txt", "hello");
    lab.run(&[
        "-c",
        "listen tcp 0 ftp root root key lab as f; listen tcp 0 calc key lab as c
         expect error \"key\": get a.txt
         ls $f key lab; get a.txt; expect file a.txt same as root/a.txt
         calc 7 % 3 at $c key lab; calc 6 * 7 as second; expect $second.value == 42
         calc 1 at $c key lab; listen tcp 0 calc as open; calc 2 at $open; calc 3",
    ])
    .success();
    // A key file is the same wherever the next command stands, and no key is for another server in that place.
    made(&lab, "other");
    std::fs::create_dir_all(lab.path("elsewhere")).unwrap();
    std::fs::copy(file(&lab, "lab"), lab.path("own.key")).unwrap();
    std::fs::copy(file(&lab, "other"), lab.path("elsewhere/own.key")).unwrap();
    lab.run(&[
        "-c",
        "listen tcp 0 calc key lab as c; let port = $c.port; calc 1 at $c key ./own.key; cd elsewhere; calc 2
         stop $c; listen tcp $port calc; calc 3",
    ])
    .success();
}

#[test]
fn another_folder_can_be_named() {
    let lab = Lab::new();
    for name in ["here", ""] {
        let mut command = lab.command(&["key", "new"]);
        let output = command.env("NLS_KEYS", name).output().unwrap();
        assert_eq!(output.status.code(), Some(i32::from(name.is_empty())));
    }
    assert_eq!(names(&lab.path("here")), ["default.key"]);
}

/// Runs a script of `tests/keyed`; nothing where `cryptography` is missing, which under CI is a failure.
fn with_python(lab: &Lab, script: &str, arguments: &[&str]) -> Option<std::process::Output> {
    if !python_has("cryptography") {
        return None;
    }
    let mut command = std::process::Command::new(PYTHON);
    lab.dress(&mut command);
    // No compiled copy of the client beside it.
    command.arg("-B").arg(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keyed")).join(script));
    Some(command.args(arguments).output().unwrap())
}

#[test]
fn the_vectors_of_a_keyed_connection_are_those_of_another_implementation() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/keyed.txt");
    if let Some(output) = with_python(&Lab::new(), "vectors.py", &[vectors]) {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "4 connections are as described\n", "{output:?}");
    }
}

#[test]
fn a_client_of_another_make_fetches_a_file_with_a_key() {
    let lab = Lab::new();
    let content: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    std::fs::create_dir(lab.path("root")).unwrap();
    std::fs::write(lab.path("root/a.bin"), &content).unwrap();
    lab.nls("key new to ann.key; key new to eve.key").success();
    let (_server, address) = lab.server("listen tcp 0 ftp root root key ann.key");
    let (host, port) = address.rsplit_once(':').unwrap();
    let fetch =
        |key: &str| with_python(&lab, "client.py", &[host, port, lab.path(key).to_str().unwrap(), "a.bin"]);
    let Some(output) = fetch("ann.key") else { return };
    assert!(
        output.stdout == content,
        "{} bytes; {}",
        output.stdout.len(),
        String::from_utf8_lossy(&output.stderr)
    );
    let refused = fetch("eve.key").unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("this key does not open the port"),
        "{refused:?}"
    );
}

#[test]
fn a_client_of_another_make_fetches_a_file_with_a_code_once() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    lab.write("root/a.txt", "for one client");
    let (mut server, address) = lab.server("listen tcp 0 ftp root root code as files; print $files.code");
    let code = server.line();
    let (host, port) = address.rsplit_once(':').unwrap();
    let fetch = |code: &str| with_python(&lab, "code.py", &[host, port, code, "a.txt"]);
    if !python_has("spake2") {
        return;
    }
    let Some(wrong) = fetch("zoo-zoo-zoo") else { return };
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("this key does not open the port"), "{wrong:?}");
    let right = fetch(code.trim()).unwrap();
    assert!(right.stdout == b"for one client", "{right:?}");
    let again = fetch(code.trim()).unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("no code opens this port"), "{again:?}");
}

/// The answer to bytes of who has no key.
fn told(address: &str, bytes: &[u8]) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn row_114_other_protocols_are_told_that_a_port_needs_a_key_and_nothing_else() {
    let lab = Lab::new();
    lab.nls("key new to ann.key").success();
    for service in ["ftp root .", "calc", "chat relay"] {
        let (_server, address) = lab.server(&format!("listen tcp 0 {service} key ann.key"));
        let http = told(&address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(http.starts_with("HTTP/1.1 403 ") && http.contains("needs a key"), "{service}: {http}");
        let text = told(&address, b"7 % 3\n");
        let is_answered = text.lines().any(|line| line == "1");
        assert!(text.contains("needs a key") && !is_answered, "{service}: {text}");
        // A client of ours without a key, of whatever service.
        for number in 0..4 {
            let own = told(&address, &[0x8b, b'N', b'L', b'S', 7, number, 0, 0]);
            assert!(own.contains("needs a key") && !own.contains(&service[..4]), "{service}: {own}");
        }
    }
}

#[test]
fn row_114_a_key_where_nothing_is_encrypted_with_one_is_refused() {
    let lab = Lab::new();
    lab.nls("key new to ann.key").success();
    for (line, words) in [
        ("listen udp 0 stream web key ann.key", "browser cannot use the key"),
        ("listen tls 0 echo key ann.key", "key"),
    ] {
        let run = lab.nls(line);
        assert!(run.code != Some(0) && run.err.contains(words), "{line}: {}", run.err);
    }
}

#[test]
fn row_114_text_to_a_keyed_port_over_udp_is_answered_with_the_reason_and_nothing_more() {
    let lab = Lab::new();
    lab.nls("key new to ann.key").success();
    let (_server, address) = lab.server("listen udp 0 calc key ann.key");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    socket.send_to(b"7 % 3\n", &address).unwrap();
    let mut answer = [0; 2000];
    let (length, _) = socket.recv_from(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer[..length]);
    assert!(text.contains("needs a key") && !text.contains('1'), "{text}");
}

#[test]
fn row_113_a_server_that_answers_in_plain_gets_nothing_but_the_handshake() {
    use std::io::{Read, Write};
    let lab = Lab::new();
    lab.nls("key new to ann.key").success();
    lab.write("secret.txt", "words that stay here");
    // Another server, or somebody on the way: the flag is gone, or the second message is nonsense.
    let plain = [0x8b, b'N', b'L', b'S', 7, 1, 0, 0].to_vec();
    let nonsense = [&[0x8b, b'N', b'L', b'S', 7, 1, 1, 0][..], &[9; 56]].concat();
    for (answer, words) in [(plain, "does not encrypt"), (nonsense, "does not have this key")] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = format!("send secret.txt to 127.0.0.1:{port} key ann.key");
        let run = std::thread::scope(|scope| {
            let client = scope.spawn(|| lab.nls(&line));
            let (mut stream, _) = listener.accept().unwrap();
            let mut first = [0; 8 + 48];
            stream.read_exact(&mut first).unwrap();
            stream.write_all(&answer).unwrap();
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
            assert!(rest.is_empty(), "{rest:?}");
            client.join().unwrap()
        });
        assert!(run.code != Some(0) && run.err.contains(words), "{}", run.err);
    }
}

#[test]
fn a_port_in_the_network_is_for_those_who_have_the_default_key_if_there_is_one() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    lab.write("note", "hello");
    let talk = |transport: &str| {
        format!(
            "listen {transport} 0 ftp root root on any as f; expect $f.key == default; send note to {transport} $f as up replace; \
             expect $up.key == default; ls {transport} $f; expect error \"does not open\": ls {transport} $f key other"
        )
    };
    lab.nls("key new other; listen tcp 0 ftp root root on any as f; expect $f.key == \"\"; ls $f").success();
    lab.nls("key new").success();
    for transport in ["tcp", "udp"] {
        let run = lab.nls(&talk(transport)).success();
        assert!(run.err.contains("only who has your key `default`, too, is served"), "{}", run.err);
    }
    lab.nls("listen udp 0 calc on any as c; calc 7 % 3 at udp $c as r; expect $r.value == 1").success();
    // What was said is done: these serve everybody, and this machine needs no key.
    for open in ["on any open", "on any dialects own,http", ""] {
        lab.nls(&format!("listen tcp 0 ftp root root {open} as f; expect $f.key == \"\"; ls $f")).success();
    }
    // Whoever cannot read the key is told so, and not served without it.
    std::fs::set_permissions(file(&lab, "default"), PermissionsExt::from_mode(0o644)).unwrap();
    lab.nls("listen tcp 0 ftp root root on any").fails(1, "chmod");
}
