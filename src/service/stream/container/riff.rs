//! RIFF: AVI, whose header counts frames, and WAV, whose header says how many bytes a second takes.

use super::{Media, ReadAt};

/// Chunks that are looked at.
const CHUNK_LIMIT: usize = 256;
/// Entries of an index that are looked at: some hours of pictures and sound.
const ENTRY_LIMIT: u64 = 1 << 21;
/// A picture that needs no other.
const KEY: u32 = 0x10;

pub(super) fn probe(file: &impl ReadAt, kind: &[u8]) -> Option<Media> {
    match kind.get(..4)? {
        b"AVI " => Some(Media::new("avi", avi(file), None)),
        b"WAVE" => Some(Media::new("wav", wav(file), None)),
        _ => None,
    }
}

/// `LIST hdrl avih`: microseconds for a frame, and how many frames there are.
fn avi(file: &impl ReadAt) -> Option<f64> {
    let head = file.array::<64>(12)?;
    if &head[..4] != b"LIST" || &head[8..12] != b"hdrl" || &head[12..16] != b"avih" {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Some(f64::from(number(20)) * f64::from(number(36)) / 1e6)
}

fn wav(file: &impl ReadAt) -> Option<f64> {
    let (mut at, mut rate) = (12u64, None);
    for _ in 0..CHUNK_LIMIT {
        let head = file.array::<8>(at)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match &head[..4] {
            b"fmt " => rate = Some(u32::from_le_bytes(file.array(at + 16)?)),
            b"data" => {
                // A recording that never ended says a length that is not there.
                let there = length.min(file.size().saturating_sub(at + 8).max(1));
                let length = if length == u64::from(u32::MAX) { there } else { length };
                return Some(length as f64 / f64::from(rate?));
            }
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    None
}

/// Places of the key pictures of an AVI: `idx1` lists all chunks. Offsets count from the word `movi`, or from the
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
