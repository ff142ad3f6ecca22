//! The errors of raw connections, side by side.

use std::io;
use std::path::Path;

use crate::report::{Failure, reason};
use crate::wire::Code;

/// A raw connection broke after this many bytes in its direction.
pub(super) fn raw_broken(error: &io::Error, bytes: u64) -> Failure {
    use io::ErrorKind;
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

pub(crate) fn already_finished() -> Failure {
    Failure::new(Code::Broken, "the sending side is shut down")
        .fix("`finish` ends what this side sends; `connect` again to send more")
}

pub(super) fn no_end_of_datagrams() -> Failure {
    Failure::new(Code::Usage, "datagrams have no end").fix("`stop` closes the session")
}

pub(super) fn no_reset() -> Failure {
    Failure::new(Code::Usage, "only a TCP connection can be reset").fix("`stop` closes the session")
}

pub(super) fn no_unix_socket(path: &Path) -> Failure {
    Failure::new(Code::Missing, format!("there is no socket {}", path.display()))
        .fix(format!("start a server here first: listen unix {} raw", path.display()))
}

pub(super) fn unix_refused(path: &Path) -> Failure {
    Failure::new(Code::Refused, format!("nothing is listening on {}", path.display()))
        .fix("its server has ended; start it again")
}

pub(super) fn not_a_socket(path: &Path) -> Failure {
    Failure::new(Code::Exists, format!("{} exists and is not a socket", path.display()))
        .fix("choose another path")
}

pub(super) fn unix_socket_in_use(path: &Path) -> Failure {
    Failure::new(Code::Exists, format!("a server listens on {}", path.display()))
        .fix("stop that one first, or choose another path; tests that run in parallel: a path in $tmp, or `test \"…\" serial`")
}

/// `what`: the standard stream.
pub(crate) fn pipe_broken(error: &io::Error, what: &str) -> Failure {
    Failure::new(Code::Broken, format!("{what}: {}", reason(error)))
}

/// The program was built without it.
#[cfg(not(feature = "tls"))]
pub(crate) fn no_tls_built_in() -> Failure {
    Failure::new(Code::Usage, "this program was built without TLS").fix("build it with the feature `tls`")
}
