//! Places where a decoder can begin: a viewer that is too far behind skips to one of them.

use std::ops::Range;

use super::search::{self, Pattern};
use super::{ReadAt, mp4, riff, video};

/// A Matroska cluster: its id, 1 to 8 bytes of size, and its first element: the timestamp, a checksum or a void
/// element.
const CLUSTER: Pattern = Pattern {
    length: 13,
    is_at: |bytes| {
        let width = bytes[4].leading_zeros() as usize + 1;
        bytes.starts_with(b"\x1f\x43\xb6\x75") && width <= 8 && matches!(bytes[4 + width], 0xe7 | 0xbf | 0xec)
    },
};
/// A page of Ogg with a granule position above 0: the pages of the headers have 0.
const OGG_PAGE: Pattern =
    Pattern { length: 14, is_at: |bytes| bytes.starts_with(b"OggS\0") && bytes[6..14] != [0; 8] };
/// Bytes at the front that are never left out, for they may hold a header; the samples after it decode one by one.
const PLAIN_FRONT: u64 = 4096;
/// How often a way that leads to no place is halved.
const HALVINGS: u32 = 5;

/// The range that may be left out of a film, from `from` to at least `to`, so that a decoder can go on after it.
/// `None`: there is no such place nearby, or the index lies in the range, or it is not known for this container.
///
/// Where a container is a sequence of units, whole units are left out, and [`filler`] can replace them.
pub(super) fn omission(file: &impl ReadAt, container: &str, from: u64, to: u64) -> Option<Range<u64>> {
    let is_behind_front =
        |pattern: &Pattern| search::first(file, 0, pattern).is_some_and(|front| front <= from);
    let pieces = |pattern: &Pattern| {
        is_behind_front(pattern).then_some(())?;
        let start = search::first(file, from, pattern)?;
        Some(start..search::first(file, to.max(start + 1), pattern)?)
    };
    let pictures = |places: Vec<u64>| {
        places.iter().min().filter(|&&front| front <= from)?;
        Some(from..places.into_iter().filter(|&place| place >= to && place < file.size()).min()?)
    };
    match container {
        "mp4" => match mp4::key_places(file).filter(|places| !places.is_empty()) {
            Some(places) => pictures(places),
            None => pieces(&mp4::FRAGMENT),
        },
        "avi" => pictures(riff::key_places(file)?),
        "matroska" => pieces(&CLUSTER),
        "mpegts" => Some(video::mpeg_ts_packet(from)..video::mpeg_ts_key(file, to)?),
        "flv" => {
            is_behind_front(&video::FLV_KEY).then_some(())?;
            Some(from..search::first(file, to, &video::FLV_KEY)?)
        }
        "ogg" => pieces(&OGG_PAGE),
        "mp3" | "mp2" | "mp1" | "aac" | "wav" | "aiff" => (from >= PLAIN_FRONT).then_some(from..to),
        _ => None,
    }
    .filter(|range| range.start < range.end)
}

/// As [`omission`]; but if there is no place as far away as `to`, as near the end of a film, the farthest of some
/// before it.
pub(crate) fn omission_before(file: &impl ReadAt, container: &str, from: u64, to: u64) -> Option<Range<u64>> {
    (0..=HALVINGS).find_map(|halvings| {
        let nearer = from + (to.saturating_sub(from) >> halvings);
        omission(file, container, from, nearer)
    })
}

/// What is to be replaced by [`filler`] where nothing came for `gap`, so that a decoder finds its next unit.
///
/// The boxes of an MP4 follow one another: a gap that hides where one ends goes on to the next fragment, or to the end.
pub(crate) fn patch(file: &impl ReadAt, gap: &Range<u64>) -> Range<u64> {
    match mp4::box_end(file, gap.start).filter(|&end| end < gap.end) {
        Some(end) => end..search::first(file, gap.end, &mp4::FRAGMENT).unwrap_or(file.size()),
        None => gap.clone(),
    }
}

/// What replaces a part of a film that was left out: the first bytes, and bytes that are repeated after them. Decoders
/// skip it. Where the container has nothing for that, it is zeros: decoders ignore them, or search for the next unit.
pub(crate) fn filler(file: &impl ReadAt, range: &Range<u64>) -> (Vec<u8>, &'static [u8]) {
    let (head, length) = (file.bytes(0, 12), range.end - range.start);
    match head.get(4..8) {
        // A free box with a 64-bit size.
        Some(b"ftyp") if length >= 16 => ([&b"\0\0\0\x01free"[..], &length.to_be_bytes()].concat(), &[0]),
        // A void element with a 56-bit size.
        _ if head.starts_with(b"\x1a\x45\xdf\xa3") && length >= 9 => {
            let mut void = (length - 9).to_be_bytes();
            void[0] = 0x01;
            ([&b"\xec"[..], &void].concat(), &[0])
        }
        _ if video::is_mpeg_ts(file) => {
            // Empty packets must begin at a packet boundary.
            let skipped = (range.start % video::EMPTY_PACKET.len() as u64) as usize;
            let rest = if skipped == 0 { &[][..] } else { &video::EMPTY_PACKET[skipped..] };
            (rest.to_vec(), &video::EMPTY_PACKET)
        }
        _ => (Vec::new(), &[0]),
    }
}
