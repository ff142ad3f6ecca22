//! The errors of keys. None of them shows what was read.

use std::path::Path;

use crate::base::escape::escape_line;
use crate::base::secrets::key::{BadKey, NAME_LIMIT};
use crate::report::Failure;
use crate::wire::Code;

// Where keys are kept.

pub(crate) fn folder_unknown() -> Failure {
    Failure::new(Code::Missing, "no folder for keys is known")
        .fix("set HOME, or name the folder: NLS_KEYS=… nls …")
}

pub(crate) fn folder_is_open(path: &Path) -> Failure {
    let why = format!("others can put keys into the folder {}", path.display());
    Failure::new(Code::Policy, why).fix(format!("chmod 700 '{}'", path.display()))
}

pub(crate) fn folder_of_another(path: &Path) -> Failure {
    Failure::new(Code::Policy, format!("the folder {} belongs to another user", path.display()))
        .fix("name another folder: NLS_KEYS=… nls …")
}

pub(crate) fn not_a_key_name(text: &str) -> Failure {
    let why = format!("`{}` cannot be the name of a key", escape_line(text));
    Failure::new(Code::Usage, why).fix(format!("take letters, digits, - and _, at most {NAME_LIMIT}"))
}

/// A word in place of a name may be a password: the same message tells what to do then.
pub(crate) fn key_missing(name: &str) -> Failure {
    let why = format!("no key is called `{name}`; a key is made or imported, and a password cannot be one");
    Failure::new(Code::Missing, why)
        .fix(format!("`key list` shows those that are kept, `key new {name}` makes one"))
}

pub(crate) fn key_exists(path: &Path) -> Failure {
    Failure::new(Code::Exists, format!("{} exists, and a key is never replaced", path.display()))
        .fix("take another name, or `key forget` the one that is there")
}

// What is in a file.

pub(crate) fn not_a_plain_file(path: &Path) -> Failure {
    Failure::new(Code::Policy, format!("{} is no plain file", path.display()))
        .fix("name the file with the key")
}

/// `mode`: the permission bits.
pub(crate) fn readable_by_others(path: &Path, mode: u32) -> Failure {
    let why = format!("others can read or change {}: its mode is {mode:03o}", path.display());
    Failure::new(Code::Policy, why).fix(format!(
        "if nobody else has read it: chmod 600 '{}'; else make another, with `key new`",
        path.display()
    ))
}

pub(crate) fn of_another_user(path: &Path) -> Failure {
    Failure::new(Code::Policy, format!("{} belongs to another user", path.display()))
        .fix("`key import NAME from FILE` makes it yours")
}

pub(crate) fn no_key_in(bad: &BadKey) -> Failure {
    Failure::new(Code::Usage, bad.why()).fix(bad.fix())
}

// Several keys.

pub(crate) fn named_twice(name: &str) -> Failure {
    Failure::new(Code::Usage, format!("two of the keys are called `{name}`"))
        .fix("give each once, and each a name of its own")
}

pub(crate) fn same_key(one: &str, other: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{one}` and `{other}` are the same key")).fix("give it once")
}

pub(crate) fn too_many_keys(count: usize, limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("{count} keys are given, and {limit} are the most"))
        .fix("serve the others at another port")
}

// Codes.

pub(crate) fn key_and_code() -> Failure {
    Failure::new(Code::Usage, "a key and a code are given, and one opens the port")
        .fix("leave one of them out")
}

/// The exchange went well, and the server does not know the key that came of it.
pub(crate) fn wrong_code() -> Failure {
    let why = "this code does not open the port: it was mistyped, or somebody else had it first";
    Failure::new(Code::Key, why).fix(
        "compare it with what the server shows; after three tries, ask for a new one: `set NAME code` there",
    )
}

/// The key that came of the code opened connections before.
pub(crate) fn code_over() -> Failure {
    let why = "this code does not open the port any more: its key was revoked, or this is another server";
    Failure::new(Code::Key, why).fix("ask for a new one; the server makes it with `set NAME code`")
}

/// Who came with the key is cut off.
pub(crate) fn key_revoked() -> Failure {
    Failure::new(Code::Key, "the key does not open this port any more")
}

/// No client more can have a key or a code.
pub(crate) fn port_full() -> Failure {
    let why = "the port has as many keys as it can have; a client that had a code has one of them";
    Failure::new(Code::Limit, why).fix("`set NAME revoke KEY` makes room; NAME.key shows which there are")
}
