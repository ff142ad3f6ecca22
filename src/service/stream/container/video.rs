//! FLV, which says its length in its first tag, and MPEG-TS, which only has clocks.

use super::{Media, ReadAt};

/// Looked through for `onMetaData`.
const FRONT: usize = 16 << 10;
/// Looked through for a clock, at either end.
const CLOCK_WINDOW: usize = 512 << 10;
const PACKET: usize = 188;
/// The clock of MPEG-TS, in Hz, and where it starts again.
const CLOCK: f64 = 90_000.0;
const CLOCK_WRAP: u64 = 1 << 33;

pub(super) fn flv(file: &impl ReadAt) -> Option<Media> {
    let front = file.bytes(0, FRONT);
    let word = b"\0\x08duration\0";
    let seconds = front
        .windows(word.len() + 8)
        .find(|window| window.starts_with(word))
        .map(|window| f64::from_be_bytes(window[word.len()..].try_into().unwrap_or_default()));
    Some(Media::new("flv", seconds, None))
}

/// From the first program clock reference to the last one of the same program.
pub(super) fn mpeg_ts(file: &impl ReadAt) -> Option<Media> {
    let front = file.bytes(0, CLOCK_WINDOW);
    let synced = [0, PACKET, 2 * PACKET].iter().all(|&at| front.get(at).is_none_or(|&byte| byte == 0x47));
    if !synced {
        return None;
    }
    let (program, first) = front.chunks_exact(PACKET).find_map(clock)?;
    let start = file.size().saturating_sub(CLOCK_WINDOW as u64) / PACKET as u64 * PACKET as u64;
    let back = file.bytes(start, CLOCK_WINDOW + PACKET);
    let last = back.chunks_exact(PACKET).rev().filter_map(clock).find(|(other, _)| *other == program);
    let seconds =
        last.map(|(_, last)| (last + CLOCK_WRAP - first) % CLOCK_WRAP).map(|ticks| ticks as f64 / CLOCK);
    Some(Media::new("mpegts", seconds, None))
}

/// Which packets carry a clock, and its base of 33 bits.
fn clock(packet: &[u8]) -> Option<(u16, u64)> {
    let has_clock = packet[0] == 0x47 && packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    let base = packet[6..11].iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)) >> 7;
    has_clock.then(|| (u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), base))
}
