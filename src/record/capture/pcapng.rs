//! Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian:
//!
//! ```text
//! | u32 kind | u32 length | body, padded to 4 | options, each padded to 4 | u32 length |
//! ```
//! `length` counts the whole block. A file may end after any block, so a reader may open it while it grows.

use crate::base::escape::escape_line;
use crate::wire::writer::cut;

/// Longest name or comment, in bytes, with its escapes; the rest is cut off.
pub const COMMENT_LIMIT: usize = 1024;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Tells a reader the order of bytes.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// LINKTYPE_RAW: a packet begins with its IPv4 or IPv6 header.
const RAW: u16 = 101;
/// No limit of bytes for each packet.
const NO_SNAPLEN: u32 = 0;

// Options; their numbers depend on the block.
const END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_PROGRAM: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;

/// Times have 10^-6 s.
const MICROSECONDS: u8 = 6;
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// A packet as a file has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    pub(super) interface: u32,
    pub(super) at_micros: u64,
    pub(super) outgoing: bool,
    pub(super) comment: &'a str,
}

/// Section Header Block: the first of a file. Its length is "unknown" (-1), because the file grows.
pub(super) fn push_section(out: &mut Vec<u8>, program: &str, comment: &str) {
    push_block(out, SECTION, |out| {
        out.extend(BYTE_ORDER.to_le_bytes());
        out.extend(1u16.to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend((-1i64).to_le_bytes());
        push_text(out, COMMENT, comment);
        push_text(out, SECTION_PROGRAM, program);
        push_option(out, END, &[]);
    });
}

/// Interface Description Block; packets name interfaces by their order.
pub(super) fn push_interface(out: &mut Vec<u8>, name: &str) {
    push_block(out, INTERFACE, |out| {
        out.extend(RAW.to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend(NO_SNAPLEN.to_le_bytes());
        push_text(out, INTERFACE_NAME, name);
        push_option(out, INTERFACE_RESOLUTION, &[MICROSECONDS]);
        push_option(out, END, &[]);
    });
}

/// Enhanced Packet Block; `bytes` begin with an IP header.
pub(super) fn push_packet(out: &mut Vec<u8>, note: &Note<'_>, bytes: &[u8]) {
    push_block(out, PACKET, |out| {
        out.extend(note.interface.to_le_bytes());
        out.extend(((note.at_micros >> 32) as u32).to_le_bytes());
        out.extend((note.at_micros as u32).to_le_bytes());
        // Captured, and on the wire.
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
        pad(out, bytes.len());
        push_text(out, COMMENT, note.comment);
        let flags = if note.outgoing { OUTBOUND } else { INBOUND };
        push_option(out, PACKET_FLAGS, &flags.to_le_bytes());
        push_option(out, END, &[]);
    });
}

fn push_block(out: &mut Vec<u8>, kind: u32, push_body: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    push_body(&mut body);
    let length = (body.len() as u32 + 12).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.append(&mut body);
    out.extend(length);
}

/// A text on one line, cut at [`COMMENT_LIMIT`]; nothing if it is empty.
fn push_text(out: &mut Vec<u8>, kind: u16, text: &str) {
    let text = escape_line(cut(text, COMMENT_LIMIT));
    let text = cut(&text, COMMENT_LIMIT);
    if !text.is_empty() {
        push_option(out, kind, text.as_bytes());
    }
}

/// `value` is at most [`COMMENT_LIMIT`] bytes.
fn push_option(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

/// Zeros up to a multiple of four.
fn pad(out: &mut Vec<u8>, length: usize) {
    out.resize(out.len() + length.next_multiple_of(4) - length, 0);
}
