//! The messages of media streaming. The media itself travels as blocks, each one datagram of 1000 to 2000
//! bytes; these frames travel in order beside them.
//!
//! ```text
//! OPEN   | u8 tempo | u8 parity | text name |            client: I want this
//! INFO   | u64 size | u64 milliseconds |                 server: it is so long; 0: nobody knows how long it lasts
//! WANT   | u64 offset | u64 until |                      client: from here on, up to there; then nothing
//! FORGOT | u64 start | u64 end |                         client: I no longer have this; sent again if wanted
//! SENT   | u64 chunks | u64 resent |                     server, once a second: so many so far
//! SKIP   | u64 start | u64 end |                         server, live: this would come too late and is not sent
//! END    | u64 chunks | u64 resent | 32 bytes BLAKE3 |   server: all was sent; the hash of the whole
//! DONE   | empty |                                       client: I have all I want
//! ```
//! `tempo`: 0 as fast as the path takes it, 1 as it is played, with a burst at the start and after each jump, 2 live.
//! `parity`: how many percent of parity the client wants, 0 to 50. Where `until` is 2^64 − 1, everything is wanted: what lies
//! before `offset` comes last.
//!
//! A parity block has an offset of [`PARITY_PLACE`] or above and holds, XORed, chunks that were sent before:
//!
//! ```text
//! u8 count | count × (u64 offset, u16 length) | XOR of the chunks, as long as the longest
//! ```

use bytes::Bytes;

use super::{DecodeError, Frame, NAME_LIMIT, Reader, Writer};

pub const OPEN: u8 = 0x20;
pub const INFO: u8 = 0x21;
pub const WANT: u8 = 0x22;
pub const END: u8 = 0x23;
pub const DONE: u8 = 0x24;
pub const FORGOT: u8 = 0x25;
pub const SENT: u8 = 0x26;
pub const SKIP: u8 = 0x27;

/// Smallest and largest chunk that the server draws.
pub const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1000..=2000;
/// Blocks from here on are parity; no file is so long.
pub const PARITY_PLACE: u64 = 1 << 61;
/// Most percent of parity.
pub const PARITY_LIMIT: u8 = 50;
/// Most chunks that one parity block covers.
pub const COVERED_LIMIT: usize = 50;

/// How fast the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempo {
    /// As the path takes it.
    Free,
    /// As it is played, with a burst at the start and after a jump.
    Media,
    /// As it is played, and what comes too late is not wanted any more.
    Live,
}

impl Tempo {
    const ALL: [Self; 3] = [Self::Free, Self::Media, Self::Live];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Open { name: String, tempo: Tempo, parity: u8 },
    Info { size: u64, milliseconds: u64 },
    Want { offset: u64, until: u64 },
    Forgot { start: u64, end: u64 },
    Sent { chunks: u64, resent: u64 },
    Skip { start: u64, end: u64 },
    End { chunks: u64, resent: u64, hash: [u8; 32] },
    Done,
}

impl Message {
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Open { name, tempo, parity } => (OPEN, out.u8(*tempo as u8).u8(*parity).text(name)),
            Self::Info { size, milliseconds } => (INFO, out.u64(*size).u64(*milliseconds)),
            Self::Want { offset, until } => (WANT, out.u64(*offset).u64(*until)),
            Self::Forgot { start, end } => (FORGOT, out.u64(*start).u64(*end)),
            Self::Sent { chunks, resent } => (SENT, out.u64(*chunks).u64(*resent)),
            Self::Skip { start, end } => (SKIP, out.u64(*start).u64(*end)),
            Self::End { chunks, resent, hash } => (END, out.u64(*chunks).u64(*resent).bytes(hash)),
            Self::Done => (DONE, out),
        };
        Frame::new(kind, body.finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let message = match frame.kind {
            OPEN => {
                let (tempo, parity) = (r.u8()?, r.u8()?);
                let Some(&tempo) = Tempo::ALL.get(usize::from(tempo)) else {
                    return Err(DecodeError::Unknown { what: "tempo", value: u64::from(tempo) });
                };
                if parity > PARITY_LIMIT {
                    return Err(DecodeError::Oversize { what: "parity", limit: u64::from(PARITY_LIMIT) });
                }
                Self::Open { tempo, parity, name: r.text("name", NAME_LIMIT)?.into() }
            }
            INFO => Self::Info { size: r.u64()?, milliseconds: r.u64()? },
            WANT => Self::Want { offset: r.u64()?, until: r.u64()? },
            FORGOT => Self::Forgot { start: r.u64()?, end: r.u64()? },
            SENT => Self::Sent { chunks: r.u64()?, resent: r.u64()? },
            SKIP => Self::Skip { start: r.u64()?, end: r.u64()? },
            END => Self::End { chunks: r.u64()?, resent: r.u64()?, hash: r.array()? },
            DONE => Self::Done,
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        r.finish(message)
    }
}

/// What a parity block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parity {
    /// Offset and length of each chunk.
    pub covered: Vec<(u64, u16)>,
    pub sum: Bytes,
}

impl Parity {
    /// Chunks that one block covers, where so many percent are wanted; 0: none is.
    pub fn covers(percent: u8) -> usize {
        100usize.checked_div(usize::from(percent)).map_or(0, |chunks| chunks.clamp(2, COVERED_LIMIT))
    }

    /// What a block takes beside its longest chunk.
    pub const fn overhead(covered: usize) -> usize {
        if covered == 0 { 0 } else { 1 + covered * 10 }
    }

    pub fn encode(&self) -> Bytes {
        let head = Writer::new().u8(self.covered.len() as u8);
        let out = self.covered.iter().fold(head, |out, (offset, length)| out.u64(*offset).u16(*length));
        out.bytes(&self.sum).finish().into()
    }

    /// Reads a parity block.
    ///
    /// # Errors
    /// More chunks than [`COVERED_LIMIT`], or a sum that is not as long as its longest chunk.
    pub fn decode(block: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(block);
        let count = usize::from(r.u8()?);
        if count > COVERED_LIMIT {
            return Err(DecodeError::Oversize { what: "parity", limit: COVERED_LIMIT as u64 });
        }
        let covered =
            (0..count).map(|_| Ok((r.u64()?, r.u16()?))).collect::<Result<Vec<_>, DecodeError>>()?;
        let sum = block.slice(block.len() - r.rest().len()..);
        if sum.len() != covered.iter().map(|(_, length)| usize::from(*length)).max().unwrap_or(0) {
            return Err(DecodeError::Truncated);
        }
        Ok(Self { covered, sum })
    }
}
