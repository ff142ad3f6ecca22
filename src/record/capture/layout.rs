//! The bytes of the protocol as tables: each datagram and each frame with its fields in order. The script for Wireshark
//! is made from them. The numbers are those of `wire`; a test reads real datagrams by these tables.

use crate::wire::{ack, datagram, frame};

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A big-endian number.
    U8,
    /// The same.
    U16,
    /// The same.
    U64,
    /// The same, a number that the table of error codes explains.
    Code,
    /// A varint of RFC 9000.
    Varint,
    /// As many bytes as the number before it says.
    Bytes,
    /// The same, in UTF-8.
    Text,
    /// Everything that is left.
    Rest,
    /// Frames, as many as there are.
    Frames,
    /// Ranges of packet numbers; the count of them and the largest number stand before it.
    Ranges,
    /// Packet numbers as a bitmap; the largest number and the bytes of the bitmap stand before it.
    Bitmap,
}

/// A field: its name after `nls.`, how it is written, and its name for people.
pub(super) type Field = (&'static str, Form, &'static str);

/// What a type byte announces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

const fn row(number: u8, name: &'static str, fields: &'static [Field]) -> Row {
    Row { number, name, fields }
}

use Form::{Bitmap, Bytes, Code, Frames, Ranges, Rest, Text, U8, U16, U64, Varint};

const COOKIE_LENGTH: Field = ("cookie.length", U8, "Bytes of the cookie");
const COOKIE: Field = ("cookie", Bytes, "Cookie");
const STREAM_CREDIT: Field = ("credit.stream", U64, "Stream credit");
const BLOCK_CREDIT: Field = ("credit.block", U64, "Block credit");
const DATA: &[Field] = &[("number", U64, "Packet number"), ("frames", Frames, "Frames")];
const SEALED: &[Field] = &[("number", U64, "Packet number"), ("sealed", Rest, "Encrypted, with its tag")];

/// Datagrams, after the type and the id, up to the check sum, which sealed ones do not have.
pub(super) const DATAGRAMS: &[Row] = &[
    row(
        datagram::HELLO,
        "HELLO",
        &[
            ("version", U8, "Version"),
            ("service", U8, "Service"),
            STREAM_CREDIT,
            BLOCK_CREDIT,
            COOKIE_LENGTH,
            COOKIE,
            ("padding", Rest, "Padding"),
        ],
    ),
    row(datagram::RETRY, "RETRY", &[COOKIE_LENGTH, COOKIE, ("handshake", Rest, "Handshake")]),
    row(datagram::ACCEPT, "ACCEPT", &[STREAM_CREDIT, BLOCK_CREDIT, ("proof", Rest, "Proof")]),
    row(
        datagram::REFUSE,
        "REFUSE",
        &[
            ("refuse.code", Code, "Code"),
            ("refuse.text.length", U16, "Bytes of the reason"),
            ("refuse.text", Text, "Reason"),
        ],
    ),
    row(datagram::DATA, "DATA", DATA),
    row(datagram::DATA_NOW, "DATA now", DATA),
    row(datagram::DATA_IN_ORDER, "DATA in order", DATA),
    row(datagram::DATA_SEALED, "SEALED", SEALED),
    row(datagram::DATA_SEALED + 1, "SEALED now", SEALED),
    row(datagram::DATA_SEALED + 2, "SEALED in order", SEALED),
];

const DELAY: Field = ("ack.delay", Varint, "Delay in microseconds");
const STREAM_LIMIT: Field = ("ack.stream_limit", Varint, "Stream limit");
const BLOCK_LIMIT: Field = ("ack.block_limit", Varint, "Block limit");
const MARKED: Field = ("ack.marked", Varint, "Packets with an ECN mark");
const LARGEST: Field = ("ack.largest", Varint, "Largest packet number");

/// Frames in DATA, after the type.
pub(super) const FRAMES: &[Row] = &[
    row(datagram::FRAME_PAD, "PAD", &[("padding", Rest, "Padding")]),
    row(
        ack::FRAME_RANGES,
        "ACK",
        &[
            DELAY,
            STREAM_LIMIT,
            BLOCK_LIMIT,
            MARKED,
            ("ack.count", Varint, "Number of ranges"),
            LARGEST,
            ("ack.ranges", Ranges, "Acknowledged"),
        ],
    ),
    row(
        datagram::FRAME_STREAM,
        "STREAM",
        &[
            ("stream.offset", Varint, "Offset in the stream"),
            ("stream.length", Varint, "Length"),
            ("stream.data", Bytes, "Part of the stream"),
        ],
    ),
    row(
        datagram::FRAME_BLOCK,
        "BLOCK",
        &[
            ("block.number", Varint, "Piece number"),
            ("block.offset", Varint, "Offset in the file"),
            ("block.length", Varint, "Length"),
            ("block.data", Bytes, "Piece of a file"),
        ],
    ),
    row(datagram::FRAME_PING, "PING", &[]),
    row(
        datagram::FRAME_CLOSE,
        "CLOSE",
        &[
            ("close.code", Code, "Code"),
            ("close.text.length", U16, "Bytes of the reason"),
            ("close.text", Text, "Reason"),
        ],
    ),
    row(
        ack::FRAME_BITMAP,
        "ACK bitmap",
        &[
            DELAY,
            STREAM_LIMIT,
            BLOCK_LIMIT,
            MARKED,
            LARGEST,
            ("ack.bytes", Varint, "Bytes of the bitmap"),
            ("ack.ranges", Bitmap, "Acknowledged"),
        ],
    ),
];

/// The preface of a TCP connection, after its magic number.
pub(super) const PREFACE: &[Field] = &[
    ("version", U8, "Version"),
    ("service", U8, "Service"),
    ("flags", U8, "Flags"),
    ("reserved", U8, "Reserved"),
];

/// Frames over TCP that every service has, after size and kind. The bodies of others are not in here: each service has
/// its own.
pub(super) const TCP_FRAMES: &[Row] = &[
    row(frame::LINE, "LINE", &[("body", Rest, "Body")]),
    row(
        frame::BLOCK,
        "BLOCK",
        &[("block.offset", U64, "Offset in the file"), ("block.data", Rest, "Piece of a file")],
    ),
    row(
        frame::ERROR,
        "ERROR",
        &[
            ("error.code", Code, "Code"),
            ("error.text.length", U16, "Bytes of the reason"),
            ("error.text", Text, "Reason"),
        ],
    ),
];
