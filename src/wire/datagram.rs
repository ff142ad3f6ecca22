//! The datagrams of reliable UDP.
//!
//! Every datagram begins with a type and a connection id and ends with the CRC-32C (Castagnoli) of all bytes before.
//! The types avoid the first bytes of STUN, DTLS, TURN, RTP and QUIC (RFC 9443) and printable text, so plain clients
//! are recognised by their first byte.
//!
//! ```text
//!  0      1        9
//! +------+--------+------------------------------------------+-----+
//! | type | u64 id | …                                        | crc |
//! +------+--------+------------------------------------------+-----+
//! HELLO  0x04     | version | service | u64 stream | u64 block | u8 n | n cookie bytes | zeros to 1200
//! RETRY  0x05     | u8 n | n cookie bytes                          (server: prove your address)
//! ACCEPT 0x06     | u64 stream credit | u64 block credit
//! REFUSE 0x07     | u16 code | text
//! DATA   0x08     | u64 packet number | frames
//! DATA   0x09     the same; to be acknowledged at once
//! DATA   0x0a     as 0x09; dropped as if lost if its BLOCK comes after a gap
//! SEALED 0x0b to 0x0d | u64 packet number | frames of DATA 0x08 to 0x0a, encrypted | 16 bytes tag, and no crc
//! ```
//! With a key, HELLO and RETRY have the messages of a handshake behind the cookie (`u8 m | m bytes`), and ACCEPT has a
//! proof behind its content (16 bytes).
//!
//! Frames inside DATA, with varints of RFC 9000:
//! ```text
//! ACK    0x01, 0x06                             packet numbers received: see `wire::ack`
//! STREAM 0x02 | offset | length | bytes          a part of the ordered stream of frames
//! BLOCK  0x03 | number | offset | length | bytes a piece of a block; takes one number per 1158 bytes; a number is
//!                                               never reused for other bytes
//! PING   0x04 |
//! CLOSE  0x05 | u16 code | text
//! PAD    0x00 | zeros to the end of the datagram
//! ```

use std::ops::Range;

use bytes::Bytes;

use super::ack::{self, Ack};
use super::frame::checksum;
use super::writer::{cut, push_varint};
use super::{Code, ConnectionId, DecodeError, PacketNumber, Reader, SegmentNumber, TEXT_LIMIT, VERSION};

/// UDP payload in bytes that crosses every path known to us; HELLO has at least this size (RFC 9000, section 14).
pub const BASE_DATAGRAM: usize = 1200;
/// Largest UDP payload over IPv4, in bytes.
pub const DATAGRAM_LIMIT: usize = 65_507;
/// Longest cookie, in bytes.
pub const COOKIE_LIMIT: usize = 32;
/// Bytes of a DATA datagram around its frames.
pub const DATA_OVERHEAD: usize = 1 + 8 + 8 + CRC;
/// Bytes per piece number: a larger piece takes several consecutive numbers, the last one for the rest.
pub const UNIT: usize = BASE_DATAGRAM - DATA_OVERHEAD - BLOCK_OVERHEAD;
/// Most bytes of a BLOCK frame before its data.
pub const BLOCK_OVERHEAD: usize = 1 + 8 + 8 + 4;
/// Longest message of a handshake in HELLO or RETRY, in bytes.
pub const HANDSHAKE_LIMIT: usize = 64;
/// Bytes that prove that a datagram is from who has the key.
pub const PROOF: usize = 16;
/// Bytes of DATA before its frames; with a key they can be read by all, and changed by nobody.
pub const DATA_HEAD: usize = 1 + 8 + 8;
/// Bytes that a sealed datagram has more than a plain one.
pub const SEALED_MORE: usize = PROOF - CRC;
/// Bytes of HELLO before its cookie.
pub const HELLO_HEAD: usize = 1 + 8 + 1 + 1 + 8 + 8;
/// Bytes of the check sum at the end of a datagram.
pub const CRC: usize = 4;

/// Type of [`Packet::Hello`].
pub const HELLO: u8 = 0x04;
/// Type of [`Packet::Retry`].
pub const RETRY: u8 = 0x05;
/// Type of [`Packet::Accept`].
pub const ACCEPT: u8 = 0x06;
/// Type of [`Packet::Refuse`].
pub const REFUSE: u8 = 0x07;
/// Type of [`Packet::Data`].
pub const DATA: u8 = 0x08;
/// Type of DATA that is to be acknowledged at once.
pub const DATA_NOW: u8 = 0x09;
/// Type of DATA that is to be dropped if its BLOCK comes after a gap.
pub const DATA_IN_ORDER: u8 = 0x0a;
/// The type of [`Packet::Sealed`] is that of DATA and this.
const SEALED: u8 = 3;
/// The first type of [`Packet::Sealed`].
pub const DATA_SEALED: u8 = DATA + SEALED;
/// The last type.
const LAST: u8 = DATA_IN_ORDER + SEALED;

/// Initial flow-control credit: what a side accepts before its application has read anything. Each ACK carries the
/// later, cumulative limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Bytes of the ordered stream.
    pub stream: u64,
    /// Bytes of pieces, including a fixed cost for each piece (`reliable::PIECE_COST`).
    pub block: u64,
}

/// The content of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Client: opens a connection, or proves its address with a cookie.
    Hello {
        /// Protocol version of the client.
        version: u8,
        /// Number of the service asked for, see [`super::ServiceId`].
        service: u8,
        /// What the client accepts.
        credit: Credit,
        /// From RETRY; empty in the first HELLO.
        cookie: Vec<u8>,
        /// With a key: the first message of the handshake or, at a new address, a proof; else empty.
        handshake: Vec<u8>,
    },
    /// Server: repeat HELLO with this cookie, to prove the address.
    Retry {
        /// Opaque to the client; at most [`COOKIE_LIMIT`] bytes.
        cookie: Vec<u8>,
        /// The second message of the handshake; empty without a key.
        handshake: Vec<u8>,
    },
    /// Server: the connection is open.
    Accept {
        /// What the server accepts.
        credit: Credit,
        /// With a key: shows that the server has it, and that nothing was changed.
        proof: Option<[u8; PROOF]>,
    },
    /// Server: no connection.
    Refuse {
        /// The reason for programs.
        code: Code,
        /// The reason for people; cut at 512 bytes when it is sent.
        text: String,
    },
    /// Frames of an open connection.
    Data {
        /// The packet number.
        number: PacketNumber,
        /// The peer asks for an acknowledgement at once (types 0x09 and 0x0a).
        now: bool,
        /// To be dropped if its BLOCK comes after a gap (type 0x0a).
        in_order: bool,
        /// Byte range of the frames in the datagram, for [`DataFrames::new`].
        frames: Range<usize>,
    },
    /// DATA of an encrypted connection; nothing of it has been checked. See [`unsealed`].
    Sealed {
        /// The packet number.
        number: PacketNumber,
    },
}

/// True if a datagram with this first byte may be of this protocol.
pub const fn is_ours(first: u8) -> bool {
    matches!(first, HELLO..=LAST)
}

/// Checks and reads a datagram: its connection id and content. Fails on a wrong check sum, an unknown type, or a
/// truncated or oversized field.
pub fn decode(datagram: &[u8]) -> Result<(ConnectionId, Packet), DecodeError> {
    if datagram.first().is_some_and(|first| is_sealed(*first)) {
        return sealed(datagram);
    }
    let (body, crc) = datagram.split_last_chunk::<CRC>().ok_or(DecodeError::Truncated)?;
    if checksum(body) != u32::from_be_bytes(*crc) {
        return Err(DecodeError::Checksum);
    }
    let mut r = Reader::new(body);
    let (kind, id) = (r.u8()?, ConnectionId(r.u64()?));
    let packet = match kind {
        HELLO => {
            let (version, service, credit) = (r.u8()?, r.u8()?, credit(&mut r)?);
            let (cookie, handshake) = (cookie(&mut r)?, handshake(&mut r)?);
            r.rest();
            return Ok((id, Packet::Hello { version, service, credit, cookie, handshake }));
        }
        RETRY => Packet::Retry { cookie: cookie(&mut r)?, handshake: handshake(&mut r)? },
        ACCEPT => {
            let credit = credit(&mut r)?;
            let proof = if r.remaining() == 0 { None } else { r.take(PROOF)?.first_chunk().copied() };
            Packet::Accept { credit, proof }
        }
        REFUSE => {
            Packet::Refuse { code: Code::from_number(r.u16()?), text: r.text("reason", TEXT_LIMIT)?.into() }
        }
        DATA | DATA_NOW | DATA_IN_ORDER => {
            let number = PacketNumber(r.u64()?);
            let start = body.len() - r.remaining();
            let (now, in_order) = (kind != DATA, kind == DATA_IN_ORDER);
            return Ok((id, Packet::Data { number, now, in_order, frames: start..body.len() }));
        }
        kind => return Err(DecodeError::Unknown { what: "datagram", value: u64::from(kind) }),
    };
    r.finish((id, packet))
}

/// True for DATA of an encrypted connection.
const fn is_sealed(first: u8) -> bool {
    matches!(first, DATA_SEALED..=LAST)
}

fn sealed(datagram: &[u8]) -> Result<(ConnectionId, Packet), DecodeError> {
    let mut r = Reader::new(datagram);
    let (_, id, number) = (r.u8()?, ConnectionId(r.u64()?), PacketNumber(r.u64()?));
    r.take(PROOF)?;
    Ok((id, Packet::Sealed { number }))
}

/// A [`Packet::Sealed`] as DATA, once it was opened in place: `datagram` has no tag any more.
pub fn unsealed(datagram: &[u8], number: PacketNumber) -> Packet {
    let kind = datagram[0] - SEALED;
    let (now, in_order) = (kind != DATA, kind == DATA_IN_ORDER);
    Packet::Data { number, now, in_order, frames: DATA_HEAD..datagram.len() }
}

/// An opened datagram, without its tag, as DATA without a check sum.
pub fn unsealed_bytes(datagram: &[u8]) -> Vec<u8> {
    let mut out = datagram.to_vec();
    out[0] -= SEALED;
    out
}

/// Makes DATA, without its check sum, what is to be sealed: its head does not change any more.
pub fn begin_seal(out: &mut [u8]) {
    out[0] += SEALED;
}

fn credit(r: &mut Reader<'_>) -> Result<Credit, DecodeError> {
    Ok(Credit { stream: r.u64()?, block: r.u64()? })
}

fn cookie(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let length = usize::from(r.u8()?);
    if length > COOKIE_LIMIT {
        return Err(DecodeError::Oversize { what: "cookie", limit: COOKIE_LIMIT as u64 });
    }
    Ok(r.take(length)?.to_vec())
}

/// The message of a handshake; empty without one, and where zeros follow.
fn handshake(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    if r.remaining() == 0 {
        return Ok(Vec::new());
    }
    let length = usize::from(r.u8()?);
    if length > HANDSHAKE_LIMIT {
        return Err(DecodeError::Oversize { what: "handshake", limit: HANDSHAKE_LIMIT as u64 });
    }
    Ok(r.take(length)?.to_vec())
}

fn push_handshake(out: &mut Vec<u8>, handshake: &[u8]) {
    if !handshake.is_empty() {
        out.push(handshake.len() as u8);
        out.extend(handshake);
    }
}

/// Encodes any datagram except DATA, with its check sum.
///
/// # Panics
/// If `packet` is DATA: that is built with [`begin_data`] and [`finish`].
pub fn encode(id: ConnectionId, packet: &Packet) -> Vec<u8> {
    let mut out = Vec::with_capacity(BASE_DATAGRAM);
    let head = |out: &mut Vec<u8>, kind: u8| {
        out.push(kind);
        out.extend(id.0.to_be_bytes());
    };
    let push_credit = |out: &mut Vec<u8>, credit: &Credit| {
        out.extend(credit.stream.to_be_bytes());
        out.extend(credit.block.to_be_bytes());
    };
    match packet {
        Packet::Hello { version, service, credit, cookie, handshake } => {
            head(&mut out, HELLO);
            out.extend([*version, *service]);
            push_credit(&mut out, credit);
            out.push(cookie.len() as u8);
            out.extend(cookie);
            push_handshake(&mut out, handshake);
            out.resize(BASE_DATAGRAM - CRC, 0);
        }
        Packet::Retry { cookie, handshake } => {
            head(&mut out, RETRY);
            out.push(cookie.len() as u8);
            out.extend(cookie);
            push_handshake(&mut out, handshake);
        }
        Packet::Accept { credit, proof } => {
            head(&mut out, ACCEPT);
            push_credit(&mut out, credit);
            out.extend(proof.iter().flatten());
        }
        Packet::Refuse { code, text } => {
            head(&mut out, REFUSE);
            let text = cut(text, 512);
            out.extend(code.number().to_be_bytes());
            out.extend((text.len() as u16).to_be_bytes());
            out.extend(text.as_bytes());
        }
        Packet::Data { .. } | Packet::Sealed { .. } => {
            unreachable!("DATA is built by `begin_data` and `finish`")
        }
    }
    finish(&mut out);
    out
}

/// A HELLO with this version: the first datagram of a client. `handshake` is made of all bytes before it.
pub fn hello(
    id: ConnectionId,
    service: u8,
    credit: Credit,
    cookie: Vec<u8>,
    handshake: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let before = HELLO_HEAD + 1 + cookie.len();
    let packet = |cookie, handshake| Packet::Hello { version: VERSION, service, credit, cookie, handshake };
    let plain = encode(id, &packet(cookie.clone(), Vec::new()));
    match handshake(&plain[..before]) {
        none if none.is_empty() => plain,
        handshake => encode(id, &packet(cookie, handshake)),
    }
}

/// An ACCEPT; `proof` is made of all bytes before it.
pub fn accept(id: ConnectionId, credit: Credit, proof: impl FnOnce(&[u8]) -> Option<[u8; PROOF]>) -> Packet {
    let plain = encode(id, &Packet::Accept { credit, proof: None });
    Packet::Accept { credit, proof: proof(&plain[..plain.len() - CRC]) }
}

/// The bytes of an ACCEPT before its proof.
pub fn proven_by_accept(datagram: &[u8]) -> &[u8] {
    &datagram[..datagram.len().saturating_sub(PROOF + CRC)]
}

/// The bytes of a HELLO before its handshake.
pub fn before_handshake<'d>(datagram: &'d [u8], cookie: &[u8]) -> &'d [u8] {
    &datagram[..(HELLO_HEAD + 1 + cookie.len()).min(datagram.len())]
}

/// Begins a DATA datagram in an empty buffer; frames follow, then [`finish`].
pub fn begin_data(out: &mut Vec<u8>, id: ConnectionId, number: PacketNumber) {
    out.push(DATA);
    out.extend(id.0.to_be_bytes());
    out.extend(number.0.to_be_bytes());
}

/// Marks this DATA datagram as one to be acknowledged at once.
pub fn acknowledge_now(out: &mut [u8]) {
    out[0] = DATA_NOW;
}

/// Marks this DATA datagram as one to be taken only if its block is the next in order.
pub fn in_order_only(out: &mut [u8]) {
    out[0] = DATA_IN_ORDER;
}

/// Appends the check sum; nothing may follow it.
pub fn finish(out: &mut Vec<u8>) {
    let crc = checksum(out);
    out.extend(crc.to_be_bytes());
}

/// A frame inside DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataFrame {
    /// Acknowledged packet numbers and the sender's credit limits.
    Ack(Ack),
    /// A part of the ordered stream.
    Stream {
        /// Offset of the first byte in the stream.
        offset: u64,
        /// A slice of the datagram.
        bytes: Bytes,
    },
    /// A piece of a block.
    Block {
        /// The first piece number, see [`UNIT`].
        number: SegmentNumber,
        /// Offset of the first byte in the file.
        offset: u64,
        /// A slice of the datagram.
        bytes: Bytes,
    },
    /// Asks for an acknowledgement.
    Ping,
    /// Zeros up to the end: padding of a path MTU probe.
    Pad,
    /// The connection is over.
    Close {
        /// The reason for programs.
        code: Code,
        /// The reason for people; empty after a close in order.
        text: String,
    },
}

/// Type of [`DataFrame::Pad`].
pub const FRAME_PAD: u8 = 0x00;
/// Type of [`DataFrame::Stream`].
pub const FRAME_STREAM: u8 = 0x02;
/// Type of [`DataFrame::Block`].
pub const FRAME_BLOCK: u8 = 0x03;
/// Type of [`DataFrame::Ping`].
pub const FRAME_PING: u8 = 0x04;
/// Type of [`DataFrame::Close`].
pub const FRAME_CLOSE: u8 = 0x05;

/// Iterates over the frames of a DATA datagram without copying their bytes. Ends after the first error.
pub struct DataFrames {
    datagram: Bytes,
    at: usize,
    end: usize,
}

impl DataFrames {
    /// `frames` is the range in [`Packet::Data`], as [`decode`] gave it for this datagram.
    pub fn new(datagram: Bytes, frames: &Range<usize>) -> Self {
        Self { datagram, at: frames.start, end: frames.end }
    }

    fn read(&mut self) -> Result<DataFrame, DecodeError> {
        let mut r = Reader::new(&self.datagram[self.at..self.end]);
        let frame = match r.u8()? {
            ack::FRAME_RANGES => DataFrame::Ack(ack::read_ranges(&mut r)?),
            ack::FRAME_BITMAP => DataFrame::Ack(ack::read_bitmap(&mut r)?),
            FRAME_STREAM => {
                let offset = r.varint()?;
                DataFrame::Stream { offset, bytes: self.slice(&mut r)? }
            }
            FRAME_BLOCK => {
                let (number, offset) = (SegmentNumber(r.varint()?), r.varint()?);
                DataFrame::Block { number, offset, bytes: self.slice(&mut r)? }
            }
            FRAME_PING => DataFrame::Ping,
            FRAME_PAD => {
                r.rest();
                DataFrame::Pad
            }
            FRAME_CLOSE => DataFrame::Close {
                code: Code::from_number(r.u16()?),
                text: r.text("reason", TEXT_LIMIT)?.into(),
            },
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        self.at = self.end - r.remaining();
        Ok(frame)
    }

    fn slice(&self, r: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
        let length = usize::try_from(r.varint()?).map_err(|_| DecodeError::Truncated)?;
        r.take(length)?;
        let end = self.end - r.remaining();
        Ok(self.datagram.slice(end - length..end))
    }
}

impl Iterator for DataFrames {
    type Item = Result<DataFrame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let frame = self.read();
        if frame.is_err() {
            self.at = self.end;
        }
        Some(frame)
    }
}

/// Pads a datagram with zeros so that it has `size` bytes with its check sum.
pub fn push_pad(out: &mut Vec<u8>, size: usize) {
    out.resize(out.len().max(size - CRC), FRAME_PAD);
}

/// Appends a STREAM frame; `offset` is that of the first byte in the ordered stream.
pub fn push_stream(out: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    out.push(FRAME_STREAM);
    push_varint(out, offset);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a BLOCK frame; `number` is the first piece number, `offset` that of the first byte in the file.
pub fn push_block(out: &mut Vec<u8>, number: SegmentNumber, offset: u64, bytes: &[u8]) {
    out.push(FRAME_BLOCK);
    push_varint(out, number.0);
    push_varint(out, offset);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a PING frame.
pub fn push_ping(out: &mut Vec<u8>) {
    out.push(FRAME_PING);
}

/// Appends a CLOSE frame; `text` is cut at 512 bytes.
pub fn push_close(out: &mut Vec<u8>, code: Code, text: &str) {
    let text = cut(text, 512);
    out.push(FRAME_CLOSE);
    out.extend(code.number().to_be_bytes());
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(build: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut out = Vec::new();
        begin_data(&mut out, ConnectionId(9), PacketNumber(77));
        build(&mut out);
        finish(&mut out);
        out.into()
    }

    fn frames(datagram: &Bytes) -> Result<Vec<DataFrame>, DecodeError> {
        match decode(datagram)?.1 {
            Packet::Data { frames, .. } => DataFrames::new(datagram.clone(), &frames).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn handshake_datagrams_read_back() {
        let credit = Credit { stream: 1, block: 2 };
        for packet in [
            Packet::Hello { version: 1, service: 2, credit, cookie: vec![1, 2, 3], handshake: vec![] },
            Packet::Hello { version: 1, service: 2, credit, cookie: vec![1], handshake: vec![7; 49] },
            Packet::Retry { cookie: vec![9; 16], handshake: vec![] },
            Packet::Retry { cookie: vec![9; 16], handshake: vec![8; 49] },
            Packet::Accept { credit, proof: None },
            Packet::Accept { credit, proof: Some([3; PROOF]) },
            Packet::Refuse { code: Code::Busy, text: "full".into() },
        ] {
            assert_eq!(decode(&encode(ConnectionId(42), &packet)), Ok((ConnectionId(42), packet)));
        }
        let first = hello(ConnectionId(1), 1, credit, vec![5; 16], |before| {
            assert_eq!(before.len(), HELLO_HEAD + 17);
            vec![4; 49]
        });
        assert_eq!(first.len(), BASE_DATAGRAM);
        assert_eq!(before_handshake(&first, &[5; 16]).len(), HELLO_HEAD + 17);
    }

    #[test]
    fn frames_read_back() {
        let ack = Ack {
            delay_micros: 5,
            stream_limit: 6,
            block_limit: 7,
            marked: 1,
            ranges: vec![90..100, 50..80, 0..1],
        };
        let datagram = data(|out| {
            ack::push_ack(out, &ack, 500);
            push_stream(out, 10, b"abc");
            push_block(out, SegmentNumber(3), 4096, b"defg");
            push_ping(out);
            push_close(out, Code::Cancelled, "bye");
        });
        let expected = vec![
            DataFrame::Ack(ack),
            DataFrame::Stream { offset: 10, bytes: Bytes::from_static(b"abc") },
            DataFrame::Block { number: SegmentNumber(3), offset: 4096, bytes: Bytes::from_static(b"defg") },
            DataFrame::Ping,
            DataFrame::Close { code: Code::Cancelled, text: "bye".into() },
        ];
        assert_eq!(frames(&datagram), Ok(expected));
    }

    #[test]
    fn an_ack_keeps_the_highest_ranges_that_fit() {
        let ranges: Vec<Range<u64>> = (0..300u64).rev().map(|n| n * 10..n * 10 + 3).collect();
        let ack = Ack { ranges, ..Ack::default() };
        let datagram = data(|out| ack::push_ack(out, &ack, 200));
        assert!(datagram.len() < 200 + DATA_OVERHEAD);
        let Ok([DataFrame::Ack(read)]) = frames(&datagram).as_deref().map(|f| [f[0].clone()]) else {
            panic!()
        };
        assert_eq!(read.ranges, ack.ranges[..read.ranges.len()]);
        assert!(read.ranges.len() > 5);
    }

    #[test]
    fn row_48_every_truncation_and_every_flipped_bit_is_refused() {
        let datagram = data(|out| push_block(out, SegmentNumber(1), 2, b"payload"));
        for end in 0..datagram.len() {
            assert!(decode(&datagram[..end]).is_err(), "{end}");
        }
        for bit in 0..datagram.len() * 8 {
            let mut bytes = datagram.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if is_sealed(bytes[0]) {
                // It has no check sum, and no connection that is not encrypted heeds it.
                assert_eq!((bit, bytes[0]), (2, DATA_SEALED + 1));
                continue;
            }
            assert_eq!(decode(&bytes), Err(DecodeError::Checksum));
        }
    }

    #[test]
    fn random_frames_with_a_right_check_sum_never_panic() {
        let mut state = 5u64;
        for round in 0..50_000 {
            let datagram = data(|out| {
                for _ in 0..round % 40 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    out.push(((state >> 33) % if round % 2 == 0 { 256 } else { 8 }) as u8);
                }
            });
            let _ = frames(&datagram);
        }
    }
}
