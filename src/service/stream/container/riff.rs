//! RIFF: AVI, whose header counts frames, and WAV, whose header gives the bytes per second.

use super::{Media, ReadAt, find, text};

/// Maximum chunks read.
const CHUNK_LIMIT: usize = 256;
/// Maximum bytes read of a list of texts.
const INFO_LIMIT: u64 = 64 << 10;
/// Maximum entries read of an index: some hours of video and audio.
const ENTRY_LIMIT: u64 = 1 << 21;
/// Flag of a keyframe.
const KEY: u32 = 0x10;

pub(super) fn probe(file: &impl ReadAt, kind: &[u8]) -> Option<Media> {
    match kind.get(..4)? {
        b"AVI " => Some(Media::new("avi", avi(file), info_title(file))),
        b"WAVE" => Some(Media::new("wav", wav(file), info_title(file))),
        _ => None,
    }
}

/// The chunks, one after another: kind, offset of the body, and declared length.
fn chunks<F: ReadAt>(file: &F) -> impl Iterator<Item = ([u8; 4], u64, u64)> + use<'_, F> {
    let mut at = 12u64;
    let next = move || {
        let [k0, k1, k2, k3, length @ ..] = file.array::<8>(at)?;
        let length = u64::from(u32::from_le_bytes(length));
        let body = at + 8;
        // A length beyond the end of the file means the rest of it.
        let there = length.min(file.size().saturating_sub(body).max(1));
        at = body + there + there % 2;
        Some(([k0, k1, k2, k3], body, length))
    };
    std::iter::from_fn(next).take(CHUNK_LIMIT)
}

/// The title, from `LIST INFO INAM`.
fn info_title(file: &impl ReadAt) -> Option<String> {
    for (kind, body, length) in chunks(file) {
        if kind == *b"LIST" && file.array(body) == Some(*b"INFO") {
            let list = file.bytes(body + 4, length.min(INFO_LIMIT) as usize);
            let at = find(&list, b"INAM")?;
            let length = u32::from_le_bytes(list.get(at + 4..at + 8)?.try_into().ok()?) as usize;
            return list.get(at + 8..(at + 8).checked_add(length)?).map(text);
        }
    }
    None
}

/// Seconds, from `LIST hdrl avih`: microseconds per frame, and the number of frames.
fn avi(file: &impl ReadAt) -> Option<f64> {
    let head = file.array::<64>(12)?;
    if &head[..4] != b"LIST" || &head[8..12] != b"hdrl" || &head[12..16] != b"avih" {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Some(f64::from(number(20)) * f64::from(number(36)) / 1e6)
}

/// Samples of a fixed size: PCM, floating point, A-law and µ-law, and what says so in an extension (RFC 2361).
const fn is_plain(format: u16) -> bool {
    matches!(format, 1 | 3 | 6 | 7 | 0xfffe)
}

/// Seconds. RF64 has lengths above 4 GiB in `ds64` (EBU Tech 3306).
fn wav(file: &impl ReadAt) -> Option<f64> {
    let (mut rate, mut long, mut samples) = (None, None, None);
    for (kind, body, length) in chunks(file) {
        match &kind {
            // Compressed sound tells how many samples it has: its bytes a second are rounded, or wrong.
            b"fact" => samples = Some(u32::from_le_bytes(file.array(body)?)),
            b"ds64" => long = Some(u64::from_le_bytes(file.array(body + 8)?)),
            b"fmt " => {
                let format = u16::from_le_bytes(file.array(body)?);
                let each = u32::from_le_bytes(file.array(body + 4)?);
                rate = Some((u32::from_le_bytes(file.array(body + 8)?), each, is_plain(format)));
            }
            b"data" => {
                let there = file.size().saturating_sub(body).max(1);
                // This value: the length is in `ds64`, or unknown, as in a recording that was never finished.
                let length =
                    if length == u64::from(u32::MAX) { long.unwrap_or(there).min(there) } else { length };
                let (bytes, each, is_plain) = rate?;
                return match samples.filter(|samples| *samples > 0 && each > 0) {
                    Some(samples) if !is_plain => Some(f64::from(samples) / f64::from(each)),
                    None if !is_plain => None,
                    _ => Some(length as f64 / f64::from(bytes)),
                };
            }
            _ => {}
        }
    }
    None
}

/// Offsets of the keyframes of an AVI: `idx1` lists all chunks. Its offsets count from the word `movi`, or from the
/// beginning of the file: writers differ.
pub(super) fn key_places(file: &impl ReadAt) -> Option<Vec<u64>> {
    let (mut at, mut movi) = (12u64, None);
    for _ in 0..CHUNK_LIMIT {
        let head = file.array::<12>(at)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match &head[..4] {
            b"LIST" if &head[8..] == b"movi" => movi = Some(at + 8),
            b"idx1" => return Some(keys(&file.bytes(at + 8, length.min(16 * ENTRY_LIMIT) as usize), movi?)),
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    None
}

fn keys(index: &[u8], movi: u64) -> Vec<u64> {
    let number = |entry: &[u8], at: usize| {
        u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
    };
    let from = match index.first_chunk::<16>() {
        Some(first) if u64::from(number(first, 8)) >= movi => 0,
        _ => movi,
    };
    let is_key = |entry: &&[u8]| matches!(&entry[2..4], b"dc" | b"db") && number(entry, 4) & KEY != 0;
    index.chunks_exact(16).filter(is_key).map(|entry| from + u64::from(number(entry, 8))).collect()
}
