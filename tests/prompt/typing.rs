//! Lines: completion, hints, their look, history, secrets.

use super::{INTERRUPT, Terminal};
use crate::harness::{Lab, eventually};

#[test]
fn completion_knows_verbs_keywords_and_sessions() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as calculator", "a calculator");
    terminal.keys("sto\t");
    terminal.see("the verb and its hint", |screen| screen.ends_with("nls> stop X"));
    terminal.keys("calc\t");
    terminal.see("the session", |screen| screen.contains("nls> stop calculator"));
    terminal.keys("\r");
    terminal.see("it is stopped", |screen| screen.contains("stopped calculator"));
}

#[test]
fn completion_knows_statements_and_what_follows_in_them() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    terminal.keys("expe\t");
    terminal.see("the statement and its form", |screen| screen.contains("nls> expect [not] VALUE"));
    terminal.keys("$c.ser\t");
    terminal.see("the field", |screen| screen.contains("nls> expect $c.serv"));
    terminal.interrupt();
    terminal.keys("retry 3 every 10ms: cal\t");
    terminal.see("the verb behind a prefix", |screen| screen.contains("10ms: calc EXPR"));
}

/// Asked of the server while the line is being typed; no key waits for it.
#[test]
fn completion_knows_what_a_server_has() {
    let lab = Lab::new();
    lab.random("root/holiday film.mp4", 1000, 1);
    lab.random("root/picture.png", 1000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen udp 0 stream root root as cinema", "media of");
    // The first key asks, a later one completes.
    terminal.keys("stream ");
    eventually("the server was asked", || {
        terminal.keys("\t");
        terminal.read();
        terminal.text().contains("picture.png")
    });
    terminal.keys("pic\t");
    terminal.see("the name", |screen| screen.contains("nls> stream picture.png"));
    terminal.interrupt();
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.keys("get ");
    eventually("the server was asked", || {
        terminal.keys("\t");
        terminal.read();
        terminal.text().contains("get \"holiday film.mp4\"")
            || terminal.text().contains("\"holiday film.mp4\"  (1000 B)")
    });
}

#[test]
fn row_99_history_is_kept_private_and_a_bad_one_is_one_warning() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], Some("state/history"));
    terminal.run("print first", "\nfirst\n");
    terminal.run(" print secret", "\nsecret\n");
    terminal.keys("quit\r");
    terminal.ends();
    let path = lab.path("state/history");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "print first\nquit\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    lab.write("file", "");
    let mut terminal = Terminal::new(&lab, &[], Some("file/history"));
    terminal.see("the warning", |screen| screen.contains("no history"));
    terminal.run("print works", "\nworks\n");
}

#[test]
fn a_secret_that_the_environment_does_not_have_is_asked_for_and_not_shown() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], Some("state/history"));
    terminal.line("secret TOKEN");
    terminal.see("the question", |screen| screen.ends_with("TOKEN:"));
    terminal.keys("tiger");
    terminal.see("stars", |screen| screen.ends_with("TOKEN: *****"));
    terminal.keys("\r");
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.run("print it is $TOKEN", "it is ***");
    terminal.run("!test ${#TOKEN} = 5 && echo it is here", "\nit is here\n");
    terminal.line("secret OTHER");
    terminal.see("the question", |screen| screen.ends_with("OTHER:"));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt", |screen| screen.contains("interrupted") && screen.ends_with("nls>"));
    assert!(!terminal.text().contains("tiger"));
    terminal.keys("quit\r");
    terminal.ends();
    assert!(!std::fs::read_to_string(lab.path("state/history")).unwrap().contains("tiger"));
}

#[test]
fn row_93_a_line_with_a_secret_does_not_come_back_and_completion_shows_none() {
    let lab = Lab::new();
    lab.write("tiger-lily.txt", "");
    lab.write("tomato.txt", "");
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.line("secret TOKEN");
    terminal.see("the question", |screen| screen.ends_with("TOKEN:"));
    terminal.keys("tiger-lily\r");
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.run("print first", "\nfirst\n");
    terminal.run("print \"it is tiger-lily\"", "\nit is ***\n");
    // The line before the one with the secret.
    terminal.keys("\x1b[A");
    terminal.see("an earlier line", |screen| screen.ends_with("nls> print first"));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.keys("send t\t\t");
    terminal.see("both files", |screen| screen.contains("tomato.txt") && screen.contains("***.txt"));
    assert!(!terminal.text().contains("tiger-lily.txt"), "{}", terminal.text());
}

#[test]
fn lines_typed_ahead_of_a_command_are_kept() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.keys("print one\rcalc 1/0\rprint two\rprint three\r");
    terminal.see("all of them", |screen| {
        screen.contains("\none\n") && screen.contains("\ntwo\n") && screen.contains("\nthree\n")
    });
}

/// Behind `text` on the last line: its colour, and whether it is underlined or bold.
fn look(terminal: &Terminal, text: &str) -> (vt100::Color, bool, bool) {
    let screen = terminal.screen.screen();
    let rows: Vec<String> = screen.rows(0, u16::MAX).collect();
    let row = rows.iter().rposition(|row| row.starts_with("nls>")).expect("a prompt");
    let column = rows[row].find(text).unwrap_or_else(|| panic!("no {text} in {}", rows[row]));
    let cell = screen.cell(row as u16, column as u16).expect("on the screen");
    (cell.fgcolor(), cell.underline(), cell.bold())
}

#[test]
fn an_error_shows_before_enter_and_each_word_as_what_it_is() {
    let lab = Lab::new();
    let mut terminal = Terminal::with(&lab, &[], &[]);
    terminal.keys("sned f");
    terminal.see("the line", |screen| screen.ends_with("nls> sned f"));
    assert_eq!(look(&terminal, "sned"), (vt100::Color::Idx(1), true, false));
    terminal.interrupt();
    terminal.keys("send f to ::1:9 chunk 5x \"");
    terminal.see("the line", |screen| screen.ends_with("5x \""));
    assert_eq!(look(&terminal, "send"), (vt100::Color::Default, false, true));
    assert_eq!(look(&terminal, "to"), (vt100::Color::Idx(6), false, false));
    // What follows is not wrong yet: the quote is open, and hides the rest from the check.
    assert_eq!(look(&terminal, "f"), (vt100::Color::Default, false, false));
    terminal.keys("\u{7f}");
    terminal.see("the line", |screen| !screen.ends_with('"'));
    assert_eq!(look(&terminal, "::1:9"), (vt100::Color::Idx(1), true, false));
    assert_eq!(look(&terminal, "5x"), (vt100::Color::Idx(1), true, false));
}

#[test]
fn completion_describes_sessions_fields_states_ports_and_paths() {
    let lab = Lab::new();
    lab.write("my films/one.mp4", "x");
    lab.write("my list.txt", "12345");
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    let address = terminal.text();
    let port = address.split("127.0.0.1:").nth(1).unwrap().split(':').next().unwrap().to_owned();
    for (line, shown) in [
        ("plot \t\t", "c  (calc server, listening)"),
        ("expect $c.\t\t", "$c.state  (listening)"),
        ("expect $\t\t", "$c  (calc server, listening)"),
        ("wait c l", "nls> wait c l"),
        ("calc 1 at :\t\t", "(c, calc server)"),
        ("send my\t\t", "\"my list.txt\"  (5 B)"),
        ("help \t\t", "--More--"),
    ] {
        terminal.keys(line);
        terminal.see(shown, |screen| screen.contains(shown));
        if shown == "--More--" {
            terminal.keys("q");
        }
        terminal.interrupt();
    }
    terminal.keys("wait c li\t");
    terminal.see("the state", |screen| screen.ends_with("nls> wait c listening [within D]"));
    terminal.interrupt();
    terminal.keys("send \"my f\t");
    terminal.see("the folder, quoted", |screen| screen.contains("nls> send \"my films/"));
    terminal.interrupt();
    terminal.run(&format!("calc 1+1 at :{port}"), "\n2\n");
    terminal.keys(&format!("calc 1 at 127.0.0.1:{}\t", &port[..2]));
    terminal.see("an endpoint used before", |screen| {
        screen.lines().last().unwrap().starts_with("nls> calc 1 at 127.0.0.1:")
    });
}

#[test]
fn a_path_behind_a_tilde_is_completed_as_it_can_be_read() {
    let lab = Lab::new();
    lab.write("plain.txt", "1");
    lab.write("odd name.txt", "22");
    let mut terminal = Terminal::new(&lab, &[], None);
    for (typed, size) in [("~/pla", "1 bytes"), ("~/od", "2 bytes")] {
        terminal.keys(&format!("file {typed}\t as f\r"));
        terminal.see("the next prompt", |screen| screen.ends_with("nls>") && screen.contains(".txt"));
        terminal.run("print \"$f.bytes bytes\"", size);
    }
    assert!(!terminal.text().contains("no such file"), "{}", terminal.text());
}

#[test]
fn pasted_lines_run_one_behind_the_other() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], Some("history"));
    terminal.keys("\u{1b}[200~print one\nprint two\u{1b}[201~\r");
    terminal.see("both", |screen| screen.contains("\none\ntwo\n") && screen.ends_with("nls>"));
    terminal.keys("quit\r");
    terminal.ends();
    assert_eq!(std::fs::read_to_string(lab.path("history")).unwrap(), "print one\nprint two\nquit\n");
}

#[test]
fn two_shells_that_share_a_history_lose_no_line_of_it() {
    let lab = Lab::new();
    let mut one = Terminal::new(&lab, &[], Some("history"));
    let mut two = Terminal::new(&lab, &[], Some("history"));
    for n in 0..20 {
        one.keys(&format!("print one {n}\r"));
        two.keys(&format!("print two {n}\r"));
    }
    for (terminal, last) in [(&mut one, "\none 19\n"), (&mut two, "\ntwo 19\n")] {
        terminal.see("the last", |screen| screen.contains(last));
    }
    let kept = std::fs::read_to_string(lab.path("history")).unwrap();
    for name in ["one", "two"] {
        let own: Vec<&str> =
            kept.lines().filter(|line| line.starts_with(&format!("print {name} "))).collect();
        let wanted: Vec<String> = (0..20).map(|n| format!("print {name} {n}")).collect();
        assert_eq!(own, wanted);
    }
}

#[test]
fn the_first_minute_says_what_to_try_and_each_success_what_comes_next_once() {
    let lab = Lab::new();
    lab.write("FILE", "hello");
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal
        .see("three things to try", |screen| screen.contains("Try: listen tcp 0 calc · calc 7 % 3 · help"));
    terminal
        .run("listen tcp 0 calc", "next, here or in another shell of this machine: calc 7 % 3 at 127.0.0.1:");
    terminal.run(
        "listen tcp 0 ftp as files",
        "next, here or in another shell of this machine: send FILE to 127.0.0.1:",
    );
    // The lines work as they stand.
    let text = terminal.text();
    let suggested = |start: &str| {
        let lines = text.lines().filter_map(|line| line.split_once("machine: "));
        lines.map(|(_, line)| line).find(|line| line.starts_with(start)).expect("it is suggested").to_owned()
    };
    terminal.run(&suggested("calc"), "\n1\n");
    terminal.run(&format!("{} name given", suggested("send")), "sent given");
    terminal.run("listen tcp 0 ftp root . on any as open", "next, on another machine: ls ");
    assert_eq!(terminal.text().matches("send FILE to 127.0.0.1:").count(), 2, "{}", terminal.text());
    // Another server is at another address, and says so.
    terminal.run("listen tcp 0 ftp as again", "again");
    terminal.see("its own line", |screen| screen.matches("send FILE to 127.0.0.1:").count() == 3);
}

#[test]
fn a_machine_without_a_way_to_all_others_tells_its_neighbours_where_it_is() {
    let lab = Lab::new();
    if !crate::harness::has("unshare") || !crate::harness::has("ip") {
        return;
    }
    let network = "ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.8.8.8/24 dev v0
        ip link set v0 up; ip link set v1 up; exec \"$0\" -n";
    let mut command = std::process::Command::new("unshare");
    lab.dress(&mut command);
    command.env("NO_COLOR", "1").args(["-rn", "sh", "-c", network, crate::harness::PROGRAM]);
    let mut terminal = Terminal::spawn(command);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.run("listen tcp 0 ftp root . on any", "next, on another machine: ls 10.8.8.8:");
}

#[test]
fn row_108_a_byte_that_is_no_utf_8_is_shown_and_everything_lives() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat turns off as room", "a conversation");
    terminal.bytes(b"print caf\xe9 end");
    // The screen of the test does not draw the mark itself.
    terminal.see_passing("\u{fffd}");
    terminal.see("the rest", |screen| screen.ends_with("end"));
    // It can be edited.
    terminal.keys("\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}é\r");
    terminal.see("the line", |screen| screen.contains("\ncafé") && screen.ends_with("nls>"));
    terminal.bytes(b"print \x9bx");
    // What follows the mark on the screen of the test may stand at another column.
    terminal.see("what follows a lone byte", |screen| {
        screen.lines().last().is_some_and(|line| line.ends_with('x'))
    });
    terminal.interrupt();
    // In a paste, and what stands behind it.
    let rest = "x".repeat(3000);
    terminal.bytes(&[b"\x1b[200~print \xff".as_slice(), rest.as_bytes(), b" whole\x1b[201~\r"].concat());
    terminal.see("all of the paste", |screen| screen.contains("whole") && screen.ends_with("nls>"));
    terminal.run("listen tcp 0 calc as c", "a calculator");
}

#[test]
fn pasted_lines_are_said_one_by_one_and_not_utf_8_is_said_as_a_mark() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat turns off as room", "a conversation");
    terminal.line("chat tcp $room name ann");
    terminal.see("the conversation", |screen| screen.ends_with("say>"));
    terminal.keys("\u{1b}[200~first\nsecond\nthird\u{1b}[201~\r");
    for line in ["ann: first", "ann: second", "ann: third"] {
        terminal.see(line, |screen| screen.contains(line));
    }
    terminal.bytes(b"caf\xe9\r");
    terminal.see_passing("ann: caf\u{fffd}");
}

#[test]
fn a_terminal_without_a_cursor_has_a_plain_prompt_and_ctrl_c_ends_a_conversation() {
    for term in ["dumb", ""] {
        let lab = Lab::new();
        let mut terminal = Terminal::with(&lab, &[], &[("TERM", term)]);
        terminal.keys("listen tcp 0 chat turns off as room\n");
        terminal.see("the room", |screen| screen.contains("a conversation") && screen.ends_with("nls>"));
        terminal.keys("chat tcp $room name ann\n");
        // The room says that she joined, before the prompt or behind it.
        terminal.see("the conversation", |screen| screen.contains("say>") && screen.contains("ann joined"));
        terminal.bytes(b"caf\xe9\n");
        terminal.see_passing("ann: caf\u{fffd}");
        terminal.keys(INTERRUPT);
        terminal.see("the end", |screen| screen.contains("ended"));
        terminal.keys("print for the shell\n");
        terminal.see_passing("for the shell");
        assert!(!terminal.text().contains("ann: print"), "{}", terminal.text());
        assert!(!terminal.seen.contains(&0x1b), "no sequences for TERM={term}");
    }
}

#[test]
fn row_79_a_hostile_name_is_completed_with_escapes() {
    let lab = Lab::new();
    lab.write("c\u{9b}2Jd", "planted");
    lab.write("x\u{7}\u{202e}y", "planted");
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.keys("send \t\t");
    terminal.see("both, with escapes", |screen| {
        screen.contains("\"c\\u{9b}2Jd\"") && screen.contains("\"x\\x07\\u{202e}y\"")
    });
    terminal.keys("c\t");
    terminal.see("one, with escapes", |screen| screen.contains("nls> send \"c\\u{9b}2Jd\""));
    let seen = String::from_utf8_lossy(&terminal.seen).into_owned();
    assert!(!seen.contains(['\u{9b}', '\u{7}', '\u{202e}']), "{seen:?}");
}
