//! What can be wrong with bytes.

use std::fmt;

/// The bytes are not a value of the protocol: the peer's fault, or the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The body ends before the value does.
    Truncated,
    /// Bytes are left behind the value.
    Trailing,
    /// A length or count is over its limit.
    Oversize { what: &'static str, limit: u64 },
    /// No such kind, code or flag.
    Unknown { what: &'static str, value: u64 },
    /// A text is not UTF-8.
    NotText,
    /// The check sum differs.
    Checksum,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a frame ends too early"),
            Self::Trailing => f.write_str("a frame has bytes left over"),
            Self::Oversize { what, limit } => write!(f, "{what} is over its limit of {limit}"),
            Self::Unknown { what, value } => write!(f, "unknown {what} {value}"),
            Self::NotText => f.write_str("a text is not UTF-8"),
            Self::Checksum => f.write_str("the check sum differs"),
        }
    }
}

impl std::error::Error for DecodeError {}
