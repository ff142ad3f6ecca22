//! MP4 and its like: boxes in boxes. The length stands in `moov/mvhd`, or in `moov/mvex/mehd` where the film is cut
//! into fragments; the title in `moov/udta/meta/ilst/©nam/data`.

use std::ops::Range;

use super::{Media, ReadAt, TITLE_LIMIT, text};

/// Boxes that are looked at on one level.
const BOX_LIMIT: usize = 4096;

pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let whole = 0..file.size();
    let moov = find(file, whole, b"moov")?;
    let seconds = find(file, moov.clone(), b"mvhd").and_then(|mvhd| header(file, &mvhd, moov.clone()));
    Some(Media::new("mp4", seconds, title(file, moov)))
}

/// The body of the first box of a kind within `range`.
fn find(file: &impl ReadAt, mut range: Range<u64>, kind: &[u8; 4]) -> Option<Range<u64>> {
    for _ in 0..BOX_LIMIT {
        let head = file.array::<8>(range.start)?;
        let (size, found) = (u32::from_be_bytes([head[0], head[1], head[2], head[3]]), &head[4..]);
        let (length, front) = match size {
            // To the end of what holds it.
            0 => (range.end.checked_sub(range.start)?, 8),
            1 => (u64::from_be_bytes(file.array(range.start + 8)?), 16),
            size => (u64::from(size), 8),
        };
        let end = range.start.checked_add(length).filter(|&end| length >= front && end <= range.end)?;
        if found == kind {
            return Some(range.start + front..end);
        }
        range.start = end;
        if range.is_empty() {
            return None;
        }
    }
    None
}

/// Seconds, from `mvhd`; for fragments from `mehd`, in the same units.
fn header(file: &impl ReadAt, mvhd: &Range<u64>, moov: Range<u64>) -> Option<f64> {
    let (scale, duration) = match file.array::<1>(mvhd.start)? {
        [1] => (file.array(mvhd.start + 20)?, u64::from_be_bytes(file.array(mvhd.start + 24)?)),
        _ => (file.array(mvhd.start + 12)?, u64::from(u32::from_be_bytes(file.array(mvhd.start + 16)?))),
    };
    let scale = f64::from(u32::from_be_bytes(scale));
    if duration > 0 {
        return Some(duration as f64 / scale);
    }
    let mehd = find(file, moov, b"mvex").and_then(|mvex| find(file, mvex, b"mehd"))?;
    let duration = match file.array::<1>(mehd.start)? {
        [1] => u64::from_be_bytes(file.array(mehd.start + 4)?),
        _ => u64::from(u32::from_be_bytes(file.array(mehd.start + 4)?)),
    };
    Some(duration as f64 / scale)
}

fn title(file: &impl ReadAt, moov: Range<u64>) -> Option<String> {
    let mut place = find(file, moov, b"udta")?;
    place = find(file, place, b"meta")?;
    place.start += 4;
    for kind in [b"ilst", b"\xa9nam", b"data"] {
        place = find(file, place, kind)?;
    }
    let length = (place.end - place.start).checked_sub(8)?.min(4 * TITLE_LIMIT as u64);
    Some(text(&file.bytes(place.start + 8, length as usize)))
}
