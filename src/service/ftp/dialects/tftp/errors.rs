//! The errors of TFTP, and how they are told: as the codes of RFC 1350, section 5, and RFC 2347.

use super::packet::Flaw;
use super::trust::TRIES;
use crate::base::escape::{escape_line, excerpt};
use crate::report::Failure;
use crate::wire::Code;

/// Characters of a client's text that are shown.
const SHOWN: usize = 100;

// Codes of ERROR packets; 5, an unknown port, is told by the kernel.
const UNDEFINED: u16 = 0;
const NOT_FOUND: u16 = 1;
const ACCESS: u16 = 2;
const FULL: u16 = 3;
const ILLEGAL: u16 = 4;
const EXISTS: u16 = 6;
const OPTION: u16 = 8;

/// The code that says this to a client.
pub(super) fn code_of(failure: &Failure) -> u16 {
    match failure.code {
        Code::Missing => NOT_FOUND,
        Code::Policy | Code::ReadOnly | Code::Key => ACCESS,
        Code::Full => FULL,
        Code::Malformed | Code::Misbehaved => ILLEGAL,
        Code::Exists | Code::Receiving => EXISTS,
        Code::Usage => OPTION,
        _ => UNDEFINED,
    }
}

/// True if the request was refused, or the client took it back: nothing is wrong here.
pub(super) fn is_refusal(failure: &Failure) -> bool {
    match failure.code {
        Code::Cancelled => failure.told,
        Code::Malformed => true,
        _ => !matches!(code_of(failure), UNDEFINED | ILLEGAL),
    }
}

pub(super) fn flawed(flaw: Flaw) -> Failure {
    match flaw {
        Flaw::Malformed => Failure::new(Code::Malformed, "the request does not follow RFC 1350 and 2347"),
        Flaw::Mode => Failure::new(Code::Malformed, "the mode is neither `octet` nor `netascii`"),
        Flaw::Repeated => Failure::new(Code::Usage, "an option of the request comes twice"),
    }
}

pub(super) fn no_folders(name: &str) -> Failure {
    Failure::new(Code::Missing, format!("`{}` is a folder, and TFTP has none", escape_line(name)))
        .fix("ask for a file in it")
}

pub(super) fn client_silent() -> Failure {
    Failure::new(Code::Timeout, format!("the client is silent, after {TRIES} tries"))
}

/// The client sent an ERROR packet.
pub(super) fn told_by_client(code: u16, text: &[u8]) -> Failure {
    let why = format!("the client ended it with error {code}: {}", excerpt(text, SHOWN));
    Failure { told: true, ..Failure::new(Code::Cancelled, why) }
}

pub(super) fn not_expected() -> Failure {
    Failure::new(Code::Misbehaved, "a packet that has no place in this transfer")
}

pub(super) fn block_too_long(bytes: usize, most: usize) -> Failure {
    Failure::new(Code::Misbehaved, format!("a block of {bytes} bytes, where {most} were agreed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::contract::errors::other_user;
    use crate::service::contract::errors::{changed_while_reading, file_exists};
    use crate::service::ftp::errors::{quota_exceeded, read_only};

    #[test]
    fn failures_have_the_codes_of_the_rfcs() {
        for (failure, code) in [
            (no_folders("a"), 1),
            (read_only(), 2),
            (other_user(), 2),
            (quota_exceeded(2, 1, 1), 3),
            (flawed(Flaw::Malformed), 4),
            (not_expected(), 4),
            (file_exists("a"), 6),
            (flawed(Flaw::Repeated), 8),
            (changed_while_reading(1), 0),
        ] {
            assert_eq!(code_of(&failure), code, "{failure}");
        }
    }

    #[test]
    fn row_79_the_words_of_a_client_are_escaped() {
        let told = told_by_client(0, b"bye\x1b[2J\n");
        assert!(told.told && is_refusal(&told) && !told.why.contains(['\u{1b}', '\n']), "{told}");
    }
}
