//! The errors of what makes traffic visible, side by side.

use crate::base::quantity::BadQuantity;
use crate::report::Failure;
use crate::shell::errors::{missing, usage};
use crate::wire::Code;

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
