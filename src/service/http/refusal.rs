//! A failure as a status (RFC 9110, section 15).

use crate::report::Failure;
use crate::wire::Code;
use crate::wire::http::Status;

/// The status that tells a client what kind of failure it is.
pub(crate) const fn status_of(failure: &Failure) -> Status {
    match failure.code {
        Code::Missing => Status::NOT_FOUND,
        Code::Exists | Code::Receiving | Code::Turn | Code::Changed => Status::CONFLICT,
        Code::Policy | Code::ReadOnly | Code::Key => Status::FORBIDDEN,
        Code::Full => Status::INSUFFICIENT_STORAGE,
        Code::Limit => Status::CONTENT_TOO_LARGE,
        Code::Busy => Status::UNAVAILABLE,
        Code::Timeout => Status::REQUEST_TIMEOUT,
        Code::Malformed | Code::Usage | Code::Arithmetic | Code::Broken | Code::Integrity => {
            Status::BAD_REQUEST
        }
        _ => Status::INTERNAL,
    }
}
