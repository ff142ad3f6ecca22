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
//!
//! | file | holds |
//! |---|---|
//! | `decode` | reads a datagram |
//! | `encode` | writes one |
//! | `sealed` | DATA of an encrypted connection |
//! | `frames` | the frames inside DATA |

mod decode;
mod encode;
mod frames;
mod sealed;

use std::ops::Range;

pub use decode::decode;
pub use encode::{
    accept, acknowledge_now, before_handshake, begin_data, encode, finish, hello, in_order_only,
    proven_by_accept,
};
pub use frames::{
    DataFrame, DataFrames, FRAME_BLOCK, FRAME_CLOSE, FRAME_PAD, FRAME_PING, FRAME_STREAM, push_block,
    push_close, push_pad, push_ping, push_stream,
};
pub use sealed::{begin_seal, unsealed, unsealed_bytes};

use super::{Code, PacketNumber};

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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::sealed::is_sealed;
    use super::*;
    use crate::wire::ack::{self, Ack};
    use crate::wire::{ConnectionId, DecodeError, SegmentNumber};

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
