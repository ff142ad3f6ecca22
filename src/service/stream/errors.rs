//! The errors of media streaming.

use std::io;
use std::time::Duration;

use super::protocol::PARITY_LIMIT;
use crate::base::escape::escape_line;
use crate::report::{Failure, reason};
use crate::wire::Code;

// `stream`: what is asked for.

pub(crate) fn nothing_done_with_data() -> Failure {
    Failure::new(Code::Usage, "the data received would not be used")
        .fix("add `play`, or `to FILE` to keep it (`play none` only counts)")
}

pub(crate) fn live_and_kept() -> Failure {
    let why =
        "`live` and `to` exclude each other: `live` leaves out what comes too late, `to` keeps the whole";
    Failure::new(Code::Usage, why).fix("take one of them")
}

pub(crate) fn too_much_parity() -> Failure {
    Failure::new(Code::Usage, format!("`fec` is at most {PARITY_LIMIT}%")).fix(format!("fec {PARITY_LIMIT}%"))
}

// Players.

/// System commands are off.
pub(crate) fn player_not_allowed(text: &str, known: &[&str]) -> Failure {
    let why = format!("`{}` is not a known player, and system commands are off", escape_line(text));
    let fix = format!("take one of {} or browser, or leave out `--no-shell`", known.join(", "));
    Failure::new(Code::Policy, why).fix(fix)
}

pub(crate) fn player_not_found(names: &[&str], installed: &[&str]) -> Failure {
    let fix = match installed {
        [] => "install mpv, or name a command: play \"command {url}\"".to_owned(),
        installed => format!("installed: {}", installed.join(", ")),
    };
    Failure::new(Code::Player, format!("player not found: {}", names.join(", "))).fix(fix)
}

pub(crate) fn player_does_not_start(name: &str, error: &io::Error) -> Failure {
    Failure::new(Code::Player, format!("player {name} does not start: {}", reason(error)))
        .fix("name another with `play`")
}

pub(crate) fn player_idle(name: &str, limit: Duration) -> Failure {
    Failure::new(Code::Player, format!("player {name} asked for nothing for {} s", limit.as_secs()))
        .fix("name another with `play`")
}

/// `said`: the first line of what it wrote to its standard error.
pub(crate) fn player_failed(name: &str, status: &str, said: Option<&str>) -> Failure {
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    Failure::new(Code::Player, format!("player {name} ended with {status}{said}"))
        .fix("name another with `play`")
}

pub(crate) fn duration_unknown() -> Failure {
    Failure::new(Code::Player, "the duration of the file is unknown, and `play clock` needs it")
        .fix("name a player")
}

// The data.

pub(crate) fn hash_mismatch() -> Failure {
    Failure::new(Code::Integrity, "the received file does not match its hash and is not kept")
        .fix("stream it again")
}

pub(crate) fn stream_ended() -> Failure {
    Failure::new(Code::Broken, "the stream ended")
}

// Subtitles: a film is played without them.

pub(crate) fn subtitles_too_long() -> Failure {
    Failure::new(Code::Missing, "the subtitles are too long")
}

pub(crate) fn subtitles_damaged() -> Failure {
    Failure::new(Code::Integrity, "the subtitles differ from their hash")
}

// The peer breaks the protocol.

pub(crate) fn impossible_size() -> Failure {
    Failure::new(Code::Misbehaved, "the server declared an impossible file size")
}

pub(crate) fn too_many_gaps() -> Failure {
    Failure::new(Code::Misbehaved, "the server leaves too many gaps")
}

pub(crate) fn skipped_needlessly() -> Failure {
    Failure::new(Code::Misbehaved, "the server skipped data that must not be skipped")
}

pub(crate) fn requests_too_scattered() -> Failure {
    Failure::new(Code::Limit, "the viewer asks for too many separate parts")
}

/// A player closed its connection, as it does when it jumps.
pub(crate) fn player_left() -> Failure {
    Failure::new(Code::Broken, "the player closed the connection")
}
