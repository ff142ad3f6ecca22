//! The errors of HTTP clients, for the log and for those who wait for a body.

use crate::report::Failure;
use crate::wire::Code;
use crate::wire::http::HttpError;

pub(super) fn malformed_body(error: HttpError) -> Failure {
    Failure::new(Code::Malformed, error.why)
}

pub(super) fn body_ended_early(missing: u64) -> Failure {
    Failure::new(Code::Broken, format!("the client closed {missing} bytes before the end of the body"))
}

pub(super) fn body_stalled() -> Failure {
    Failure::new(Code::Timeout, "the client sent nothing more of the body")
}

pub(super) fn body_too_large(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("the body has more than {limit} bytes"))
}
