//! HTTP/1.1 of a strict server (RFC 9110, 9112, 8187, 3986): requests are read, responses written.
//!
//! Pure: no socket, no clock; a time is an argument. Nothing here panics on any input. A request that two readers
//! could read in two ways is refused, not repaired (RFC 9112, section 11.2): its connection is closed.
//!
//! | file | holds |
//! |---|---|
//! | `request` | the head of a request: method, target, host, fields, what the client prefers |
//! | `response` | the head of a response |
//! | `chunked` | bodies in chunks, both ways |
//! | `ranges` | what part of a representation is wanted; several parts in one body |
//! | `conditional` | entity tags and preconditions |
//! | `date` | dates of fields |
//! | `media_type`, `disposition` | what a file is, and under what name it is saved |
//! | `percent` | percent escapes |
//! | `status` | status codes; why a request is refused |
//! | `syntax` | tokens, digits, blanks |

pub mod chunked;
pub mod conditional;
pub mod date;
pub mod disposition;
pub mod media_type;
pub mod percent;
pub mod ranges;
pub mod request;
pub mod response;
pub mod status;
mod syntax;
#[cfg(test)]
mod tests;

pub use chunked::{ChunkedDecoder, Decoded};
pub use conditional::{EntityTag, Precondition, Validators, decide, range_holds};
pub use disposition::disposition;
pub use media_type::media_type;
pub use percent::percent_encode_segment;
pub use ranges::{Multipart, Wanted, ranges};
pub use request::{BodyLength, Headers, Host, Method, RequestHead, Target, Version};
pub use response::ResponseHead;
pub use status::{HttpError, Status};

/// Largest head of a request, in bytes; a larger one is refused with 431.
pub const HEAD_LIMIT: usize = 16 << 10;
/// Most fields in a head; browsers send about 15.
pub const HEADERS_LIMIT: usize = 64;
/// Longest target of a request, in bytes; a longer one is refused with 414. Names of files have up to 4 KiB, and each
/// byte may be an escape of three in the worst case, which no real name reaches.
pub const TARGET_LIMIT: usize = 8 << 10;
