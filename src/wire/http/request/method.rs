//! Methods and versions.

use crate::wire::http::status::{HttpError, Status};

/// The method of a request. Names are case-sensitive (RFC 9110, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Options,
    Delete,
    /// A method that this server does not know.
    Other,
}

impl Method {
    /// The method of a name that is a token.
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"PUT" => Self::Put,
            b"POST" => Self::Post,
            b"OPTIONS" => Self::Options,
            b"DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    /// The name, for a log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
            Self::Delete => "DELETE",
            Self::Other => "OTHER",
        }
    }

    /// True for the methods that read.
    pub const fn is_reading(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    Http11,
}

impl Version {
    /// Reads `HTTP/1.1`; another version in right form is refused with 505.
    pub fn read(text: &[u8]) -> Result<Self, HttpError> {
        match text {
            b"HTTP/1.1" => Ok(Self::Http11),
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Err(HttpError::new(
                    Status::VERSION_NOT_SUPPORTED,
                    "only HTTP/1.1 and HTTP/1.0 are spoken here",
                ))
            }
            _ => Err(HttpError::bad("the request line does not end with a version")),
        }
    }
}
