//! MP4 and its relatives: boxes in boxes. The duration is in `moov/mvhd`; that of a fragmented film is in
//! `moov/mvex/mehd`, else it ends with the last fragment. The title is in `moov/udta/meta/ilst/©nam/data`.
//!
//! | file | holds |
//! |---|---|
//! | `fragments` | the duration of a fragmented film |
//! | `samples` | the offsets of the keyframes |

mod fragments;
mod samples;

use std::ops::Range;

use super::{Media, ReadAt, TITLE_LIMIT, text};

pub(super) use fragments::{FRAGMENT, box_end};
pub(super) use samples::key_places;

/// Maximum boxes read on one level.
const BOX_LIMIT: usize = 4096;

pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let moov = find(file, 0..file.size(), b"moov")?;
    Some(Media::new("mp4", seconds(file, &moov), title(file, moov)))
}

/// A box: its type, and the byte range of its body.
type Found = ([u8; 4], Range<u64>);

/// The boxes in `range`, one after another; it stops before one that does not fit.
fn boxes<'a, F: ReadAt>(file: &'a F, range: &Range<u64>) -> impl Iterator<Item = Found> + use<'a, F> {
    let mut range = range.clone();
    let next = move || {
        if range.is_empty() {
            return None;
        }
        let head = file.array::<8>(range.start)?;
        let (length, front) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            // Size 0: up to the end of the parent.
            0 => (range.end - range.start, 8),
            1 => (u64::from_be_bytes(file.array(range.start + 8)?), 16),
            length => (u64::from(length), 8),
        };
        let end = range.start.checked_add(length).filter(|&end| length >= front && end <= range.end)?;
        let body = range.start + front..end;
        range.start = end;
        Some(([head[4], head[5], head[6], head[7]], body))
    };
    std::iter::from_fn(next).take(BOX_LIMIT)
}

/// The body of the first box of a type within `range`.
fn find(file: &impl ReadAt, range: Range<u64>, kind: &[u8; 4]) -> Option<Range<u64>> {
    boxes(file, &range).find(|(found, _)| found == kind).map(|(_, body)| body)
}

/// The body of the box at the end of a path of types.
fn descend<const N: usize>(file: &impl ReadAt, range: Range<u64>, path: [&[u8; 4]; N]) -> Option<Range<u64>> {
    path.into_iter().try_fold(range, |range, kind| find(file, range, kind))
}

/// A number in a full box, which has 64 bits in version 1: `[offset if of 32 bits, offset if of 64 bits]`.
fn number(file: &impl ReadAt, body: &Range<u64>, [short, long]: [u64; 2]) -> Option<u64> {
    if is_long(file, body)? {
        file.array(body.start + long).map(u64::from_be_bytes)
    } else {
        word(file, body.start + short).map(u64::from)
    }
}

/// True if times and durations of a full box have 64 bits, as in version 1.
fn is_long(file: &impl ReadAt, body: &Range<u64>) -> Option<bool> {
    file.array(body.start).map(|version: [u8; 1]| version == [1])
}

fn word(file: &impl ReadAt, place: u64) -> Option<u32> {
    file.array(place).map(u32::from_be_bytes)
}

/// The field after the two times with which `mvhd`, `mdhd` and `tkhd` begin: a timescale, or the id of a track.
fn behind_times(file: &impl ReadAt, header: &Range<u64>) -> Option<u32> {
    word(file, header.start + if is_long(file, header)? { 20 } else { 12 })
}

/// Timescale of `mvhd` or `mdhd`, in units per second.
fn scale(file: &impl ReadAt, header: &Range<u64>) -> Option<f64> {
    behind_times(file, header).filter(|&scale| scale > 0).map(f64::from)
}

/// `mvhd` includes the fragments only if it was written after them: for a fragmented film it is the last resort.
fn seconds(file: &impl ReadAt, moov: &Range<u64>) -> Option<f64> {
    let mvhd = find(file, moov.clone(), b"mvhd")?;
    let scale = scale(file, &mvhd)?;
    let mvex = find(file, moov.clone(), b"mvex");
    let whole = mvex.clone().and_then(|mvex| {
        let mehd = find(file, mvex, b"mehd")?;
        Some(number(file, &mehd, [4, 4])? as f64 / scale).filter(|&seconds| seconds > 0.0)
    });
    whole
        .or_else(|| fragments::end(file, moov, mvex?))
        .or_else(|| Some(number(file, &mvhd, [16, 24])? as f64 / scale))
}

fn title(file: &impl ReadAt, moov: Range<u64>) -> Option<String> {
    itunes_title(file, moov.clone()).or_else(|| quicktime_title(file, moov))
}

/// QuickTime has the text in the box itself, after its length and its language.
fn quicktime_title(file: &impl ReadAt, moov: Range<u64>) -> Option<String> {
    let name = descend(file, moov, [b"udta", b"\xa9nam"])?;
    let length = u16::from_be_bytes(file.array(name.start)?);
    let length = u64::from(length).min((name.end - name.start).checked_sub(4)?).min(4 * TITLE_LIMIT as u64);
    Some(text(&file.bytes(name.start + 4, length as usize)))
}

fn itunes_title(file: &impl ReadAt, moov: Range<u64>) -> Option<String> {
    let mut meta = descend(file, moov, [b"udta", b"meta"])?;
    meta.start += 4;
    let data = descend(file, meta, [b"ilst", b"\xa9nam", b"data"])?;
    let length = (data.end - data.start).checked_sub(8)?.min(4 * TITLE_LIMIT as u64);
    Some(text(&file.bytes(data.start + 8, length as usize)))
}
