//! The errors of what changes how things run, side by side.

use crate::report::Failure;
use crate::shell::errors::{missing, usage};

pub(super) fn setting_without_value() -> Failure {
    usage("a setting is `on` or `off`")
}

pub(super) fn no_limit_given() -> Failure {
    usage("a session takes `rate RATE` or `unlimited`")
}

pub(super) fn no_impairment_given() -> Failure {
    usage("a link takes the words of `link`, as `loss 5%`")
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

pub(super) fn packet_does_not_wait(number: u64, label: &str) -> Failure {
    missing(format!("no packet #{number} waits in {label}"))
        .fix("`hold` it before it comes; `trace` of its sender tells its number")
}
