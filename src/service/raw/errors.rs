//! The errors of raw sessions: what a replay can meet.

use std::fmt;

use crate::base::escape::excerpt;
use crate::base::pattern::to_hex;
use crate::report::Failure;
use crate::wire::Code;

/// Bytes and characters that a message shows.
const SHOWN: usize = 60;

/// A place in a recording.
pub(super) struct BadLine {
    pub(super) file: String,
    /// From 1.
    pub(super) line: usize,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

// The file.

pub(super) fn bad_recording(place: &BadLine, why: &str) -> Failure {
    Failure::new(Code::Usage, format!("{place}: {why}"))
}

pub(super) fn nothing_to_replay(file: &str) -> Failure {
    Failure::new(Code::Usage, format!("{file} holds no conversation"))
        .fix("`record FILE`, then `connect` and `say`, and `record` again make one")
}

pub(super) fn mixed_carriers(file: &str) -> Failure {
    let why = format!("{file} holds conversations over different carriers; one server plays one of them");
    Failure::new(Code::Usage, why).fix("put each into a file of its own")
}

/// `server`: the side that is played.
pub(super) fn option_of_other_side(server: bool) -> Failure {
    let why = if server { "`to` is for `as client`" } else { "`port` is for `as server`" };
    Failure::new(Code::Usage, why).fix(if server {
        "a server takes `port N`"
    } else {
        "a client takes `to ENDPOINT`"
    })
}

pub(super) fn address_unknown(line: &str) -> Failure {
    Failure::new(Code::Usage, format!("where `{line}` went is not known any more"))
        .fix("`to ENDPOINT` says where the server is now")
}

pub(super) fn no_sample() -> Failure {
    Failure::new(Code::Usage, "no text of a usual length matches the pattern")
        .fix("write what the server said as text")
}

pub(super) fn pattern_refused(why: &str) -> Failure {
    Failure::new(Code::Usage, why)
}

// The conversation.

/// What a failure is about.
pub(super) fn turn_of(line: usize) -> String {
    format!("line {line} of the recording")
}

pub(super) fn said_otherwise(came: &[u8], wanted: &[u8]) -> Failure {
    let differs = came.iter().zip(wanted).take_while(|(is, want)| is == want).count();
    let place = if differs < came.len().min(wanted.len()) {
        format!("; they differ at byte {differs}")
    } else {
        String::new()
    };
    Failure::new(
        Code::Expectation,
        format!("`{}` was recorded, {}{place}", excerpt(wanted, SHOWN), but_came(came)),
    )
}

pub(super) fn not_like(pattern: &str, came: &[u8]) -> Failure {
    let pattern = excerpt(pattern.as_bytes(), SHOWN);
    Failure::new(Code::Expectation, format!("something like `{pattern}` was recorded, {}", but_came(came)))
}

pub(super) fn did_not_end(came: &[u8]) -> Failure {
    Failure::new(Code::Expectation, format!("the end was recorded, {}", but_came(came)))
}

pub(super) fn more_than_recorded(came: &[u8]) -> Failure {
    Failure::new(Code::Expectation, format!("nothing more was recorded, {}", but_came(came)))
}

fn but_came(came: &[u8]) -> String {
    if came.is_empty() {
        return "but nothing more came".into();
    }
    let hex = to_hex(&came[..came.len().min(16)]);
    let more = if came.len() > 16 { " …" } else { "" };
    format!("but `{}` came (hex {hex}{more})", excerpt(came, SHOWN))
}
