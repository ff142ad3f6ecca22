//! A segment of TCP as a capture shows it.

use std::ops::Range;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// Bytes of an Ethernet packet without the headers of TCP and of IPv4 or IPv6.
const V4_LIMIT: usize = 1460;
const V6_LIMIT: usize = 1440;

/// What is in a header, and which bytes follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// From the receiver of what the caller gave to its sender.
    pub(super) is_answer: bool,
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledgment: u32,
    /// Range of the bytes that the caller gave.
    pub(super) payload: Range<usize>,
}

impl Segment {
    /// Most bytes of one segment.
    pub(super) const fn size_limit(is_v4: bool) -> usize {
        if is_v4 { V4_LIMIT } else { V6_LIMIT }
    }
}
