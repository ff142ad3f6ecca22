//! A fragmented MP4: `moof` boxes, each with its start time and the samples that it adds (ISO/IEC 14496-12, 8.8). The
//! film lasts from the start of the first fragment to the end of the last; those between are not read.

use std::ops::Range;

use super::{Found, behind_times, boxes, descend, find, is_long, number, scale, word};
use crate::service::stream::container::ReadAt;
use crate::service::stream::container::search::{self, Pattern};

/// Maximum boxes read where each costs reading many others: tracks are few.
const FEW: usize = 64;
/// Maximum bytes read of the table of one run of samples.
const RUN_LIMIT: u64 = 1 << 20;
/// A fragment: the box `moof` begins with the box `mfhd`.
pub(in super::super) const FRAGMENT: Pattern =
    Pattern { length: 16, is_at: |bytes| &bytes[4..8] == b"moof" && &bytes[12..16] == b"mfhd" };

/// Where the box ends that `at` lies in, or `at` if one begins there. `None`: this is no film in fragments, or `at` lies before
/// the first of them.
pub(in super::super) fn box_end(file: &impl ReadAt, at: u64) -> Option<u64> {
    let moov = find(file, 0..file.size(), b"moov")?;
    find(file, moov, b"mvex")?;
    let fragment = search::last_before(file, at, &FRAGMENT)?;
    let known = boxes(file, &(fragment..file.size())).take_while(|(_, body)| body.start <= at);
    known.map(|(_, body)| body.end.max(at)).last()
}

fn few<'a, F: ReadAt>(
    file: &'a F,
    range: &Range<u64>,
    kind: [u8; 4],
) -> impl Iterator<Item = Range<u64>> + use<'a, F> {
    let of_kind = move |(found, body): Found| (found == kind).then_some(body);
    boxes(file, range).take(FEW).filter_map(of_kind)
}

/// Seconds, from the first fragment to the end of the last one.
pub(super) fn end(file: &impl ReadAt, moov: &Range<u64>, mvex: Range<u64>) -> Option<f64> {
    let place = listed(file).or_else(|| search::last(file, &FRAGMENT))?;
    // The list names only fragments that begin with a keyframe; others may follow.
    let moof = boxes(file, &(place..file.size())).filter(|(kind, _)| kind == b"moof").last()?.1;
    // A part of a longer recording does not begin at 0.
    let first = search::first(file, moov.end, &FRAGMENT).and_then(|at| find(file, at..file.size(), b"moof"));
    few(file, &moof, *b"traf")
        .filter_map(|traf| end_of_track(file, &traf, first.as_ref(), moov, &mvex))
        .max_by(f64::total_cmp)
}

/// Offset of the last fragment named by `mfra`, the list at the end of the file; the file's last four bytes are its
/// size.
fn listed(file: &impl ReadAt) -> Option<u64> {
    let size = file.size();
    let tail = file.array::<16>(size.checked_sub(16)?)?;
    if &tail[4..8] != b"mfro" {
        return None;
    }
    let length = u32::from_be_bytes([tail[12], tail[13], tail[14], tail[15]]);
    let mfra = find(file, size.checked_sub(u64::from(length))?..size, b"mfra")?;
    boxes(file, &mfra)
        .filter(|(kind, _)| kind == b"tfra")
        .filter_map(|(_, tfra)| last_entry(file, &tfra))
        .max()
}

/// The offset in the last entry of `tfra`. An entry is a time, an offset, and three numbers whose widths the header
/// gives.
fn last_entry(file: &impl ReadAt, tfra: &Range<u64>) -> Option<u64> {
    let lengths = word(file, tfra.start + 8)?;
    let numbers = (0..3).map(|n| u64::from(lengths >> (2 * n) & 3) + 1).sum::<u64>();
    let is_long = is_long(file, tfra)?;
    let width = numbers + if is_long { 16 } else { 8 };
    let count = u64::from(word(file, tfra.start + 12)?);
    let entry = tfra.start + 16 + count.checked_sub(1)? * width;
    if entry + width > tfra.end {
        return None;
    }
    if is_long { file.array(entry + 8).map(u64::from_be_bytes) } else { word(file, entry + 4).map(u64::from) }
}

/// Seconds from the start of a track in the first fragment to the end of what `traf` adds to it.
fn end_of_track(
    file: &impl ReadAt,
    traf: &Range<u64>,
    first: Option<&Range<u64>>,
    moov: &Range<u64>,
    mvex: &Range<u64>,
) -> Option<f64> {
    let tfhd = find(file, traf.clone(), b"tfhd")?;
    let track = word(file, tfhd.start + 4)?;
    let of_track = |full: &Range<u64>| word(file, full.start + 4) == Some(track);
    let begins = |traf: &Range<u64>| number(file, &find(file, traf.clone(), b"tfdt")?, [4, 4]);
    let end = begins(traf)?;
    let began = first.and_then(|moof| {
        let is_its =
            |traf: &Range<u64>| find(file, traf.clone(), b"tfhd").is_some_and(|tfhd| of_track(&tfhd));
        begins(&few(file, moof, *b"traf").find(is_its)?)
    });
    let each = usual_length(file, &tfhd).or_else(|| {
        let trex = few(file, mvex, *b"trex").find(of_track)?;
        word(file, trex.start + 12)
    });
    let runs = boxes(file, traf).filter(|(kind, _)| kind == b"trun");
    let lengths = runs.take(FEW).filter_map(|(_, trun)| length(file, &trun, each.unwrap_or(0)));
    let end = lengths.fold(end, u64::saturating_add);
    Some(end.saturating_sub(began.unwrap_or(0)) as f64 / scale_of(file, moov, track)?)
}

/// The default duration of a sample of this fragment, if `tfhd` has it; other optional fields come before it.
fn usual_length(file: &impl ReadAt, tfhd: &Range<u64>) -> Option<u32> {
    let flags = word(file, tfhd.start)?;
    let before = u64::from(flags & 1) * 8 + u64::from(flags >> 1 & 1) * 4;
    (flags & 8 != 0).then(|| word(file, tfhd.start + 8 + before)).flatten()
}

/// The total duration of the samples of a `trun`; `each`: the default, if it has no durations.
fn length(file: &impl ReadAt, trun: &Range<u64>, each: u32) -> Option<u64> {
    let (flags, count) = (word(file, trun.start)?, word(file, trun.start + 4)?);
    if flags & 0x100 == 0 {
        return Some(u64::from(count) * u64::from(each));
    }
    let has = |bit: u32| u64::from(flags >> bit & 1);
    let start = trun.start + 8 + 4 * (has(0) + has(2));
    let width = 4 * (has(8) + has(9) + has(10) + has(11));
    let table = file.bytes(start, trun.end.saturating_sub(start).min(RUN_LIMIT) as usize);
    let lengths = table.chunks_exact(width as usize).take(count as usize);
    Some(lengths.map(|entry| u64::from(u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]))).sum())
}

/// Timescale of a track, in units per second.
fn scale_of(file: &impl ReadAt, moov: &Range<u64>, track: u32) -> Option<f64> {
    few(file, moov, *b"trak").find_map(|trak| {
        let tkhd = few(file, &trak, *b"tkhd").next()?;
        let is_it = behind_times(file, &tkhd) == Some(track);
        is_it.then(|| descend(file, trak, [b"mdia", b"mdhd"])).flatten().and_then(|mdhd| scale(file, &mdhd))
    })
}
