//! The errors of scripts, statements and expectations, side by side.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::base::{Dimension, Value, escape, quantity, secrets};
use crate::language::script::Comparison;
use crate::report::{Failure, reason};
use crate::session::Session;
use crate::shell::errors::{missing, usage};
use crate::wire::Code;

// Reading a script (row 90)

/// The word in the first place of the command line may be a misspelt command.
pub(super) fn script_unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let failure = missing(format!("`{}` cannot be read: {}", path.display(), reason(error)));
    // The first word of the command line may be a misspelt command.
    let word = path.to_str().filter(|word| !word.contains(['/', '.']));
    let verbs = super::catalogue::entries().map(|entry| entry.verb().name);
    match word.and_then(|word| crate::language::diagnostic::nearest(word, verbs)) {
        Some(verb) => failure.fix(format!("did you mean `nls {verb} …`?")),
        None if error.kind() == std::io::ErrorKind::NotFound => {
            failure.fix("check its path; it is relative to the file that names it, or to this folder")
        }
        None => failure,
    }
}

pub(super) fn script_is_a_folder(path: &Path) -> Failure {
    missing(format!("`{}` is a folder, not a script", path.display()))
}

pub(super) fn script_too_large(path: &Path, limit: u64) -> Failure {
    missing(format!("`{}` is larger than {limit} bytes", path.display()))
}

pub(super) fn text_is_utf_16() -> Failure {
    missing("the text is UTF-16").fix("save it as UTF-8")
}

pub(super) fn text_not_utf_8(line: usize) -> Failure {
    missing(format!("line {line} is not UTF-8"))
}

// Running a statement

pub(super) fn time_limit_exceeded(limit: Duration) -> Failure {
    let why = format!("the time limit of {} is over", quantity::show_duration(limit));
    Failure::new(Code::Timeout, why).fix(SET_ANOTHER_LIMIT)
}

/// A job that the end of the script waited for.
pub(super) fn job_outlived_the_limit() -> Failure {
    Failure::new(Code::Timeout, "it was still running when the time limit expired").fix(SET_ANOTHER_LIMIT)
}

const SET_ANOTHER_LIMIT: &str = "set another with `timeout D`";

/// `fg` of a server.
pub(super) fn server_in_background(session: &Session) -> Failure {
    let label = session.label();
    usage(format!("{label} is a server, and stays in the background"))
        .fix(format!("`attach {label}` shows what happens in it, `stop {label}` ends it"))
}

pub(super) fn secret_too_short() -> Failure {
    missing(format!("a secret of fewer than {} characters cannot be hidden", secrets::LEAST))
        .fix("set a longer one")
}

pub(super) fn system_commands_off() -> Failure {
    Failure::new(Code::Policy, "commands of the system are off").fix("leave out `--no-shell`")
}

pub(super) fn too_many_in_background(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("{limit} commands of the system run in the background already"))
        .fix("wait for some, or end some")
}

pub(super) fn system_command_failed(status: ExitStatus) -> Failure {
    Failure::new(Code::Other, format!("ended with {status}"))
}

/// Adds a way on to a path of this machine that is not there, if nobody knew a better one.
pub(super) fn with_where_to_look(failure: Failure) -> Failure {
    let is_path = failure.code == Code::Missing && failure.why == reason(&rustix::io::Errno::NOENT.into());
    if !is_path || failure.fix.is_some() || failure.told {
        return failure;
    }
    failure.fix("check the path: `pwd` says where you are, `!ls` what is there")
}

/// Statements behind it would count as passed.
pub(super) fn quit_before_the_end() -> Failure {
    Failure::new(Code::Other, "`quit` would pass the rest of the test without running it")
        .fix("end it with `skip \"why\"`, or remove what follows")
}

// Expectations

/// Characters of what came that a failure shows.
const TEXT_SHOWN: usize = 160;
/// … and bytes in hexadecimal.
const HEX_SHOWN: usize = 32;

/// `condition`: as it was written.
pub(super) fn condition_unmet(condition: &str, value: &Value) -> Failure {
    unmet(format!("expected {condition}, but it is `{value}`"))
}

/// `heard`: the lines that the session said since the last match.
pub(super) fn not_said(condition: &str, heard: &[String]) -> Failure {
    unmet(match heard {
        [] => format!("expected {condition}, but it said nothing more"),
        lines => format!("expected {condition}, but it said `{}`", lines.join("`, `")),
    })
}

pub(super) fn not_traced(condition: &str, negated: bool, events: usize, session: &str) -> Failure {
    let found = if negated { "one" } else { "none" };
    unmet(format!("expected {condition}, but {found} of {events} events in its record is so"))
        .fix(format!("`trace {session}` shows them"))
}

pub(super) fn error_expected() -> Failure {
    unmet("expected an error, but it succeeded")
}

/// An empty text is in every reason.
pub(super) fn any_error_expected() -> Failure {
    usage("an empty text fits every error")
        .fix("`expect error: …` expects any, `expect error \"TEXT\": …` one")
}

pub(super) fn error_of_another_kind(wanted: &str, actual: &Failure) -> Failure {
    unmet(format!("expected an error of the kind {wanted} (this is {}), but it was: {actual}", actual.code))
}

pub(super) fn error_for_another_reason(wanted: &str, actual: &Failure) -> Failure {
    unmet(format!("expected an error whose reason contains `{wanted}`, but it was: {actual}"))
}

pub(super) fn file_exists(path: &Path) -> Failure {
    unmet(format!("expected that `{}` does not exist, but it does", path.display()))
}

pub(super) fn file_missing(path: &Path, error: &std::io::Error) -> Failure {
    unmet(format!("expected that `{}` exists, but: {}", path.display(), reason(error)))
}

pub(super) fn files_equal(path: &Path, other: &Path) -> Failure {
    unmet(format!("expected that `{}` is not the same as `{}`, but it is", path.display(), other.display()))
}

/// `at`: the first byte that differs.
pub(super) fn files_differ(path: &Path, other: &Path, at: u64) -> Failure {
    unmet(format!(
        "`{}` is not the same as `{}`: they differ from byte {at} on",
        path.display(),
        other.display()
    ))
}

pub(super) fn file_contains(path: &Path, text: &str) -> Failure {
    unmet(format!("expected that `{}` does not contain `{text}`, but it does", path.display()))
}

pub(super) fn file_lacks(path: &Path, text: &str) -> Failure {
    unmet(format!("expected that `{}` contains `{text}`, but it does not", path.display()))
}

/// `came`: what was not consumed; `differs`: where it begins to differ, if that is known.
pub(super) fn bytes_not_received(condition: &str, came: &[u8], differs: &str) -> Failure {
    if came.is_empty() {
        return unmet(format!("expected {condition}, but nothing more came"));
    }
    let hex = crate::base::pattern::to_hex(&came[..came.len().min(HEX_SHOWN)]);
    let more = if came.len() > HEX_SHOWN { " …" } else { "" };
    let text = escape::excerpt(came, TEXT_SHOWN);
    unmet(format!("expected {condition}, but `{text}` came (hex {hex}{more}){differs}"))
}

pub(super) fn said(condition: &str) -> Failure {
    unmet(format!("expected {condition}, but it came"))
}

pub(super) fn not_ended(condition: &str, state: &str) -> Failure {
    unmet(format!("expected {condition}, but it is {state}"))
}

pub(super) fn not_silent(label: &str, after: Duration, came: &[u8]) -> Failure {
    let (after, text) = (quantity::show_duration(after), escape::excerpt(came, TEXT_SHOWN));
    unmet(format!("expected silence of {label}, but after {after} `{text}` came"))
}

pub(super) fn stayed_silent(label: &str, time: Duration) -> Failure {
    unmet(format!("expected something from {label}, but nothing came for {}", quantity::show_duration(time)))
}

/// A line below a failure.
pub(super) fn forgotten(bytes: u64) -> String {
    format!("  {bytes} bytes had come before and are forgotten: a session keeps the newest MiB")
}

// `on`

/// `on` of a session whose service answers by itself.
pub(super) fn never_reacts(session: &Session) -> Failure {
    let why = format!("{} is {}, and handlers react to raw sessions only", session.label(), session.kind);
    usage(why).fix(
        "`listen … raw` and `connect` start raw sessions; of others, `expect X says` waits for a message",
    )
}

pub(super) fn handler_refused(why: &str) -> Failure {
    usage(why).fix("`off X` removes the handlers of a session")
}

// Expectations that cannot be checked

pub(super) fn not_a_condition(written: &str, value: &Value) -> Failure {
    usage(format!("`{written}` is `{value}`, which is not a condition")).fix("compare it with a value")
}

pub(super) fn not_a_conversation() -> Failure {
    usage("`says` looks at what a session received").fix("write expect $session says \"text\"")
}

pub(super) fn not_comparable(comparison: Comparison, left: Dimension, right: Dimension) -> Failure {
    usage(comparison.mismatch(left, right))
}

pub(super) fn invalid_pattern(pattern: &Value, error: &dyn Display) -> Failure {
    usage(format!("`{pattern}` is not a pattern: {error}"))
}

// An error in this program

pub(super) fn command_unanswered() -> Failure {
    Failure::new(Code::Internal, "a command was not answered; this is an error in nls")
}

pub(super) fn command_unknown(verb: &str) -> Failure {
    Failure::new(Code::Internal, format!("nothing runs `{verb}`"))
}

fn unmet(why: impl Into<String>) -> Failure {
    Failure::new(Code::Expectation, why)
}
