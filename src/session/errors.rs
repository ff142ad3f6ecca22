//! All errors of sessions, side by side.

use crate::report::Failure;
use crate::wire::Code;

// Starting a session

pub(super) fn too_many_sessions(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("{limit} sessions are running already"))
        .fix("wait for some, or stop some")
}

// Speaking to a session

pub(super) fn session_ended(label: &str) -> Failure {
    Failure::new(Code::Broken, format!("{label} has ended")).fix(format!("`log {label}` shows what happened"))
}

pub(super) fn no_conversation(label: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("{label} does not accept `say`"))
        .fix("`say` is for a chat or a raw session; `sessions` shows what each one is")
}

// An error in this program

/// `id`: the same for the same message of the panic.
pub(super) fn task_panicked(id: &str) -> Failure {
    Failure::new(Code::Internal, format!("internal error (bug) {id}"))
        .fix("the other sessions keep running; please report this")
}

/// A chat was given bytes.
pub(super) fn only_lines(label: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("{label} takes lines of text only"))
        .fix("`connect` makes a session that takes any bytes")
}
