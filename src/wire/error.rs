//! Errors in received bytes.

use std::fmt;

/// The bytes are not a value of the protocol, because of the peer or of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The body ends within a value.
    Truncated,
    /// Bytes are left over after the value.
    Trailing,
    /// A length or count is over its limit, in the unit of `what`.
    Oversize {
        /// The field.
        what: &'static str,
        /// The largest value that is accepted.
        limit: u64,
    },
    /// A kind, code or flag that is not known, or a value out of its range.
    Unknown {
        /// The field.
        what: &'static str,
        /// What was read.
        value: u64,
    },
    /// A text is not UTF-8.
    NotText,
    /// The check sum differs.
    Checksum,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a frame is truncated"),
            Self::Trailing => f.write_str("a frame has trailing bytes"),
            Self::Oversize { what, limit } => write!(f, "{what} exceeds the limit of {limit}"),
            Self::Unknown { what, value } => write!(f, "unknown {what} {value}"),
            Self::NotText => f.write_str("a text is not UTF-8"),
            Self::Checksum => f.write_str("checksum mismatch"),
        }
    }
}

impl std::error::Error for DecodeError {}
