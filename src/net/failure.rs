//! Why a connection failed, in words: one place for all of them.

use std::time::Duration;

use super::kernel::ports_in_use::ports_in_use;
use super::limits::{CONNECT_LIMIT, SILENCE_LIMIT};
use crate::base::{Endpoint, Transport, escape};
use crate::report::{Failure, reason};
use crate::wire::{Code, DecodeError, Frame, preface};

/// Connection refused (row 36): the most common error, so the hint depends on the likely cause.
pub(crate) fn nobody_listens(endpoint: &Endpoint, transport: Transport) -> Failure {
    let other = if transport == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
    let hint = if endpoint.host.is_loopback() && ports_in_use().contains(&(endpoint.port, other)) {
        format!("something listens on {other}: put `{other}` before the address: {other} {endpoint}")
    } else if endpoint.host.is_loopback() {
        format!("start a server here first: listen {transport} {} SERVICE", endpoint.port)
    } else {
        format!(
            "if the server runs there, it may be bound to loopback: listen {transport} {} SERVICE on any; or it is \
             served over {other}: {other} {endpoint}",
            endpoint.port
        )
    };
    Failure::new(Code::Refused, format!("nothing is listening on {transport} {endpoint}")).fix(hint)
}

/// The system cannot connect, for a local reason or because of the network.
pub(crate) fn cannot_reach(endpoint: &Endpoint, error: &std::io::Error) -> Failure {
    let fix = match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            "stop some sessions, or raise the limit: ulimit -n"
        }
        _ => "check the address and the network",
    };
    Failure::new(Code::Broken, format!("cannot reach {endpoint}: {}", reason(error))).fix(fix)
}

pub(crate) fn silent(endpoint: &Endpoint, transport: Transport) -> Failure {
    let why = format!("no answer from {transport} {endpoint} within {} s", CONNECT_LIMIT.as_secs());
    Failure::new(Code::Timeout, why).fix("check the address, and whether a firewall drops the packets")
}

/// The peer is still connected but no longer reads (row 40).
pub(crate) fn stopped_reading() -> Failure {
    Failure::new(Code::Timeout, format!("the peer stopped reading for {} s", SILENCE_LIMIT.as_secs()))
        .fix("the peer may be hung or overloaded")
}

/// The peer broke the protocol: this message is not possible now.
pub fn unexpected(peer: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("unexpected message from {peer}"))
}

/// The failure for an expected message that did not come within `limit`.
pub fn nothing_came(what: &str, limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("no {what} for {} s", limit.as_secs()))
        .fix("the peer may be gone, or too busy")
}

/// Converts an ERROR frame from the peer into a failure.
pub fn told(frame: &Frame) -> Failure {
    match frame.read_error() {
        Ok((code, text)) => told_in_words(code, &text),
        Err(error) => malformed(error),
    }
}

/// A failure that the peer reported. Its `Cancelled` becomes `Broken` here: the peer was cancelled, not this side.
pub fn told_in_words(code: Code, text: &str) -> Failure {
    let code = if code == Code::Cancelled { Code::Broken } else { code };
    Failure { told: true, ..Failure::new(code, escape::escape_line(text).into_owned()) }
}

/// The failure for bytes that cannot be decoded.
pub fn malformed(error: DecodeError) -> Failure {
    let code = if matches!(error, DecodeError::Oversize { .. }) { Code::Limit } else { Code::Malformed };
    Failure::new(code, format!("the peer sent malformed data: {error}"))
        .fix("both sides should run the same version of nls")
}

/// The failure for a peer of another protocol, with a guess which one (row 43).
pub(crate) fn foreign(front: &[u8]) -> Failure {
    let why = format!(
        "this looks like {} (`{}`); nls speaks its own protocol",
        preface::guess(front),
        escape::excerpt(front, 48)
    );
    Failure::new(Code::Protocol, why).fix("check the port")
}

// Raw connections.

/// A raw connection broke after this many bytes in its direction.
pub(super) fn raw_broken(error: &std::io::Error, bytes: u64) -> Failure {
    use std::io::ErrorKind;
    let why = match error.kind() {
        ErrorKind::ConnectionReset => "the peer reset the connection".to_owned(),
        ErrorKind::BrokenPipe => "the peer closed the connection".to_owned(),
        ErrorKind::ConnectionRefused => "nothing is listening there: the datagram was refused".to_owned(),
        _ => format!("the connection broke after {bytes} bytes: {}", reason(error)),
    };
    Failure::new(Code::Broken, why)
}

pub(super) fn datagram_too_large(size: usize, limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("{size} bytes do not fit a datagram: the limit is {limit}"))
        .fix("send less at once, or use tcp")
}

pub(super) fn already_finished() -> Failure {
    Failure::new(Code::Broken, "the sending side is shut down")
        .fix("`finish` ends what this side sends; `connect` again to send more")
}

pub(super) fn no_end_of_datagrams() -> Failure {
    Failure::new(Code::Usage, "datagrams have no end").fix("`stop` closes the session")
}

pub(super) fn no_reset() -> Failure {
    Failure::new(Code::Usage, "only a TCP connection can be reset").fix("`stop` closes the session")
}

pub(super) fn no_address() -> Failure {
    Failure::new(Code::Missing, "there is no address to try")
}

pub(super) fn no_unix_socket(path: &std::path::Path) -> Failure {
    Failure::new(Code::Missing, format!("there is no socket {}", path.display()))
        .fix(format!("start a server here first: listen unix {} raw", path.display()))
}

pub(super) fn unix_refused(path: &std::path::Path) -> Failure {
    Failure::new(Code::Refused, format!("nothing is listening on {}", path.display()))
        .fix("its server has ended; start it again")
}

pub(super) fn not_a_socket(path: &std::path::Path) -> Failure {
    Failure::new(Code::Exists, format!("{} exists and is not a socket", path.display()))
        .fix("choose another path")
}

pub(super) fn unix_socket_in_use(path: &std::path::Path) -> Failure {
    Failure::new(Code::Exists, format!("a server listens on {}", path.display()))
        .fix("stop that one first, or choose another path")
}
