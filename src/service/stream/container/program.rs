//! MPEG program streams of MPEG-1 (ISO/IEC 11172-1) and MPEG-2 (ISO/IEC 13818-1): packets with presentation timestamps.

use super::{Media, ReadAt};

/// Bytes searched at either end of the file.
const WINDOW: usize = 1 << 20;
/// Ticks per second of the timestamps, and the value at which they wrap.
const CLOCK: f64 = 90_000.0;
const CLOCK_WRAP: u64 = 1 << 33;
/// Maximum stuffing bytes before the timestamp of an MPEG-1 packet.
const STUFFING_LIMIT: usize = 16;

/// Duration from the first presentation timestamp to the last.
pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let front = file.bytes(0, WINDOW);
    let back = file.bytes(file.size().saturating_sub(WINDOW as u64), WINDOW);
    let first = times(&front).next()?;
    // Frames are not stored in the order of presentation: the latest timestamp counts.
    let last =
        times(&back).map(|time| (time + CLOCK_WRAP - first) % CLOCK_WRAP).filter(|&t| t < CLOCK_WRAP / 2);
    Some(Media::new("mpeg", last.max().map(|ticks| ticks as f64 / CLOCK), None))
}

/// Presentation timestamps of audio and video, in the order of the file.
fn times(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| is_packet(window));
    starts.filter_map(|(at, _)| time(bytes.get(at + 6..).unwrap_or_default()))
}

/// True for the start code of a packet of audio, of video, or of private data, such as AC-3.
fn is_packet(window: &[u8]) -> bool {
    matches!(window, [0, 0, 1, 0xbd | 0xc0..=0xef])
}

/// The timestamp of a packet, if it has one; `header` begins after the length of the packet.
fn time(header: &[u8]) -> Option<u64> {
    if header.first()? >> 6 == 2 {
        // MPEG-2: flags, then the length of the header.
        return if header.get(1)? & 0x80 != 0 { ticks(header.get(3..8)?) } else { None };
    }
    let stuffing = header.iter().take(STUFFING_LIMIT).take_while(|&&byte| byte == 0xff).count();
    let rest = &header[stuffing..];
    let rest = if rest.first()? >> 6 == 1 { rest.get(2..)? } else { rest };
    if matches!(rest.first()? >> 4, 2 | 3) { ticks(rest.get(..5)?) } else { None }
}

/// A timestamp: 33 bits in five bytes, with marker bits between them.
fn ticks(bytes: &[u8]) -> Option<u64> {
    let marked = bytes[0] & 1 == 1 && bytes[2] & 1 == 1 && bytes[4] & 1 == 1;
    let part = |at: usize| u64::from(bytes[at]);
    let ticks = (part(0) >> 1 & 7) << 30 | part(1) << 22 | (part(2) >> 1) << 15 | part(3) << 7 | part(4) >> 1;
    marked.then_some(ticks)
}
