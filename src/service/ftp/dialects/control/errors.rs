//! The errors of FTP.

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::show;
use crate::report::{Failure, reason};
use crate::wire::Code;

/// `limit` in bytes.
pub(super) fn command_too_long(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("a command is longer than {limit} bytes"))
}

/// The client did not connect to the port that it was told.
pub(super) fn no_data_connection(limit: Duration) -> Failure {
    Failure::new(Code::Refused, format!("no data connection came within {} s", limit.as_secs()))
        .fix("a firewall may drop it")
}

pub(super) fn data_port_failed(error: &std::io::Error) -> Failure {
    Failure::new(Code::Refused, format!("there is no port for the data: {}", reason(error)))
}

/// Somebody else connected to the data port (row 111); for the log.
pub(super) fn data_from_elsewhere(stranger: SocketAddr) -> Failure {
    Failure::new(Code::Policy, format!("{} connected to the data port of this client", show(stranger)))
}

pub(super) fn aborted() -> Failure {
    Failure::new(Code::Cancelled, "the client aborted the transfer")
}

pub(super) fn offset_beyond(offset: u64, size: u64) -> Failure {
    Failure::new(Code::Limit, format!("the file has {size} bytes: it does not begin at {offset}"))
}

/// The client is too slow for a list.
pub(super) fn list_page_not_taken() -> Failure {
    Failure::new(Code::Timeout, "the client does not take the list")
}
