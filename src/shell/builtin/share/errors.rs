//! The errors of what is handed to others, side by side.

use crate::report::Failure;
use crate::shell::errors::{missing, usage};
use crate::wire::Code;

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

/// `usage`: what can follow the word.
pub(super) fn not_a_form(usage: &str) -> Failure {
    self::usage("these words do not belong together").fix(format!("write {usage}"))
}

pub(super) fn no_key_to_import() -> Failure {
    missing("nobody can be asked for the key here")
        .fix("name its file: key import NAME from FILE; or pipe it in, or set NLS_KEY")
}
