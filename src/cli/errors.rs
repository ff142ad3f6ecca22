//! All errors of the command line and of the runner of tests, side by side. What is wrong with an option is said by
//! `arguments`.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::report::{Failure, reason};
use crate::wire::Code;

// Nothing can run

pub(super) fn input_unreadable(error: &io::Error) -> Failure {
    Failure::new(Code::Missing, format!("standard input cannot be read: {}", reason(error)))
}

pub(super) fn file_missing(path: &Path) -> Failure {
    Failure::new(Code::Missing, format!("`{}` does not exist", path.display()))
}

pub(super) fn invalid_filter(filter: &str, error: &dyn Display) -> Failure {
    Failure::new(Code::Missing, format!("--filter {filter}: {error}"))
}

pub(super) fn no_tests() -> Failure {
    Failure::new(Code::Missing, "no tests found")
}

// A report on tests

pub(super) fn two_reports_on_output() -> Failure {
    Failure::new(Code::Missing, "only one report can go to standard output")
        .fix("give the others a file: --report FORMAT=FILE")
}

pub(super) fn report_without_folder(file: &Path) -> Failure {
    unwritable(file, "its folder does not exist").fix("create it")
}

pub(super) fn report_unwritable(file: &Path, error: &io::Error) -> Failure {
    unwritable(file, &reason(error))
}

fn unwritable(file: &Path, why: &str) -> Failure {
    Failure::new(Code::Missing, format!("the report `{}` cannot be written: {why}", file.display()))
}

// A test that fails, whatever its statements do

/// Such a test could never fail.
pub(super) fn test_without_statements() -> Failure {
    Failure::new(Code::Expectation, "the test has no statements")
        .fix("write what it checks, or `skip \"why\"`")
}

pub(super) fn test_aborted() -> Failure {
    Failure::new(Code::Timeout, "the test exceeded its time limit and was aborted")
}

/// `after`: how long sessions had time to close.
pub(super) fn session_leaked(label: &str, after: Duration) -> Failure {
    let why = format!("leak: {label} is still open {} s after the end of the test", after.as_secs());
    Failure::new(Code::Internal, why)
}

pub(super) fn test_panicked(error: &dyn Display) -> Failure {
    Failure::new(Code::Internal, format!("internal error (bug): {error}")).fix("please report this")
}
