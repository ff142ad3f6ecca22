//! The messages of file transfer. Sending and receiving look the same in both directions: after PUT/READY the
//! client is the sender, after GET/FILE the server is.
//!
//! ```text
//! PUT    | u32 chunk | u32 window | u8 flags | u64 size | u64 modified | text name |   flags: 1 replace, 2 fast
//! GET    | u32 chunk | u32 window | text name |
//! READY  | u64 offset |                          send from here (0 in this version)
//! FILE   | u64 size | u64 modified |             what GET named; blocks follow
//! ACK    | u64 chunks | u64 bytes |              so many are here, cumulative
//! END    | 32 bytes BLAKE3 |                     all blocks are sent; the hash of the whole
//! STORED | u64 bytes | 32 bytes BLAKE3 |         the file stands under its name
//! ```

use super::{CHUNK_LIMIT, DecodeError, Frame, NAME_LIMIT, Reader, Writer};

pub const PUT: u8 = 0x10;
pub const GET: u8 = 0x11;
pub const READY: u8 = 0x13;
pub const FILE: u8 = 0x14;
pub const ACK: u8 = 0x15;
pub const END: u8 = 0x16;
pub const STORED: u8 = 0x17;

/// Most chunks in flight.
pub const WINDOW_LIMIT: u32 = 1 << 24;

/// How a file travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a chunk: 1 to [`CHUNK_LIMIT`].
    pub chunk: u32,
    /// Chunks in flight: 1 is stop-and-wait.
    pub window: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Put { shape: Shape, replace: bool, fast: bool, size: u64, modified: u64, name: String },
    Get { shape: Shape, name: String },
    Ready { offset: u64 },
    File { size: u64, modified: u64 },
    Ack { chunks: u64, bytes: u64 },
    End { hash: [u8; 32] },
    Stored { bytes: u64, hash: [u8; 32] },
}

impl Message {
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Put { shape, replace, fast, size, modified, name } => {
                let flags = u8::from(*replace) | u8::from(*fast) << 1;
                (PUT, out.u32(shape.chunk).u32(shape.window).u8(flags).u64(*size).u64(*modified).text(name))
            }
            Self::Get { shape, name } => (GET, out.u32(shape.chunk).u32(shape.window).text(name)),
            Self::Ready { offset } => (READY, out.u64(*offset)),
            Self::File { size, modified } => (FILE, out.u64(*size).u64(*modified)),
            Self::Ack { chunks, bytes } => (ACK, out.u64(*chunks).u64(*bytes)),
            Self::End { hash } => (END, out.bytes(hash)),
            Self::Stored { bytes, hash } => (STORED, out.u64(*bytes).bytes(hash)),
        };
        Frame::new(kind, body.finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let message = match frame.kind {
            PUT => {
                let (shape, flags) = (shape(&mut r)?, r.u8()?);
                if flags > 3 {
                    return Err(DecodeError::Unknown { what: "flag", value: u64::from(flags) });
                }
                let (replace, fast) = (flags & 1 != 0, flags & 2 != 0);
                Self::Put {
                    shape,
                    replace,
                    fast,
                    size: r.u64()?,
                    modified: r.u64()?,
                    name: r.text("name", NAME_LIMIT)?.into(),
                }
            }
            GET => Self::Get { shape: shape(&mut r)?, name: r.text("name", NAME_LIMIT)?.into() },
            READY => Self::Ready { offset: r.u64()? },
            FILE => Self::File { size: r.u64()?, modified: r.u64()? },
            ACK => Self::Ack { chunks: r.u64()?, bytes: r.u64()? },
            END => Self::End { hash: r.array()? },
            STORED => Self::Stored { bytes: r.u64()?, hash: r.array()? },
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        r.finish(message)
    }
}

/// FAULTS row 30: a chunk or window out of bounds is refused before anything is allocated for it.
fn shape(r: &mut Reader<'_>) -> Result<Shape, DecodeError> {
    let shape = Shape { chunk: r.u32()?, window: r.u32()? };
    if shape.chunk == 0 || u64::from(shape.chunk) > CHUNK_LIMIT {
        return Err(DecodeError::Oversize { what: "chunk", limit: CHUNK_LIMIT });
    }
    if shape.window == 0 || shape.window > WINDOW_LIMIT {
        return Err(DecodeError::Oversize { what: "window", limit: u64::from(WINDOW_LIMIT) });
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Message> {
        let shape = Shape { chunk: 1024, window: 8 };
        vec![
            Message::Put {
                shape,
                replace: true,
                fast: false,
                size: u64::MAX,
                modified: 7,
                name: "a/b".into(),
            },
            Message::Get { shape, name: "é".into() },
            Message::Ready { offset: 0 },
            Message::File { size: 1, modified: 2 },
            Message::Ack { chunks: 3, bytes: 4 },
            Message::End { hash: [7; 32] },
            Message::Stored { bytes: 9, hash: [1; 32] },
        ]
    }

    #[test]
    fn messages_read_back_and_no_truncation_or_extension_does() {
        for message in samples() {
            let frame = message.encode();
            assert_eq!(Message::decode(&frame), Ok(message));
            for end in 0..frame.body.len() {
                assert!(Message::decode(&Frame::new(frame.kind, frame.body.slice(..end))).is_err());
            }
            let mut longer = frame.body.to_vec();
            longer.push(0);
            assert!(Message::decode(&Frame::new(frame.kind, longer)).is_err());
        }
    }

    #[test]
    fn row_30_absurd_chunks_and_windows_are_refused() {
        for (chunk, window) in
            [(0, 1), (u32::MAX, 1), (CHUNK_LIMIT as u32 + 1, 1), (1024, 0), (1024, u32::MAX)]
        {
            let frame = Message::Get { shape: Shape { chunk, window }, name: "x".into() }.encode();
            assert!(matches!(Message::decode(&frame), Err(DecodeError::Oversize { .. })));
        }
    }
}
