//! The messages of media streaming. The media itself is sent as blocks, each one datagram of 1000 to 2000 bytes; these
//! frames are in the ordered stream beside them.
//!
//! ```text
//! OPEN   | u8 tempo | u8 parity | text name |            client: send this file
//! INFO   | u64 size | u64 milliseconds |                 server: size and duration; 0: the duration is not known
//! WANT   | u64 offset | u64 until |                      client: send from `offset` up to `until`, then pause
//! FORGOT | u64 start | u64 end |                         client: I no longer have this range; resend it if wanted
//! SENT   | u64 chunks | u64 resent |                     server, once a second: totals so far
//! SKIP   | u64 start | u64 end |                         server, live: this range would be late and is not sent
//! END    | u64 chunks | u64 resent | 32 bytes BLAKE3 |   server: all is sent; hash of the whole file
//! DONE   | empty |                                       client: I have all I want
//! ```
//! `tempo`: 0 as fast as the path allows; 1 at the rate of playing, with a burst at the start and after each jump;
//! 2 live. `parity`: percent of parity that the client wants, 0 to 50. `until` = 2^64 − 1: everything is wanted; the
//! part before `offset` comes last.
//!
//! A parity block has an offset of [`PARITY_PLACE`] or above and holds the XOR of chunks that were sent before:
//!
//! ```text
//! u8 count | count × (u64 offset, u16 length) | XOR of the chunks, as long as the longest
//! ```

use bytes::Bytes;

use crate::wire::ServiceId;
use crate::wire::{DecodeError, Frame, NAME_LIMIT, Reader, Writer};

/// The number of the service on the wire.
pub const ID: ServiceId = ServiceId::new(4);

/// Frame kind of [`Message::Open`].
pub const OPEN: u8 = 0x20;
/// Frame kind of [`Message::Info`].
pub const INFO: u8 = 0x21;
/// Frame kind of [`Message::Want`].
pub const WANT: u8 = 0x22;
/// Frame kind of [`Message::End`].
pub const END: u8 = 0x23;
/// Frame kind of [`Message::Done`].
pub const DONE: u8 = 0x24;
/// Frame kind of [`Message::Forgot`].
pub const FORGOT: u8 = 0x25;
/// Frame kind of [`Message::Sent`].
pub const SENT: u8 = 0x26;
/// Frame kind of [`Message::Skip`].
pub const SKIP: u8 = 0x27;

/// Range of the random chunk sizes, in bytes.
pub const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 1000..=2000;
/// Blocks at this offset or above are parity; no file is that long.
pub const PARITY_PLACE: u64 = 1 << 61;
/// Most parity, in percent.
pub const PARITY_LIMIT: u8 = 50;
/// Most chunks covered by one parity block.
pub const COVERED_LIMIT: usize = 50;

/// The rate at which the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempo {
    /// As fast as the path allows.
    Free,
    /// At the rate of playing, with a burst at the start and after a jump.
    Media,
    /// At the rate of playing; what would arrive too late is left out.
    Live,
}

impl Tempo {
    const ALL: [Self; 3] = [Self::Free, Self::Media, Self::Live];
}

/// A message of streaming. Offsets and sizes are in bytes of the file; ranges exclude their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: send this file. `parity` is in percent, at most [`PARITY_LIMIT`].
    Open { name: String, tempo: Tempo, parity: u8 },
    /// Server: size of the file and its duration; 0 milliseconds: the duration is not known.
    Info { size: u64, milliseconds: u64 },
    /// Client: send from `offset` up to `until`, then pause. `until` = `u64::MAX`: everything is wanted.
    Want { offset: u64, until: u64 },
    /// Client: this range is no longer here; it is sent again if it is wanted.
    Forgot { start: u64, end: u64 },
    /// Server, once a second: chunks sent and pieces resent so far.
    Sent { chunks: u64, resent: u64 },
    /// Server, live only: this range would arrive too late and is not sent.
    Skip { start: u64, end: u64 },
    /// Server: every byte was sent or left out. `hash` is the BLAKE3 of the whole file.
    End { chunks: u64, resent: u64, hash: [u8; 32] },
    /// Client: nothing more is wanted.
    Done,
}

impl Message {
    /// Encodes the message as a frame.
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

    /// Reads a message from a frame. Fails on an unknown kind or tempo, a value over its limit and missing or extra
    /// bytes.
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

/// The content of a parity block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parity {
    /// Offset and length in bytes of each chunk covered.
    pub covered: Vec<(u64, u16)>,
    /// XOR of the chunks, each padded with zeros to the length of the longest.
    pub sum: Bytes,
}

impl Parity {
    /// Number of chunks that one parity block covers at this percentage; 0 if no parity is wanted.
    pub fn covers(percent: u8) -> usize {
        100usize.checked_div(usize::from(percent)).map_or(0, |chunks| chunks.clamp(2, COVERED_LIMIT))
    }

    /// Bytes of a parity block besides its sum; 0 if it covers no chunks.
    pub const fn overhead(covered: usize) -> usize {
        if covered == 0 { 0 } else { 1 + covered * 10 }
    }

    /// The parity block as it is sent.
    pub fn encode(&self) -> Bytes {
        let head = Writer::new().u8(self.covered.len() as u8);
        let out = self.covered.iter().fold(head, |out, (offset, length)| out.u64(*offset).u16(*length));
        out.bytes(&self.sum).finish().into()
    }

    /// Reads a parity block.
    ///
    /// # Errors
    /// If it covers more than [`COVERED_LIMIT`] chunks, or its sum is not as long as the longest of them.
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
