//! The offsets of the keyframes of an MP4: the tables of `stbl` say which samples are keyframes, which chunk holds each
//! sample, its size, and where each chunk begins (ISO/IEC 14496-12, 8.5 to 8.7).

use std::ops::Range;

use super::{boxes, descend, find, word};
use crate::service::stream::container::ReadAt;

/// Maximum entries read of a table: eleven hours at 25 frames per second.
const ENTRY_LIMIT: usize = 1 << 20;

/// The offset of each keyframe, in the order of the samples. If every frame is a keyframe, or there is only audio, the
/// offset of each chunk. `None` if the film lacks such a table.
pub(in super::super) fn key_places(file: &impl ReadAt) -> Option<Vec<u64>> {
    let moov = find(file, 0..file.size(), b"moov")?;
    let tracks = || boxes(file, &moov).filter(|(kind, _)| kind == b"trak").map(|(_, trak)| trak);
    let is_video = |trak: &Range<u64>| {
        let handler = descend(file, trak.clone(), [b"mdia", b"hdlr"]);
        handler.and_then(|handler| file.array::<4>(handler.start + 8)) == Some(*b"vide")
    };
    let track = tracks().find(is_video).or_else(|| tracks().next())?;
    let tables = descend(file, track, [b"mdia", b"minf", b"stbl"])?;
    let table = |kind, at, width| table(file, &find(file, tables.clone(), kind)?, at, width);
    let chunks = table(b"stco", 4, 4).or_else(|| table(b"co64", 4, 8))?;
    let Some(keys) = table(b"stss", 4, 4) else {
        return Some((0..chunks.len()).filter_map(|chunk| chunks.get(chunk)).collect());
    };
    let groups = table(b"stsc", 4, 12)?;
    let stsz = find(file, tables.clone(), b"stsz")?;
    let sizes = match word(file, stsz.start + 4)? {
        0 => Sizes::Each(table(b"stsz", 8, 4)?),
        same => Sizes::Same(same, word(file, stsz.start + 8)?),
    };
    Some(places(&keys, &groups, &chunks, &sizes))
}

enum Sizes {
    Each(Table),
    Same(u32, u32),
}

impl Sizes {
    fn get(&self, sample: usize) -> Option<u64> {
        match self {
            Self::Each(table) => table.get(sample),
            Self::Same(size, count) => (sample < *count as usize).then_some(u64::from(*size)),
        }
    }
}

/// A table in the file: entries of `width` bytes.
struct Table {
    bytes: Vec<u8>,
    width: usize,
}

/// The table of a full box: the number of entries is at `at`, the entries follow.
fn table(file: &impl ReadAt, body: &Range<u64>, at: u64, width: usize) -> Option<Table> {
    let start = body.start + at + 4;
    let there = usize::try_from(body.end.checked_sub(start)?).ok()? / width;
    let count = (word(file, body.start + at)? as usize).min(there).min(ENTRY_LIMIT);
    Some(Table { bytes: file.bytes(start, count * width), width })
}

impl Table {
    /// The first number of an entry: 8 bytes if the entry has just 8, else 4.
    fn get(&self, entry: usize) -> Option<u64> {
        let bytes = self.bytes.get(entry * self.width..)?;
        if self.width == 8 {
            return bytes.first_chunk().map(|number| u64::from_be_bytes(*number));
        }
        bytes.first_chunk().map(|number| u64::from(u32::from_be_bytes(*number)))
    }

    /// The second number of an entry.
    fn second(&self, entry: usize) -> Option<u64> {
        let number = self.bytes.get(entry * self.width + 4..)?.first_chunk()?;
        Some(u64::from(u32::from_be_bytes(*number)))
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.width
    }
}

/// Walks through all samples, chunk by chunk. `groups`: the first chunk of each group, and its samples per chunk.
fn places(keys: &Table, groups: &Table, chunks: &Table, sizes: &Sizes) -> Vec<u64> {
    let (mut places, mut group, mut sample, mut key) = (Vec::new(), 0, 0, 0);
    for chunk in 0..chunks.len() {
        if groups.get(group + 1) == Some(chunk as u64 + 1) {
            group += 1;
        }
        let Some(mut place) = chunks.get(chunk) else { break };
        for _ in 0..groups.second(group).unwrap_or(0) {
            let (Some(size), true) = (sizes.get(sample), sample < ENTRY_LIMIT) else { return places };
            sample += 1;
            if keys.get(key) == Some(sample as u64) {
                places.push(place);
                key += 1;
            }
            place = place.saturating_add(size);
        }
    }
    places
}
