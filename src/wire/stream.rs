//! The messages of media streaming. The media itself travels as blocks, each one datagram of 1000 to 2000
//! bytes; these frames travel in order beside them.
//!
//! ```text
//! OPEN | text name |                        client: I want this
//! INFO | u64 size |                         server: it is so long; blocks follow from offset 0
//! WANT | u64 offset |                       client: this first, then on from there
//! END  | u64 chunks | u64 resent | 32 bytes BLAKE3 |   server: all was sent; the hash of the whole
//! DONE | empty |                            client: I have all I want
//! ```

use super::{DecodeError, Frame, NAME_LIMIT, Reader, Writer};

pub const OPEN: u8 = 0x20;
pub const INFO: u8 = 0x21;
pub const WANT: u8 = 0x22;
pub const END: u8 = 0x23;
pub const DONE: u8 = 0x24;

/// Smallest and largest chunk that the server draws.
pub const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1000..=2000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Open { name: String },
    Info { size: u64 },
    Want { offset: u64 },
    End { chunks: u64, resent: u64, hash: [u8; 32] },
    Done,
}

impl Message {
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Open { name } => (OPEN, out.text(name)),
            Self::Info { size } => (INFO, out.u64(*size)),
            Self::Want { offset } => (WANT, out.u64(*offset)),
            Self::End { chunks, resent, hash } => (END, out.u64(*chunks).u64(*resent).bytes(hash)),
            Self::Done => (DONE, out),
        };
        Frame::new(kind, body.finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let message = match frame.kind {
            OPEN => Self::Open { name: r.text("name", NAME_LIMIT)?.into() },
            INFO => Self::Info { size: r.u64()? },
            WANT => Self::Want { offset: r.u64()? },
            END => Self::End { chunks: r.u64()?, resent: r.u64()?, hash: r.array()? },
            DONE => Self::Done,
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        r.finish(message)
    }
}
