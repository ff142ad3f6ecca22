//! The errors that several folders of the shell share, and those of names and files, side by side.

use std::time::Duration;

use crate::base::{Transport, escape, quantity};
use crate::language::kind::Mismatch;
use crate::language::{Kind, SessionRef};
use crate::report::{Failure, reason};
use crate::wire::Code;

// Names and their values

pub(super) fn unbound_name(name: &str) -> Failure {
    missing(format!("nothing is called `{name}`")).fix("bind it with `let` or `as`")
}

pub(super) fn no_fields(name: &str) -> Failure {
    missing("it is a single value and has no fields").fix(format!("write ${name}"))
}

pub(super) fn field_missing(fields: &[&str]) -> Failure {
    missing(format!("it has no such field now; it has {}", fields.join(", ")))
}

pub(super) fn empty_record() -> Failure {
    missing("it has no value")
}

/// `$tmp`.
pub(super) fn no_temporary_folder(error: &std::io::Error) -> Failure {
    let home = std::env::temp_dir();
    let what = format!("cannot make a folder in {}", escape::escape_line(&home.to_string_lossy()));
    Failure { why: format!("{what}: {}", reason(error)), ..Failure::io(error, "$tmp") }
        .fix("set TMPDIR to a folder that you may write to")
}

pub(super) fn variable_not_named() -> Failure {
    missing("no variable of the environment is named").fix("write $env.NAME")
}

pub(super) fn variable_not_set(name: &str) -> Failure {
    missing(format!("the environment has no {name}")).fix(format!("set it before: {name}=… nls …"))
}

/// A value that was not known before the command ran.
pub(super) fn argument_mismatch(mismatch: Mismatch, kind: Kind) -> Failure {
    let fix = match mismatch.fix {
        Some(fix) => format!("try {fix}"),
        None => format!("expected {}", kind.describe()),
    };
    usage(mismatch.why).fix(fix)
}

/// The same for a value with a secret: no part of it is repeated.
pub(super) fn secret_mismatch(kind: Kind) -> Failure {
    usage("its secret value does not fit here").fix(format!("expected {}", kind.describe()))
}

/// `why` and `suggestion`: what the parser of addresses says.
pub(super) fn invalid_address(why: String, suggestion: Option<String>) -> Failure {
    let failure = usage(why);
    match suggestion {
        Some(suggestion) => failure.fix(format!("try {suggestion}")),
        None => failure,
    }
}

// Sessions

pub(super) fn session_missing(session: &SessionRef) -> Failure {
    let name = match session {
        SessionRef::Id(id) => format!("%{id}"),
        SessionRef::Name(name) => format!("`{name}`"),
        SessionRef::All => "`all`".into(),
    };
    missing(format!("there is no session {name}")).fix("`sessions` shows them")
}

pub(super) fn all_is_no_session() -> Failure {
    usage("one session must be named here, not `all`").fix("`sessions` shows them")
}

pub(super) fn session_ended(label: &str) -> Failure {
    missing(format!("{label} has ended")).fix(format!("`log {label}` shows what happened"))
}

pub(super) fn server_ended(label: &str) -> Failure {
    missing(format!("{label} has ended")).fix(NAME_A_SERVER)
}

pub(super) fn not_a_server(label: &str) -> Failure {
    missing(format!("{label} is not a server")).fix(NAME_A_SERVER)
}

const NAME_A_SERVER: &str = "name a server that `sessions` shows as listening";

/// `word`: the argument of `verb` that names a server of the service.
pub(super) fn no_server_known(service: &str, transport: Transport, verb: &str, word: &str) -> Failure {
    missing(format!("no {service} server is known here"))
        .fix(format!("start one: listen {transport} 0 {service}, or name one: {verb} … {word} host:9000"))
}

pub(super) fn no_background_job() -> Failure {
    missing("nothing works in the background").fix("`sessions` lists what is there")
}

pub(super) fn only_at_the_prompt() -> Failure {
    usage("it works only at the prompt").fix("in a script use `say` and `expect … says`")
}

/// `near`: a verb that was probably meant.
pub(super) fn topic_missing(topic: &str, near: Option<&str>) -> Failure {
    let failure = missing(format!("nothing is called `{}`", escape::escape_line(topic)));
    match near {
        Some(near) => failure.fix(format!("did you mean {near}?")),
        None => failure.fix("`help` lists the commands"),
    }
}

// Files, folders and recordings

pub(super) fn pattern_matches_nothing(pattern: &str) -> Failure {
    missing(format!("no file matches `{pattern}`")).fix("quote it if it is a name")
}

pub(super) fn pattern_ambiguous(pattern: &str, matches: usize) -> Failure {
    usage(format!("`{pattern}` matches {matches} files")).fix("name one of them")
}

pub(super) fn no_previous_folder() -> Failure {
    missing("there was no other folder before this one").fix("name one: cd PATH")
}

pub(super) fn no_home() -> Failure {
    missing("no home is known").fix("name a folder: cd PATH")
}

pub(super) fn recording_exists(file: &str) -> Failure {
    Failure::new(Code::Exists, format!("`{file}` exists")).fix("choose another name")
}

pub(super) fn already_recording() -> Failure {
    usage("another recording is going on").fix("`record` ends it")
}

pub(super) fn not_recording() -> Failure {
    usage("nothing is being recorded").fix("record FILE begins")
}

// `wait`

pub(super) fn wait_timed_out(label: &str, state: &str, limit: Duration) -> Failure {
    let why = format!("{label} is {state} after {}", quantity::show_duration(limit));
    Failure::new(Code::Timeout, why)
}

pub(super) fn state_never_reached(label: &str, state: &str, wanted: &str) -> Failure {
    Failure::new(Code::Expectation, format!("{label} ended as {state} and never was {wanted}"))
}

// Statements, packets and links

pub(super) fn interrupted() -> Failure {
    Failure::new(Code::Cancelled, "interrupted")
}

pub(super) fn invalid_filter(why: &str) -> Failure {
    Failure::new(Code::Usage, why)
}

pub(super) fn no_link(label: &str) -> Failure {
    usage(format!("{label} is no link")).fix("start one: link udp 0 to HOST:PORT")
}

pub(super) fn missing(why: impl Into<String>) -> Failure {
    Failure::new(Code::Missing, why)
}

pub(super) fn usage(why: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, why)
}
