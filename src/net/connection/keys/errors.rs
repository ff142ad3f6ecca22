//! Why a connection with a key is not made, or ends. What a client is told does not say which keys there are.

use crate::reliable::sealing::{KEY_NEEDED, KeyRefusal, NO_CODE_HERE, NO_KEY_HERE, WRONG_KEY};
use crate::report::Failure;
use crate::wire::Code;

// The client's side.

/// The server answered, and not with a handshake.
pub(in crate::net) fn server_has_no_key() -> Failure {
    Failure::new(Code::Key, "the server does not encrypt, and a key or a code was given")
        .fix("start it with `key NAME` or `code`, or leave it out here; nothing was sent")
}

/// The server's message does not open: it has another key, or somebody changed it.
pub(in crate::net) fn server_has_another_key() -> Failure {
    Failure::new(Code::Key, "the server does not have this key, or its answer was changed on the way")
        .fix("compare the fingerprints on both machines: key list")
}

/// The server closed instead of an answer.
pub(in crate::net) fn closed_at_handshake() -> Failure {
    Failure::new(Code::Key, "the server closed the connection at the handshake")
        .fix("compare the fingerprints on both machines: key list")
}

/// The server's part of an exchange of a code is none.
pub(in crate::net) fn exchange_changed() -> Failure {
    Failure::new(Code::Key, "the server's answer to the code makes no sense: it was changed on the way")
        .fix("run the command again; if it happens again, the path is not to be trusted")
}

// The server's side; the client is told the same words.

pub(in crate::net) fn key_needed() -> Failure {
    refused(KEY_NEEDED)
}

pub(in crate::net) fn no_key_here() -> Failure {
    refused(NO_KEY_HERE)
}

pub(in crate::net) fn wrong_key() -> Failure {
    refused(WRONG_KEY)
}

pub(in crate::net) fn no_code_here() -> Failure {
    refused(NO_CODE_HERE)
}

fn refused(KeyRefusal { why, fix }: KeyRefusal) -> Failure {
    Failure::new(Code::Key, why).fix(fix)
}

/// Many clients are being refused.
pub(in crate::net) fn dropped_without_words() -> Failure {
    Failure::new(Code::Key, "dropped: its key does not open the port, and many others wait to be told so")
}

/// For the log: the client comes again, with the key, if it was right.
pub(in crate::net) fn code_tried() -> Failure {
    Failure::new(Code::Key, "it tried the code, and is served if it was right")
}

/// Whoever plays back what another client sent comes so far.
pub(in crate::net) fn not_confirmed() -> Failure {
    Failure::new(Code::Key, "the client did not show that it has the key")
}

// An encrypted connection.

/// `received`: the bytes that came before.
pub(in crate::net) fn record_forged(received: u64) -> Failure {
    let why = format!(
        "after {received} bytes came data that was changed on the way, or is not from who has the key"
    );
    Failure::new(Code::Integrity, why)
        .fix("run the command again; if it happens again, the path is not to be trusted")
}

/// The stream ended without the record that ends it.
pub(in crate::net) fn cut_off(received: u64) -> Failure {
    let why = format!("the encrypted connection was cut off after {received} bytes, without its end");
    Failure::new(Code::Broken, why).fix("the other side may have been stopped; run the command again")
}

/// This program was built without encryption.
#[cfg(not(feature = "keys"))]
pub(in crate::net) fn no_keys_built_in() -> Failure {
    Failure::new(Code::Usage, "this nls was built without encryption").fix("build it with the feature `keys`")
}
