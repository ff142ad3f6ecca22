//! Clients that do not have nls, as they are, each in its own protocol.

mod browser;
mod ftp;
mod hostile;
mod http;
mod one_port;
mod pages;
mod rooms;
mod rows;
mod tftp;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::{LIMIT, Lab};

/// Runs a program to its end.
fn run(lab: &Lab, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    lab.dress(&mut command);
    command.current_dir(lab.folder.path()).args(arguments).output().unwrap()
}

/// What it printed, if it succeeded.
#[track_caller]
fn prints(lab: &Lab, program: &str, arguments: &[&str]) -> String {
    let output = run(lab, program, arguments);
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sends these bytes, and reads until the server closes.
fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The server may close before it has read all that it refuses.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The answer on a connection that a browser has kept in reserve for longer than others wait to be greeted.
fn answer_in_reserve(address: &str, ask: &str) -> String {
    let mut reserve = TcpStream::connect(address).unwrap();
    reserve.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    let early = reserve.read(&mut [0; 64]);
    assert!(early.is_err(), "it was not greeted: {early:?}");
    reserve.set_read_timeout(Some(LIMIT)).unwrap();
    reserve.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    reserve.read_to_string(&mut answer).unwrap();
    answer
}

/// The status of an answer; 0 if there is none.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}
