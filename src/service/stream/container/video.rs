//! FLV, which gives its duration in its first tag, and MPEG-TS, which only has clock references.

use super::search::{self, Pattern};
use super::{Media, ReadAt, find, text};

/// Bytes searched for `onMetaData`.
const FRONT: usize = 16 << 10;
/// Bytes searched for a clock reference, at either end.
const CLOCK_WINDOW: usize = 512 << 10;
const PACKET: usize = 188;
/// Bytes of arrival time before each packet of an M2TS file.
const ARRIVAL: usize = 4;
/// A null packet, which carries no program: PID 0x1fff.
pub(super) const EMPTY_PACKET: [u8; PACKET] = {
    let mut packet = [0xff; PACKET];
    [packet[0], packet[1], packet[2], packet[3]] = [0x47, 0x1f, 0xff, 0x10];
    packet
};
/// The clock of MPEG-TS in Hz, and the value at which it wraps.
const CLOCK: f64 = 90_000.0;
const CLOCK_WRAP: u64 = 1 << 33;

/// A video tag of stream 0 with a keyframe.
pub(super) const FLV_KEY: Pattern =
    Pattern { length: 12, is_at: |tag| tag[0] == 9 && tag[8..11] == [0; 3] && tag[11] & 0x70 == 0x10 };
/// A packet that begins a unit, and the sync byte of the next packet.
const TS_UNIT: Pattern = Pattern { length: PACKET + 1, is_at: begins_unit };
/// The same, if the unit is a keyframe: the random access indicator is set.
const TS_KEY: Pattern = Pattern {
    length: PACKET + 1,
    is_at: |packet| {
        let unit = packet.get(5 + usize::from(packet[4])..).unwrap_or_default();
        begins_unit(packet)
            && packet[3] & 0x20 != 0
            && packet[4] > 0
            && packet[5] & 0x40 != 0
            && matches!(unit, [0, 0, 1, 0xe0..=0xef, ..])
    },
};

fn begins_unit(packet: &[u8]) -> bool {
    packet[0] == 0x47 && packet[PACKET] == 0x47 && packet[1] & 0x40 != 0
}

pub(super) fn flv(file: &impl ReadAt) -> Option<Media> {
    let front = file.bytes(0, FRONT);
    let word = b"\0\x08duration\0";
    let seconds = front
        .windows(word.len() + 8)
        .find(|window| window.starts_with(word))
        .map(|window| f64::from_be_bytes(window[word.len()..].try_into().unwrap_or_default()));
    let title = find(&front, b"\0\x05title\x02").and_then(|at| {
        let length = front.get(at + 8..at + 10)?;
        front.get(at + 10..at + 10 + usize::from(u16::from_be_bytes([length[0], length[1]])))
    });
    Some(Media::new("flv", seconds, title.map(text)))
}

/// True if each packet begins with the sync byte.
pub(super) fn is_mpeg_ts(file: &impl ReadAt) -> bool {
    let front = file.bytes(0, 2 * PACKET + 1);
    !front.is_empty()
        && [0, PACKET, 2 * PACKET].iter().all(|&at| front.get(at).is_none_or(|&byte| byte == 0x47))
}

fn is_m2ts(file: &impl ReadAt) -> bool {
    let front = file.bytes(0, 2 * (PACKET + ARRIVAL) + ARRIVAL + 1);
    let syncs = [0, 1, 2].map(|n| n * (PACKET + ARRIVAL) + ARRIVAL);
    syncs.iter().all(|&at| front.get(at) == Some(&0x47))
}

/// Duration from the first program clock reference to the last one with the same PID.
pub(super) fn mpeg_ts(file: &impl ReadAt) -> Option<Media> {
    // M2TS, as on discs, has an arrival time before each packet.
    let (container, before) = if is_mpeg_ts(file) {
        ("mpegts", 0)
    } else if is_m2ts(file) {
        ("m2ts", ARRIVAL)
    } else {
        return None;
    };
    let stride = PACKET + before;
    let clock = |packet: &[u8]| clock(&packet[before..]);
    let front = file.bytes(0, CLOCK_WINDOW);
    let (program, first) = front.chunks_exact(stride).find_map(clock)?;
    let start = file.size().saturating_sub(CLOCK_WINDOW as u64) / stride as u64 * stride as u64;
    let back = file.bytes(start, CLOCK_WINDOW + stride);
    let last = back.chunks_exact(stride).rev().filter_map(clock).find(|(other, _)| *other == program);
    let seconds =
        last.map(|(_, last)| (last + CLOCK_WRAP - first) % CLOCK_WRAP).map(|ticks| ticks as f64 / CLOCK);
    Some(Media::new(container, seconds, None))
}

/// The PID of a packet and the 33-bit base of its clock reference, if it has one.
fn clock(packet: &[u8]) -> Option<(u16, u64)> {
    let has_clock = packet[0] == 0x47 && packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    let base = packet[6..11].iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)) >> 7;
    has_clock.then(|| (u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), base))
}

/// Offset of the first packet at or after `at`.
pub(super) const fn mpeg_ts_packet(at: u64) -> u64 {
    at.next_multiple_of(PACKET as u64)
}

/// Offset of the first keyframe at or after `at`; without video, of the first unit.
pub(super) fn mpeg_ts_key(file: &impl ReadAt, at: u64) -> Option<u64> {
    search::first(file, at, &TS_KEY).or_else(|| search::first(file, at, &TS_UNIT))
}
