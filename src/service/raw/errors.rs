//! The errors of raw sessions.

use crate::report::Failure;
use crate::wire::Code;

pub(super) fn no_server() -> Failure {
    Failure::new(Code::Usage, "the server is missing").fix("connect tcp host:80")
}

/// The peer has sent its end and was told the same: nothing more can be said.
pub(super) fn already_over() -> Failure {
    Failure::new(Code::Broken, "the sending side is shut down").fix("`connect` again to send more")
}
