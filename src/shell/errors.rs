//! All errors of the shell, side by side.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::base::quantity::BadQuantity;
use crate::base::{Dimension, Transport, Value, escape, quantity, secrets};
use crate::language::kind::Mismatch;
use crate::language::script::Comparison;
use crate::language::{Kind, SessionRef};
use crate::report::{Failure, reason};
use crate::session::Session;
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

pub(super) fn secret_too_short() -> Failure {
    missing(format!("a secret of fewer than {} characters cannot be hidden", secrets::LEAST))
        .fix("set a longer one")
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

/// Characters of what came that a failure shows.
const TEXT_SHOWN: usize = 160;
/// … and bytes in hexadecimal.
const HEX_SHOWN: usize = 32;
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

// Settings and help

pub(super) fn setting_without_value() -> Failure {
    usage("a setting is `on` or `off`")
}

pub(super) fn no_limit_given() -> Failure {
    usage("a session takes `rate RATE` or `unlimited`")
}

pub(super) fn no_impairment_given() -> Failure {
    usage("a link takes the words of `link`, as `loss 5%`")
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

/// `fg` of a server.
pub(super) fn server_in_background(session: &Session) -> Failure {
    let label = session.label();
    usage(format!("{label} is a server, and stays in the background"))
        .fix(format!("`attach {label}` shows what happens in it, `stop {label}` ends it"))
}

pub(super) fn not_recording() -> Failure {
    usage("nothing is being recorded").fix("record FILE begins")
}

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

pub(super) fn interrupted() -> Failure {
    Failure::new(Code::Cancelled, "interrupted")
}

pub(super) fn time_limit_exceeded(limit: Duration) -> Failure {
    let why = format!("the time limit of {} is over", quantity::show_duration(limit));
    Failure::new(Code::Timeout, why).fix(SET_ANOTHER_LIMIT)
}

/// A job that the end of the script waited for.
pub(super) fn job_outlived_the_limit() -> Failure {
    Failure::new(Code::Timeout, "it was still running when the time limit expired").fix(SET_ANOTHER_LIMIT)
}

const SET_ANOTHER_LIMIT: &str = "set another with `timeout D`";

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

// `wait`

pub(super) fn wait_timed_out(label: &str, state: &str, limit: Duration) -> Failure {
    let why = format!("{label} is {state} after {}", quantity::show_duration(limit));
    Failure::new(Code::Timeout, why)
}

pub(super) fn state_never_reached(label: &str, state: &str, wanted: &str) -> Failure {
    unmet(format!("{label} ended as {state} and never was {wanted}"))
}

// An error in this program

pub(super) fn command_unanswered() -> Failure {
    Failure::new(Code::Internal, "a command was not answered; this is an error in nls")
}

pub(super) fn command_unknown(verb: &str) -> Failure {
    Failure::new(Code::Internal, format!("nothing runs `{verb}`"))
}

fn missing(why: impl Into<String>) -> Failure {
    Failure::new(Code::Missing, why)
}

fn usage(why: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, why)
}

fn unmet(why: impl Into<String>) -> Failure {
    Failure::new(Code::Expectation, why)
}

// Packets.

pub(super) fn invalid_filter(why: &str) -> Failure {
    Failure::new(Code::Usage, why)
}

pub(super) fn not_traced(condition: &str, negated: bool, events: usize, session: &str) -> Failure {
    let found = if negated { "one" } else { "none" };
    unmet(format!("expected {condition}, but {found} of {events} events in its record is so"))
        .fix(format!("`trace {session}` shows them"))
}

pub(super) fn link_without_key(link: &str) -> Failure {
    usage(format!("the link {link} has no key: what is encrypted passes it as it is"))
        .fix("leave out `plain`, or capture a session at its ends")
}

/// It has no addresses that headers could be made of.
pub(super) fn capture_of_unix(session: &str) -> Failure {
    usage(format!("{session} has a Unix socket, and Wireshark knows packets of networks"))
        .fix("write down what passes with `to PATH` when it begins")
}

pub(super) fn capture_of_tls(session: &str) -> Failure {
    usage(format!("{session} is over TLS, whose records this program does not see")).fix(
        "add `plain` for what is inside, readable by all who read the file, or capture a link in front of it",
    )
}

pub(super) fn captured_already(session: &str) -> Failure {
    Failure::new(Code::Exists, format!("{session} is captured already")).fix("`sessions` shows the capture")
}

/// `known`: the endings that would do.
pub(super) fn picture_of_unknown_kind(path: &str, known: &str) -> Failure {
    Failure::new(Code::Usage, format!("{path} has no ending that says what picture it is to be"))
        .fix(format!("end it in {known}"))
}

pub(super) fn not_a_packet_number(text: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{text}` is not the number of a packet"))
        .fix("write #17, as `trace` shows it")
}

pub(super) fn packet_missing(number: u64, session: &str) -> Failure {
    Failure::new(Code::Missing, format!("{session} sent no packet #{number} that its record still has"))
        .fix(format!("`trace {session} where out` lists them"))
}

// Codes of `qr`.

/// `limit`: the bytes that a code holds.
pub(super) fn text_too_long_for_a_code(bytes: usize, limit: usize) -> Failure {
    usage(format!("the text has {bytes} bytes, and a QR code holds {limit}")).fix("use a shorter one")
}

pub(super) fn text_empty() -> Failure {
    usage("the text is empty").fix("write qr X, or qr \"TEXT\"")
}

pub(super) fn secret_in_code() -> Failure {
    let why = "the text contains a secret, which is not shown, and no code of it either";
    Failure::new(Code::Policy, why).fix("leave the secret out")
}

/// It listens on a Unix socket.
pub(super) fn reached_by_a_path(label: &str) -> Failure {
    usage(format!("{label} listens on a file, which only this machine reaches"))
        .fix("listen over tcp: listen tcp 0 … on any")
}

// `key`, and the keys of a port.

pub(super) fn port_without_keys(label: &str) -> Failure {
    usage(format!("{label} is no port with keys")).fix("start it with one: listen … key NAME")
}

pub(super) fn link_without_code(label: &str) -> Failure {
    usage(format!("{label} is a link, which has no code")).fix("make it at the server: set NAME code")
}

/// `names`: those that open it.
pub(super) fn key_not_at_port(name: &str, names: &str) -> Failure {
    let these = if names.is_empty() { "none does".to_owned() } else { format!("these do: {names}") };
    usage(format!("no key called `{name}` opens it; {these}"))
}

/// `usage`: what can follow the word.
pub(super) fn not_a_form(usage: &str) -> Failure {
    self::usage("these words do not belong together").fix(format!("write {usage}"))
}

pub(super) fn no_key_to_import() -> Failure {
    missing("nobody can be asked for the key here")
        .fix("name its file: key import NAME from FILE; or pipe it in, or set NLS_KEY")
}

// The page of `view`.

pub(super) fn view_in_the_network(address: &str) -> Failure {
    Failure::new(
        Code::Usage,
        format!("the page is on this machine only, not on {address}: in the network it would need a key"),
    )
    .fix("leave `on` out; `ssh -L` brings the port to another machine")
}

pub(super) fn page_session_missing(id: u64) -> Failure {
    missing(format!("there is no session %{id} any more"))
}

pub(super) fn no_link(label: &str) -> Failure {
    usage(format!("{label} is no link")).fix("start one: link udp 0 to HOST:PORT")
}

pub(super) fn packet_does_not_wait(number: u64, label: &str) -> Failure {
    missing(format!("no packet #{number} waits in {label}"))
        .fix("`hold` it before it comes; `trace` of its sender tells its number")
}

/// Only a program that is not the page gets this.
pub(super) fn page_unreadable() -> Failure {
    usage("this is not what the page sends").fix("send {\"session\": 3, \"loss\": \"5%\"}")
}

pub(super) fn page_quantity(name: &str, bad: BadQuantity) -> Failure {
    let failure = usage(format!("{name}: {}", bad.why));
    match bad.fix {
        Some(fix) => failure.fix(format!("try {fix}")),
        None => failure,
    }
}
