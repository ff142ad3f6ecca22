//! The errors of `listen` and `link`, and those that several services share.

use std::fmt::Display;
use std::net::IpAddr;

use crate::base::{Carrier, Transport};
use crate::report::Failure;
use crate::wire::Code;
use crate::wire::dialect::Dialect;

// Where to go.

/// The shell fills in the server, or says that none is known.
pub(crate) fn server_missing() -> Failure {
    Failure::new(Code::Usage, "the server is missing")
}

// `listen`: what is asked for.

pub(crate) fn not_a_service(name: &str, known: &[&str]) -> Failure {
    Failure::new(Code::Usage, format!("`{name}` is not a service"))
        .fix(format!("take one of {}", known.join(", ")))
}

pub(crate) fn carrier_unsupported(service: &str, carrier: Carrier, able: &[Carrier]) -> Failure {
    let able: Vec<&str> = able.iter().map(|carrier| carrier.word()).collect();
    Failure::new(Code::Usage, format!("`{service}` is not available over {carrier}"))
        .fix(format!("use {}", able.join(" or ")))
}

pub(crate) fn unknown_option(service: &str, word: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{word}` is not an option of {service}"))
        .fix(format!("`help {service}` shows its options"))
}

pub(crate) fn not_an_address(text: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{text}` is not an address"))
        .fix("`on any`, or `on` an address of this machine")
}

pub(crate) fn key_over(carrier: Carrier) -> Failure {
    let why = match carrier {
        Carrier::Tls => "tls is encrypted already, and takes no `key`".to_owned(),
        _ => format!("over {carrier} nothing is encrypted, and a key was given"),
    };
    Failure::new(Code::Key, why).fix("use tcp or udp with the key")
}

pub(crate) fn key_and_web() -> Failure {
    Failure::new(Code::Key, "a browser cannot use the key, and `web` was given")
        .fix("leave `web` out, or the key")
}

// `listen`: what the machine has.

/// `label` and `kind`: the session of this shell that listens there.
pub(crate) fn port_in_use(port: u16, label: &str, kind: &str) -> Failure {
    Failure::new(Code::Exists, format!("port {port} is held by session {label} ({kind})"))
        .fix(format!("stop {label}, or use port 0 for any free port"))
}

pub(crate) fn address_gone(address: IpAddr) -> Failure {
    Failure::new(Code::Missing, format!("the address {address} is gone from this machine"))
        .fix("`retry 10 every 5s: listen …` binds it again")
}

// `link`.

pub(crate) fn loss_over_tcp(word: &str) -> Failure {
    let why = format!("`{word}` has no meaning over tcp: TCP counts what the link took as delivered");
    Failure::new(Code::Usage, why).fix("use `delay`, `jitter`, `rate` or `corrupt`, or link udp")
}

pub(crate) fn link_target_missing() -> Failure {
    Failure::new(Code::Usage, "`to` is missing: it names the server behind the link").fix("add `to ENDPOINT`")
}

pub(crate) fn transport_mismatch(link: Transport, server: Transport) -> Failure {
    let why = format!("a link {link} carries {link}, and the server behind it speaks another transport");
    Failure::new(Code::Usage, why).fix(format!("use link {server}"))
}

// Connections.

pub(crate) fn server_stopped() -> Failure {
    Failure::new(Code::Cancelled, "the server was stopped")
}

/// Row 112.
pub(crate) fn other_user() -> Failure {
    Failure::new(Code::Policy, "the server is for the user who started it").fix("start it so: listen … open")
}

/// `peer`: `the peer`, `the server`.
pub(crate) fn closed_early(peer: &str) -> Failure {
    Failure::new(Code::Broken, format!("{peer} closed the connection before the end of the file"))
}

/// `peer`: `the peer`, `the server`.
pub(crate) fn more_than_declared(peer: &str, offset: u64) -> Failure {
    Failure::new(Code::Integrity, format!("{peer} sent more than it declared, at offset {offset}"))
}

// Files.

/// Row 2.
pub(crate) fn changed_while_reading(offset: u64) -> Failure {
    Failure::new(Code::Changed, format!("the file changed while reading, at offset {offset}"))
        .fix("repeat the command with `replace` when nobody writes to it")
}

pub(crate) fn file_exists(name: impl Display) -> Failure {
    Failure::new(Code::Exists, format!("`{name}` exists")).fix("add `replace`, or choose another name")
}

/// Row 23.
pub(crate) fn never_replaced(name: impl Display) -> Failure {
    let why = format!("`{name}` is a FIFO, a device or a socket, which is never replaced");
    Failure::new(Code::Exists, why).fix("choose another name")
}

/// The row of a service names a dialect that it does not serve.
pub(crate) fn dialect_unknown(dialect: Dialect) -> Failure {
    Failure::new(Code::Internal, format!("nobody speaks {} here", dialect.name()))
}
