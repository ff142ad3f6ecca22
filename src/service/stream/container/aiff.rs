//! AIFF and AIFC: chunks as in RIFF, but big-endian.

use super::{Media, ReadAt, TITLE_LIMIT, text};

/// Maximum chunks read.
const CHUNK_LIMIT: usize = 256;
/// Fraction bits, and exponent bias, of an 80-bit extended number (IEEE 754).
const MANTISSA: i32 = 63;
const BIAS: i32 = 16_383;

/// Kinds of AIFC whose sample frames are samples: in the others, such as `ima4`, they are packets.
const PLAIN: [&[u8; 4]; 11] =
    [b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"alaw", b"ulaw"];

/// Duration from `COMM`: channels, sample frames, bits, and the sample rate as an 80-bit number. Title from `NAME`.
pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let (mut at, mut seconds, mut title) = (12u64, None, None);
    for _ in 0..CHUNK_LIMIT {
        let Some([k0, k1, k2, k3, length @ ..]) = file.array::<8>(at) else { break };
        let length = u64::from(u32::from_be_bytes(length));
        match &[k0, k1, k2, k3] {
            b"COMM" => {
                let frames = u32::from_be_bytes(file.array(at + 10)?);
                let rate = extended(file.array(at + 16)?);
                // AIFF has no kind there.
                let kind = file.array::<4>(at + 26).filter(|_| length > 18);
                let counts = kind.is_none_or(|kind| PLAIN.contains(&&kind));
                seconds = (rate > 0.0 && counts).then(|| f64::from(frames) / rate);
            }
            b"NAME" => title = Some(text(&file.bytes(at + 8, length.min(4 * TITLE_LIMIT as u64) as usize))),
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    Some(Media::new("aiff", seconds, title))
}

fn extended([e0, e1, mantissa @ ..]: [u8; 10]) -> f64 {
    let exponent = i32::from(u16::from_be_bytes([e0 & 0x7f, e1]));
    u64::from_be_bytes(mantissa) as f64 * 2f64.powi(exponent - BIAS - MANTISSA)
}
