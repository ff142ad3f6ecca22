//! A transfer says what held it up, also where that is a disk: `strace` makes one slow, of the one end or of the other.

use std::process::Command;

use crate::harness::{Lab, Running, has};

const NLS: &str = env!("CARGO_BIN_EXE_nls");

/// The program, with each such system call delayed by 20 ms.
fn with_slow(lab: &Lab, call: &str, script: &str) -> Running {
    let mut command = Command::new("strace");
    lab.dress(&mut command);
    // `-D`: the tracer is the child, so that what is started, and ended, is the program itself.
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:delay_enter=20000"));
    command.args([
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
        NLS,
        "-q",
        "-c",
        script,
    ]);
    Running::of(command.spawn().unwrap())
}

const SERVER: &str = "listen tcp 0 ftp root root as files; print $files.port; wait";

#[test]
fn a_slow_disk_of_the_receiver_is_named_by_the_sender() {
    if !has("strace") {
        return;
    }
    let lab = Lab::new();
    lab.random("large.bin", 8 << 20, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let mut server = with_slow(&lab, "pwrite64", SERVER);
    let port = server.line();
    let script = format!("send large.bin to localhost:{port} fast as up; print $up.limited_by");
    let run = lab.run(&["-q", "-c", &script]).success();
    assert_eq!(run.out, "the receiver's disk\n");
}

#[test]
fn a_slow_disk_of_the_sender_is_named_by_the_receiver() {
    if !has("strace") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/large.bin", 8 << 20, 1);
    let mut server = with_slow(&lab, "pread64", SERVER);
    let port = server.line();
    let script = format!("get large.bin from localhost:{port} fast as up; print $up.limited_by");
    let run = lab.run(&["-q", "-c", &script]).success();
    assert_eq!(run.out, "the sender's disk\n");
}
