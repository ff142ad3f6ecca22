//! The prompt in a pseudo terminal, judged by its screen.

mod keys;
mod output;
mod sessions;
mod tmux;
mod typing;

use std::process::Command;
use std::time::{Duration, Instant};

use expectrl::Expect;
use expectrl::session::OsSession;

use crate::harness::{LIMIT, Lab, PROGRAM};

/// A prompt and what its screen shows.
pub(crate) struct Terminal {
    session: OsSession,
    screen: vt100::Parser,
    /// All that came.
    seen: Vec<u8>,
}

const COLUMNS: u16 = 100;
const ROWS: u16 = 30;

fn lines(count: u16) -> std::num::NonZero<u16> {
    count.try_into().expect("a terminal is not empty")
}

impl Terminal {
    fn new(lab: &Lab, arguments: &[&str], history: Option<&str>) -> Self {
        let history = history.map_or_else(String::new, |name| lab.path(name).display().to_string());
        Self::with(lab, arguments, &[("NLS_HISTFILE", &history), ("NO_COLOR", "1")])
    }

    /// With these variables of the environment.
    fn with(lab: &Lab, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        lab.dress(&mut command);
        command.envs(variables.iter().copied()).arg("-n").args(arguments);
        let mut terminal = Self::spawn(command);
        terminal.see("the prompt", |screen| screen.ends_with("nls>"));
        terminal
    }

    /// A program in a terminal of its own.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command
            .stdin(std::process::Stdio::inherit())
            .stdout(std::process::Stdio::inherit())
            .stderr(std::process::Stdio::inherit());
        let mut session = OsSession::spawn(command).expect("a terminal");
        session.get_process_mut().set_window_size(COLUMNS, ROWS).expect("its size");
        session.set_expect_timeout(Some(Duration::from_secs(1)));
        let screen = vt100::Parser::new(lines(ROWS), lines(COLUMNS), 0);
        Self { session, screen, seen: Vec::new() }
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.session.try_read(&mut buffer) {
            self.screen.process(&buffer[..n]);
            self.seen.extend_from_slice(&buffer[..n]);
        }
    }

    fn text(&self) -> String {
        let rows: Vec<String> =
            self.screen.screen().rows(0, u16::MAX).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Waits until the screen is as it must be.
    #[track_caller]
    pub(crate) fn see(&mut self, what: &str, is: impl Fn(&str) -> bool) {
        self.wait(what, |terminal| is(&terminal.text()));
    }

    /// Waits until this was written, even if it has left the screen since.
    #[track_caller]
    fn see_passing(&mut self, text: &str) {
        self.wait(text, |terminal| terminal.has_written(text));
    }

    fn has_written(&self, text: &str) -> bool {
        self.seen.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Returns as soon as this was written, to be the first to answer it.
    #[track_caller]
    fn see_at_once(&mut self, text: &str) {
        self.wait_with(text, |terminal| terminal.has_written(text), std::thread::yield_now);
    }

    /// Empties the screen, and forgets what was written.
    #[track_caller]
    fn forget(&mut self) {
        self.keys("\u{c}");
        self.see("an empty screen", |screen| screen == "nls>");
        self.seen.clear();
    }

    #[track_caller]
    fn wait(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        self.wait_with(what, is, || std::thread::park_timeout(Duration::from_millis(5)));
    }

    /// `rest` is what is done between two looks.
    #[track_caller]
    fn wait_with(&mut self, what: &str, is: impl Fn(&Self) -> bool, rest: impl Fn()) {
        let began = Instant::now();
        loop {
            self.read();
            if is(self) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "never saw {what} on:\n{}", self.text());
            rest();
        }
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.session.get_process_mut().set_window_size(columns, rows).expect("its size");
        self.screen.screen_mut().set_size(lines(rows), lines(columns));
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.session.send(keys).expect("keys");
    }

    /// Presses keys again and again until the screen shows the text: a command that was just begun may not hear them yet.
    #[track_caller]
    fn press_until(&mut self, keys: &str, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < LIMIT, "never saw {text} on:\n{}", self.text());
            self.keys(keys);
            std::thread::park_timeout(Duration::from_millis(50));
            self.read();
        }
    }

    /// Bytes that are no text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.session.send(bytes).expect("bytes");
    }

    /// Drops the line.
    #[track_caller]
    fn interrupt(&mut self) {
        self.keys(INTERRUPT);
        self.see("a new prompt", |screen| screen.ends_with("nls>"));
    }

    /// The address of the server that the screen tells of.
    fn address(&self) -> String {
        let text = self.text();
        let word = text.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect("an address");
        word.trim_end_matches(':').to_owned()
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
const LEAVE: &str = "\u{1d}";
const SUSPEND: &str = "\u{1a}";
