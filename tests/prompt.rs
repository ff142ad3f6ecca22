//! The prompt in a pseudo terminal, judged by its screen.

use std::process::Command;
use std::time::{Duration, Instant};

use expectrl::Expect;
use expectrl::session::OsSession;

use crate::harness::{LIMIT, Lab, PROGRAM, eventually};

/// A prompt and what its screen shows.
struct Terminal {
    session: OsSession,
    screen: vt100::Parser,
}

impl Terminal {
    fn new(lab: &Lab, arguments: &[&str], history: Option<&str>) -> Self {
        let mut command = Command::new(PROGRAM);
        lab.dress(&mut command);
        command.env(
            "NLS_HISTFILE",
            history.map_or_else(String::new, |name| lab.path(name).display().to_string()),
        );
        command.env("NO_COLOR", "1").arg("-n").args(arguments);
        command
            .stdin(std::process::Stdio::inherit())
            .stdout(std::process::Stdio::inherit())
            .stderr(std::process::Stdio::inherit());
        let mut session = OsSession::spawn(command).expect("a terminal");
        session.get_process_mut().set_window_size(100, 30).expect("its size");
        session.set_expect_timeout(Some(Duration::from_secs(1)));
        let mut terminal =
            Self { session, screen: vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0) };
        terminal.see("the prompt", |screen| screen.ends_with("nls>"));
        terminal
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.session.try_read(&mut buffer) {
            self.screen.process(&buffer[..n]);
        }
    }

    fn text(&self) -> String {
        let rows: Vec<String> =
            self.screen.screen().rows(0, 100).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Waits until the screen is as it must be.
    #[track_caller]
    fn see(&mut self, what: &str, is: impl Fn(&str) -> bool) {
        let began = Instant::now();
        loop {
            self.read();
            let text = self.text();
            if is(&text) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "never saw {what} on:\n{text}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn keys(&mut self, keys: &str) {
        self.session.send(keys).expect("keys");
    }

    /// A line and Enter.
    fn line(&mut self, line: &str) {
        self.keys(line);
        self.see(line, |screen| screen.contains(line));
        self.keys("\r");
    }

    /// Runs a line and waits for the next prompt.
    #[track_caller]
    fn run(&mut self, line: &str, shows: &str) {
        self.line(line);
        self.see(shows, |screen| screen.contains(shows) && screen.ends_with("nls>"));
    }

    fn ends(mut self) {
        let began = Instant::now();
        while self.session.get_process().is_alive().unwrap_or(false) {
            self.read();
            assert!(began.elapsed() < LIMIT, "it goes on:\n{}", self.text());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

const INTERRUPT: &str = "\u{3}";
const END: &str = "\u{4}";

#[test]
fn commands_run_and_the_prompt_comes_back() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("lis tcp 0 calc as c", "a calculator");
    terminal.run("calc 7 % 3", "\n1\n");
    terminal.run("calc 1/0", "division by zero at column 2");
    terminal.run("sned x", "did you mean `send`?");
    terminal.run("sessions", "calc server");
    terminal.keys("quit\r");
    terminal.ends();
}

#[test]
fn row_86_output_of_sessions_leaves_the_typed_line_whole() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room", "a conversation");
    terminal.keys("print half a line");
    terminal.see("the line", |screen| screen.ends_with("nls> print half a line"));
    let address = terminal
        .text()
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap()
        .trim_end_matches(':')
        .to_owned();
    lab.nls(&format!("chat tcp {address} name guest as g; say $g hello")).success();
    terminal.see("the message above the line", |screen| {
        screen.contains("guest: hello") && screen.ends_with("nls> print half a line")
    });
    terminal.keys(" goes on\r");
    terminal.see("the whole line", |screen| screen.contains("\nhalf a line goes on\n"));
}

#[test]
fn row_33_an_interrupt_ends_the_command_and_not_the_shell() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    terminal.keys("half a li");
    terminal.see("the line", |screen| screen.ends_with("half a li"));
    terminal.keys(INTERRUPT);
    terminal.see("a new prompt", |screen| screen.ends_with("nls>"));
    terminal.line("print go; wait $c");
    terminal.see("the command runs", |screen| screen.ends_with("\ngo"));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt", |screen| screen.contains("interrupted") && screen.ends_with("nls>"));
    terminal.run("calc 6*7", "\n42\n");
    terminal.keys(END);
    terminal.ends();
}

#[test]
fn two_prompts_chat_through_a_bad_network_and_ctrl_c_in_one_ends_it_in_both() {
    // TCP hides what is lost: there the link is slow.
    for (transport, network) in [("tcp", "delay 20ms"), ("udp", "loss 20%")] {
        let (here, there) = (Lab::new(), Lab::new());
        let mut bob = Terminal::new(&here, &[], None);
        bob.run(&format!("listen {transport} 0 chat max 1 as bob"), "a conversation for two");
        bob.run(&format!("link {transport} 0 to $bob {network} as bad"), "to ");
        bob.run("print through $bad.addr", "\nthrough 127.0.0.1:");
        let text = bob.text();
        let address = text.rsplit("\nthrough ").next().unwrap().split_whitespace().next().unwrap().to_owned();
        bob.line("attach bob");
        bob.see("the other prompt", |screen| screen.ends_with("say>"));
        let mut alice = Terminal::new(&there, &[], None);
        alice.line(&format!("chat {transport} {address} name alice"));
        alice.see("attached", |screen| screen.ends_with("say>"));
        alice.line("hello bob");
        bob.see("the message", |screen| screen.contains("alice: hello bob"));
        alice.line("are you there");
        alice.see("the rule, and the line as it was", |screen| {
            screen.contains("it is the turn of host")
                && screen.lines().last().unwrap().starts_with("say> are you there")
        });
        bob.line("hello alice");
        alice.see("the answer above the line", |screen| {
            screen.contains("host: hello alice")
                && screen.lines().last().unwrap().starts_with("say> are you there")
        });
        if transport == "udp" {
            alice.see("how much may still be typed", |screen| screen.ends_with("987 left"));
        }
        alice.keys("\r");
        bob.see("what stayed on the line", |screen| screen.contains("alice: are you there"));
        alice.see("an empty line", |screen| screen.ends_with("say>"));
        alice.keys(INTERRUPT);
        alice.see("its own prompt", |screen| screen.ends_with("nls>"));
        bob.see("who left, and its own prompt", |screen| {
            screen.contains("alice left") && screen.ends_with("nls>")
        });
        bob.run("print still here", "\nstill here\n");
    }
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

#[test]
fn quitting_with_live_work_is_asked_for_twice() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room", "a conversation");
    terminal.run("chat tcp $room name a as a &", "in the background");
    terminal.run("quit", "still alive");
    terminal.keys("quit\r");
    terminal.ends();
}

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
fn a_script_can_come_before_the_prompt() {
    let lab = Lab::new();
    lab.write("first.nls", "listen tcp 0 calc as c\nlet x = 5\n");
    let mut terminal = Terminal::new(&lab, &["-i", "first.nls"], None);
    terminal.run("calc $x + 1", "\n6\n");
}

#[test]
fn a_session_typed_at_the_prompt_is_recorded_and_plays_again() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("record lesson.nls", "recording to lesson.nls");
    terminal.run("listen tcp 0 calc", "a calculator");
    terminal.run("calc 7 % 3", "\n1\n");
    terminal.run("listen tcp 0 chat as room", "a conversation with many");
    terminal.line("chat tcp $room name ann as ann");
    terminal.see("attached", |screen| screen.ends_with("say>"));
    terminal.line("hello room");
    terminal.see("the message", |screen| screen.contains("ann: hello room"));
    terminal.see("the prompt of the chat", |screen| screen.ends_with("say>"));
    terminal.keys("\u{4}");
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.run("say $room \"hi ann\"", "host: hi ann");
    terminal.run("record", "recorded 6 commands");
    terminal.line("quit now");
    terminal.ends();
    lab.run(&["test", "lesson.nls", "--repeat", "100", "--jobs", "4"]).success();
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
fn completion_knows_statements_and_what_follows_in_them() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    terminal.keys("exp\t");
    terminal.see("the statement and its form", |screen| screen.contains("nls> expect [not] VALUE"));
    terminal.keys("$c.ser\t");
    terminal.see("the field", |screen| screen.contains("nls> expect $c.serv"));
    terminal.keys(INTERRUPT);
    terminal.see("a new prompt", |screen| screen.ends_with("nls>"));
    terminal.keys("retry 3 every 10ms: cal\t");
    terminal.see("the verb behind a prefix", |screen| screen.contains("10ms: calc EXPR"));
}

#[test]
fn ctrl_z_sends_the_command_to_the_background_and_stops_nothing() {
    let lab = Lab::new();
    lab.random("root/big", 6_000_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.line("get big from $files to copy rate 3MB/s as down");
    terminal.see("the bar", |screen| screen.contains("5.72 MiB") || screen.contains("5.7"));
    terminal.keys("\u{1a}");
    terminal.see("the prompt", |screen| {
        screen.contains("down get big goes on in the background") && screen.ends_with("nls>")
    });
    terminal.run("sessions", "transferring");
    terminal.run("wait $down within 30s", "[down] got big as");
    terminal.run("!kill -TSTP $$; echo it went on", "it went on");
    assert!(std::fs::read(lab.path("copy")).unwrap() == std::fs::read(lab.path("root/big")).unwrap());
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
    terminal.keys(INTERRUPT);
    terminal.see("a new prompt", |screen| screen.ends_with("nls>"));
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.keys("get ");
    eventually("the server was asked", || {
        terminal.keys("\t");
        terminal.read();
        terminal.text().contains("get \"holiday film.mp4\"")
            || terminal.text().contains("\"holiday film.mp4\"  (1000 B)")
    });
}
