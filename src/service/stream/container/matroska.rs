//! Matroska and WebM: EBML elements. Duration and title are in `Segment/Info`.

use std::ops::Range;

use super::{Media, ReadAt, TITLE_LIMIT, text};

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
const DURATION: u32 = 0x4489;
const TITLE: u32 = 0x7ba9;
/// Maximum elements read on one level.
const ELEMENT_LIMIT: usize = 4096;
/// Nanoseconds per tick, unless the file says otherwise.
const DEFAULT_SCALE: u64 = 1_000_000;

pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let segment = find(file, 0..file.size(), SEGMENT)?;
    let info = find(file, segment, INFO)?;
    let scale = find(file, info.clone(), TIMESTAMP_SCALE).map_or(DEFAULT_SCALE, |place| {
        number(&file.bytes(place.start, (place.end - place.start).min(8) as usize))
    });
    let ticks = find(file, info.clone(), DURATION).and_then(|place| match place.end - place.start {
        4 => Some(f64::from(f32::from_be_bytes(file.array(place.start)?))),
        8 => Some(f64::from_be_bytes(file.array(place.start)?)),
        _ => None,
    });
    let title = find(file, info, TITLE).map(|place| {
        text(&file.bytes(place.start, (place.end - place.start).min(4 * TITLE_LIMIT as u64) as usize))
    });
    Some(Media::new("matroska", ticks.map(|ticks| ticks * scale as f64 / 1e9), title))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// The body of the first element with this id within `range`.
fn find(file: &impl ReadAt, mut range: Range<u64>, id: u32) -> Option<Range<u64>> {
    for _ in 0..ELEMENT_LIMIT {
        let head = file.bytes(range.start, 12);
        let id_length = head.first()?.leading_zeros() as usize + 1;
        let found = number(head.get(..id_length.min(4))?);
        let size = head.get(id_length..)?;
        let size_length = size.first()?.leading_zeros() as usize + 1;
        let value = number(size.get(..size_length)?) & ((1 << (7 * size_length)) - 1);
        let start = range.start + (id_length + size_length) as u64;
        // All ones: the size is unknown, up to the end of the parent; a live recording has such a segment.
        let unknown = value == (1 << (7 * size_length)) - 1;
        let end = if unknown { range.end } else { start.checked_add(value)?.min(range.end) };
        if found == u64::from(id) {
            return Some(start..end.max(start));
        }
        range.start = end;
        if range.start >= range.end {
            return None;
        }
    }
    None
}
