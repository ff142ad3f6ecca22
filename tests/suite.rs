//! Everything that needs the whole program: one binary, so that it links once.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)] // a test that fails is what they are for

mod architecture;
mod batch;
mod bottleneck;
mod diagnostics;
mod dialects;
mod examples;
mod faults;
mod folders;
mod foreign;
mod fuzzing;
mod golden;
mod harness;
mod keys;
mod manual;
mod middle;
mod next;
mod packets;
mod prompt;
mod resume;
mod runner;
mod secrets;
mod streaming;
mod transfers;
mod view;
