//! MP3, FLAC and Ogg.

use super::{Media, ReadAt, text};

/// Looked through for the last page of an Ogg file.
const TAIL: u64 = 128 << 10;
/// Looked through for the first frame of an MP3, behind its tag.
const FRONT: usize = 64 << 10;
/// kbit/s of MPEG-1 and MPEG-2, layer III.
const RATES: [[u32; 16]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];

/// STREAMINFO, the first block: 20 bits of sample rate, later 36 of samples.
pub(super) fn flac(file: &impl ReadAt) -> Option<Media> {
    let info = u64::from_be_bytes(file.array(18)?);
    let (rate, samples) = (info >> 44, info & 0xf_ffff_ffff);
    Some(Media::new("flac", (rate > 0).then(|| samples as f64 / rate as f64), None))
}

/// The last page counts the samples up to it.
pub(super) fn ogg(file: &impl ReadAt) -> Option<Media> {
    let head = file.bytes(0, 512);
    let rate = if let Some(at) = find(&head, b"\x01vorbis") {
        u32::from_le_bytes(head.get(at + 12..at + 16)?.try_into().ok()?)
    } else if find(&head, b"OpusHead").is_some() {
        48_000
    } else {
        return Some(Media::new("ogg", None, None));
    };
    let start = file.size().saturating_sub(TAIL);
    let tail = file.bytes(start, TAIL as usize);
    let last = tail.windows(14).rev().find(|window| window.starts_with(b"OggS\0"));
    let samples = last.map(|page| u64::from_le_bytes(page[6..14].try_into().unwrap_or_default()));
    Some(Media::new("ogg", samples.map(|samples| samples as f64 / f64::from(rate)), None))
}

/// A Xing or Info header counts the frames; without one, all frames are as long as the first.
pub(super) fn mp3(file: &impl ReadAt) -> Option<Media> {
    let head = file.array::<10>(0)?;
    let (start, title) = match &head[..3] {
        b"ID3" => {
            let length = head[6..].iter().fold(0u64, |sum, &byte| sum << 7 | u64::from(byte & 0x7f));
            (10 + length, id3_title(&file.bytes(10, length.min(16 << 10) as usize)))
        }
        _ => (0, None),
    };
    let front = file.bytes(start, FRONT);
    let at = front.windows(4).position(is_frame)?;
    let (version, rate) = (front[at + 1] >> 3 & 3, front[at + 2] >> 4);
    let is_old = version == 3;
    let frequency = [44_100, 48_000, 32_000, 0][usize::from(front[at + 2] >> 2 & 3)]
        >> [2, 0, 1, 0][usize::from(version)];
    let bits = 1000 * RATES[usize::from(!is_old)][usize::from(rate)];
    let counted =
        [&b"Xing"[..], b"Info"].iter().find_map(|word| find(front.get(at..at + 200)?, word)).and_then(|x| {
            let place = front.get(at + x + 4..at + x + 12)?;
            (place[3] & 1 == 1).then(|| u32::from_be_bytes([place[4], place[5], place[6], place[7]]))
        });
    let seconds = match counted {
        Some(frames) if frequency > 0 => {
            Some(f64::from(frames) * if is_old { 1152.0 } else { 576.0 } / f64::from(frequency))
        }
        _ if bits > 0 => Some(file.size().saturating_sub(start) as f64 * 8.0 / f64::from(bits)),
        _ => None,
    };
    Some(Media::new("mp3", seconds, title))
}

/// Layer III with a rate and a frequency that exist.
fn is_frame(bytes: &[u8]) -> bool {
    bytes[0] == 0xff
        && bytes[1] & 0xe6 == 0xe2
        && bytes[1] >> 3 & 3 != 1
        && !matches!(bytes[2] >> 4, 0 | 15)
        && bytes[2] >> 2 & 3 != 3
}

/// The frame TIT2 of ID3v2.3 and 2.4, if its text is Latin or UTF-8.
fn id3_title(tag: &[u8]) -> Option<String> {
    let at = find(tag, b"TIT2")?;
    let length = u32::from_be_bytes(tag.get(at + 4..at + 8)?.try_into().ok()?) as usize;
    let body = tag.get(at + 10..(at + 10).checked_add(length)?)?;
    matches!(body.first()?, 0 | 3).then(|| text(&body[1..]))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
