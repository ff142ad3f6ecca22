//! Runs the program in a folder of its own, with an environment that does not depend on the machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Nothing here may take longer; a test that would has hung.
pub const LIMIT: Duration = Duration::from_mins(1);

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_nls");

/// A folder that goes away.
pub struct Lab {
    pub folder: tempfile::TempDir,
    _turn: Turn,
}

/// The labs that are open now, and whether one of them wants to be alone.
static OPEN: (Mutex<(usize, bool)>, Condvar) = (Mutex::new((0, false)), Condvar::new());

/// A place among the open labs.
struct Turn {
    is_alone: bool,
}

impl Turn {
    fn wait(is_alone: bool) -> Self {
        let mut open = OPEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        while open.1 || is_alone && open.0 > 0 {
            open = OPEN.1.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        *open = (open.0 + 1, is_alone);
        Self { is_alone }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = OPEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        *open = (open.0 - 1, open.1 && !self.is_alone);
        drop(open);
        OPEN.1.notify_all();
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Lab {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the test"), _turn: Turn::wait(false) }
    }

    /// No other lab is open meanwhile: for what must keep up with the time of day.
    pub fn alone() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the test"), _turn: Turn::wait(true) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Bytes that compress badly and differ by `seed`.
    pub fn random(&self, name: &str, size: usize, seed: u64) -> PathBuf {
        let mut state = seed;
        let bytes: Vec<u8> = (0..size)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        self.write(name, bytes)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        self.dress(&mut command);
        command.args(arguments);
        command
    }

    /// The environment of every run here.
    pub fn dress(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env_clear();
        // What is tested comes first, for scripts that run it.
        let own = Path::new(env!("CARGO_BIN_EXE_nls")).parent().unwrap().display();
        command.env("PATH", format!("{own}:{}", std::env::var("PATH").unwrap_or_default()));
        command.env("HOME", self.folder.path()).env("USER", "tester").env("LC_ALL", "C.UTF-8");
        command.env("NLS_HISTFILE", "").env("NLS_RC", "").env("TERM", "xterm-256color");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments).spawn().expect("the program starts"), None)
    }

    /// `nls -c TEXT`
    pub fn nls(&self, text: &str) -> Run {
        self.run(&["-c", text])
    }

    pub fn with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        finish(child, Some(input))
    }

    /// The program as another user, after `first` in a shell: `None`, visibly, where that cannot be done. It comes as
    /// an open descriptor: whoever it is may not read the folders that lead to it.
    pub fn as_user(&self, user: u32, first: &str, arguments: &[&str]) -> Option<Command> {
        if !rustix::process::geteuid().is_root() || !has("setpriv") {
            eprintln!("SKIPPED: only root can be another user");
            return None;
        }
        let mut command = Command::new("sh");
        self.dress(&mut command);
        let inner = format!("{first} exec /proc/self/fd/9 \"$@\"");
        let outer =
            format!("exec 9<'{PROGRAM}'; exec setpriv --reuid={user} --regid={user} --clear-groups \"$@\"");
        command.args(["-c", &outer, "as", "sh", "-c", &inner, "nls"]).args(arguments);
        Some(command)
    }

    /// Starts something that goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).spawn().expect("the program starts"))
    }

    /// A server, and the address that it says.
    pub fn server(&self, listen: &str) -> (Running, String) {
        let mut running = self.start(&["-c", &format!("{listen}; wait")]);
        let line = running.line();
        let address = line
            .split_whitespace()
            .nth(3)
            .unwrap_or_else(|| panic!("no address in `{line}`"))
            .trim_end_matches(':')
            .to_owned();
        (running, address)
    }
}

/// A program that is running; ended when dropped.
pub struct Running {
    pub child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// A child whose output is piped.
    pub fn of(mut child: Child) -> Self {
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, out }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "the program ended: {}", self.complaint());
        line.trim_end().to_owned()
    }

    /// Reads lines until one contains `text`.
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut err) = self.child.stderr.take() {
            err.read_to_string(&mut text).ok();
        }
        text
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    pub fn finish(mut self) -> Run {
        let child =
            std::mem::replace(&mut self.child, Command::new("true").stdout(Stdio::piped()).spawn().unwrap());
        let mut out = String::new();
        self.out.read_to_string(&mut out).ok();
        let mut run = finish(child, None);
        run.out = out;
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // By its handle: only what this test started.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn finish(mut child: Child, input: Option<&[u8]>) -> Run {
    use std::os::unix::process::ExitStatusExt;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input).ok();
    }
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes).ok();
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let err = read(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let began = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if began.elapsed() > LIMIT => {
                child.kill().ok();
                panic!("hung for {LIMIT:?}: {:?} {:?}", out.join(), err.join());
            }
            None => std::thread::park_timeout(Duration::from_millis(2)),
        }
    };
    Run { code: status.code(), signal: status.signal(), out: out.join().unwrap(), err: err.join().unwrap() }
}

impl Run {
    /// What a child leaves that was started.
    pub fn of(child: Child) -> Self {
        finish(child, None)
    }

    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn fails(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        assert!(self.err.contains(text), "`{text}` is not in: {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// Files of a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// True if a foreign program is there. Missing under CI it is a failure, elsewhere a visible skip.
pub fn has(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    found || missing(program)
}

/// The system's Python, whose modules are those of the system.
pub const PYTHON: &str = "/usr/bin/python3";

/// True if Python and one of its modules are there, as [`has`].
pub fn python_has(module: &str) -> bool {
    let found = Command::new(PYTHON).args(["-c", &format!("import {module}")]).output();
    found.is_ok_and(|output| output.status.success()) || missing(&format!("python3 with `{module}`"))
}

/// False, and a failure under CI, as [`has`].
pub fn missing(program: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "{program} is missing");
    eprintln!("SKIPPED: {program} is not installed");
    false
}

/// Looks again until it holds; a condition that never does fails the test.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
