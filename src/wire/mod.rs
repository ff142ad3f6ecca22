//! Encoding and decoding of every protocol: pure functions that check lengths before they allocate.
//!
//! Panic contract: no decoder here panics on any input. A decoder reads all of its body; bytes left over are
//! an error. `docs/protocol.md` describes the same bytes in words.
//!
//! | file | holds |
//! |---|---|
//! | `frame` | frames, and how a stream is split into them |
//! | `preface` | the first bytes over TCP |
//! | `dialect` | who is there: the protocol that a client speaks, told from its first bytes |
//! | `datagram`, `ack` | packets of reliable UDP, and acknowledgements |
//! | `number` | the types of connection ids, packet numbers and segment numbers |
//! | `code`, `error` | error codes; why bytes cannot be decoded |
//! | `http` | HTTP/1.1, for browsers and the like |
//! | `time_spent` | what a side waited for |
//! | `reader`, `writer` | fields of a message |

pub mod ack;
pub mod code;
pub mod datagram;
pub mod dialect;
pub mod error;
pub mod frame;
pub mod http;
pub mod number;
pub mod preface;
pub mod reader;
pub mod time_spent;
pub mod writer;

pub use code::Code;
pub use error::DecodeError;
pub use frame::{Deframer, Frame};
pub use number::{ConnectionId, PacketNumber, SegmentNumber};
pub use preface::ServiceId;
pub use reader::Reader;
pub use writer::Writer;

/// Version of all protocols here; both ends must have the same one.
pub const VERSION: u8 = 7;
/// Largest chunk of a file, in bytes.
pub const CHUNK_LIMIT: u64 = 1 << 20;
/// Largest body of a frame, in bytes: a page of a listing, or a small file and its name. A peer may leave one unfinished.
pub const FRAME_LIMIT: usize = 384 << 10;
/// Largest body of a BLOCK that is read where it belongs, in bytes: a chunk and its header fields.
pub const BLOCK_LIMIT: usize = CHUNK_LIMIT as usize + 64;
/// Longest text in a frame (message or reason), in bytes.
pub const TEXT_LIMIT: usize = 16 << 10;
/// Longest name of a file with its folders and escapes, in bytes.
pub const NAME_LIMIT: usize = 60_000;
