//! What others write while one types: whole lines, in order, and never a byte of a peer as it came.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{INTERRUPT, Terminal};
use crate::harness::{Lab, PROGRAM};

/// So many people talk: of one alone a room reads no more than 20 messages a second.
const PEOPLE: u64 = 80;

/// Says `tick N` in a room, a thousand times a second, one person after the other, until it is dropped; how often it
/// was.
struct Ticks {
    stop: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
}

impl Ticks {
    fn start(address: &str) -> Self {
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let ticks = Self { stop: stop.clone(), said: said.clone() };
        let mut streams: Vec<TcpStream> =
            (0..PEOPLE).map(|_| TcpStream::connect(address).expect("the room")).collect();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    let n = said.load(Ordering::Relaxed);
                    if streams[(n % PEOPLE) as usize].write_all(format!("tick {n}.\n").as_bytes()).is_err() {
                        return;
                    }
                    said.store(n + 1, Ordering::Relaxed);
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        ticks
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Numbers behind a word in all that the terminal was sent.
fn numbers(seen: &str, word: &str) -> Vec<u64> {
    seen.split(word)
        .skip(1)
        .filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let ends = rest[digits.len()..].starts_with('.');
            digits.parse().ok().filter(|_| ends)
        })
        .collect()
}

#[test]
fn a_thousand_commands_among_a_thousand_events_a_second_lose_nothing() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room max 99 turns off", "a conversation");
    let ticks = Ticks::start(&terminal.address());
    terminal.see("the first", |screen| screen.contains("tick 1"));
    for hundred in 0..10u64 {
        // A line that stays half typed while a hundred events pass above it.
        terminal.keys("print half");
        terminal.see("the line", |screen| screen.ends_with("nls> print half"));
        let before = ticks.said.load(Ordering::Relaxed);
        while ticks.said.load(Ordering::Relaxed) < before + 100 {
            terminal.read();
        }
        terminal.see("it is whole", |screen| screen.ends_with("nls> print half"));
        match hundred % 5 {
            0 => {
                terminal.keys("\u{12}");
                terminal.see("the search", |screen| screen.contains("reverse-i-search"));
                terminal.keys("\u{7}");
            }
            1 => {
                terminal.keys("\u{1}\u{b}lis\t\t\u{15}print half");
                terminal.see("the line again", |screen| screen.ends_with("nls> print half"));
            }
            2 => terminal.resize(90 + hundred as u16, 30),
            3 => terminal.keys("\u{1b}[200~ and more\u{1b}[201~"),
            _ => {}
        }
        terminal.keys(INTERRUPT);
        let from = hundred * 100;
        let lines: String = (from..from + 100).map(|n| format!("calc {n}*1000\r")).collect();
        if hundred == 0 {
            // Its answer may have left the screen before it is looked at.
            terminal.line("listen tcp 0 calc");
            terminal.see_passing("a calculator");
        }
        for part in lines.as_bytes().chunks(500) {
            terminal.keys(std::str::from_utf8(part).unwrap());
            terminal.read();
        }
        let last = format!("\r\n{}\r\n", (from + 99) * 1000);
        crate::harness::eventually("the last result", || {
            terminal.read();
            String::from_utf8_lossy(&terminal.seen).contains(&last)
        });
    }
    let said = ticks.said.load(Ordering::Relaxed);
    drop(ticks);
    let seen = String::from_utf8_lossy(&terminal.seen).into_owned();
    let results: Vec<u64> = seen
        .split("\r\n")
        .filter_map(|line| line.parse::<u64>().ok().filter(|value| value % 1000 == 0))
        .map(|value| value / 1000)
        .collect();
    assert_eq!(results, (0..1000).collect::<Vec<_>>(), "each result once, in order");
    let heard = numbers(&seen, "tick ");
    for person in 0..PEOPLE {
        let own: Vec<u64> = heard.iter().copied().filter(|n| n % PEOPLE == person).collect();
        assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "the order of each is kept: {own:?}");
    }
    let skipped: u64 = seen
        .split("… ")
        .filter_map(|rest| rest.split_once(" events skipped"))
        .filter_map(|(count, _)| count.parse::<u64>().ok())
        .sum();
    let unique: BTreeSet<u64> = heard.iter().copied().collect();
    assert!(unique.len() as u64 + skipped + 200 >= said, "{} of {said}, {skipped} skipped", unique.len());
}

/// What a peer could do to a terminal: each begins in another way.
const ATTACKS: [&str; 8] = [
    "\u{1b}]0;PWNED\u{7}",
    "\u{1b}[2J\u{1b}[1;1H",
    "\u{9b}31m",
    "\u{202e}lort\u{202c}",
    "\u{0}\u{8}\u{8}\u{8}",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{7f}\u{85}\u{200b}",
    "\r\u{1b}[Knls> quit",
];

/// Escape sequences that the line editor itself sends.
fn is_own(sequence: &str) -> bool {
    let Some(rest) = sequence.strip_prefix('[') else { return false };
    let digits = rest.trim_start_matches('?').trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    let end = digits.chars().next();
    let clears_all = rest.starts_with("2J");
    matches!(end, Some('A' | 'B' | 'C' | 'D' | 'F' | 'G' | 'H' | 'J' | 'K' | 'h' | 'l' | 'm' | 'n'))
        && !clears_all
}

#[test]
fn no_byte_of_a_peer_reaches_the_terminal_as_it_came() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room max 99 turns off", "a conversation");
    let address = terminal.address();
    terminal.keys("half a line");
    terminal.see("the line", |screen| screen.ends_with("nls> half a line"));
    let start = terminal.seen.len();
    let mut peer = TcpStream::connect(&address).unwrap();
    for attack in ATTACKS {
        peer.write_all(format!("before {attack} behind\n").as_bytes()).unwrap();
    }
    // And bytes at random, always the same: of one peer only so many lines are read at once.
    let mut state = 7u64;
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = TcpStream::connect(&address).unwrap();
        for _ in 0..50 {
            let line: Vec<u8> = (0..40)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8
                })
                .filter(|byte| *byte != b'\n')
                .chain([b'\n'])
                .collect();
            // It may be thrown out for what it says.
            drop(peer.write_all(&line));
        }
        peers.push(peer);
    }
    let mut last = TcpStream::connect(&address).unwrap();
    last.write_all(b"the very last\n").unwrap();
    // What others said may come behind it.
    terminal.see_passing("the very last");
    terminal.see("the line as it was", |screen| screen.ends_with("nls> half a line"));
    let seen = String::from_utf8_lossy(&terminal.seen[start..]).into_owned();
    for sequence in seen.split('\u{1b}').skip(1) {
        assert!(is_own(sequence), "{:?}", sequence.chars().take(12).collect::<String>());
    }
    let raw = |c: char| {
        let control = c.is_control() && !matches!(c, '\n' | '\r' | '\u{1b}' | '\t');
        control || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = seen.chars().filter(|c| raw(*c)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A shell command that writes how the terminal is before and after `work`, which shows a prompt.
fn around(lab: &Lab, work: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    lab.dress(&mut command);
    command.env("NO_COLOR", "1").arg("-c");
    command.arg(format!("stty -g > before; {work}; stty -g > after; echo over"));
    command
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let quits = |terminal: &mut Terminal| terminal.keys("quit\r");
    // A child that changes the terminal and is killed; the prompt works on.
    let child = |terminal: &mut Terminal| {
        terminal.keys("!stty raw -echo; kill -9 $$\r");
        terminal.see("its end", |screen| screen.contains("signal: 9"));
        terminal.run("print still here", "\nstill here\n");
        terminal.keys("quit\r");
    };
    let killed = |terminal: &mut Terminal| terminal.keys("!kill -TERM $PPID\r");
    let cases: [&dyn Fn(&mut Terminal); 3] = [&quits, &child, &killed];
    for (name, end) in ["quit", "child", "term"].into_iter().zip(cases) {
        let lab = Lab::new();
        let mut terminal = Terminal::spawn(around(&lab, &format!("{PROGRAM} -n")));
        terminal.see("the prompt", |screen| screen.ends_with("nls>"));
        end(&mut terminal);
        terminal.see("the end", |screen| screen.contains("over"));
        let read = |file: &str| std::fs::read_to_string(lab.path(file)).unwrap();
        assert_eq!(read("before"), read("after"), "{name}");
        assert!(!read("before").is_empty());
    }
}

/// Not a test: the program that the next one runs.
#[test]
#[ignore = "it fails on purpose"]
fn a_program_that_panics_with_its_terminal_changed() {
    nls::output::keep_terminal();
    let sink = nls::output::Sink::start();
    let _code = nls::cli::protect(&sink, || {
        assert!(Command::new("stty").args(["raw", "-echo"]).status().unwrap().success());
        panic!("on purpose \u{1b}[2J");
    });
}

#[test]
fn an_error_in_the_program_leaves_the_terminal_as_it_was() {
    let lab = Lab::new();
    let program = std::env::current_exe().unwrap();
    let name = "prompt::output::a_program_that_panics_with_its_terminal_changed";
    let work = format!("{} --ignored --nocapture --exact {name}", program.display());
    let mut terminal = Terminal::spawn(around(&lab, &work));
    terminal.see("the end", |screen| screen.contains("over"));
    let text = terminal.text();
    assert!(text.contains("internal error (bug): panicked at") && text.contains("on purpose"), "{text}");
    assert!(!String::from_utf8_lossy(&terminal.seen).contains("\u{1b}[2J"));
    let read = |file: &str| std::fs::read_to_string(lab.path(file)).unwrap();
    assert_eq!(read("before"), read("after"));
}
