//! Audio as a sequence of frames: MPEG audio (ISO/IEC 11172-3 and 13818-3, all layers) and ADTS (ISO/IEC 13818-7). The
//! duration is summed from frame to frame up to a limit, and extrapolated from there.

use super::{Media, ReadAt, find, text};

/// Bytes searched for the first frame, after an ID3 tag.
const FRONT: usize = 64 << 10;
/// Maximum frames counted: some minutes.
const FRAME_LIMIT: usize = 20_000;
/// Bytes read at once.
const BLOCK: usize = 64 << 10;
/// Bytes of the longest frame header.
const HEADER: usize = 7;

/// Bit rates in kbit/s: of MPEG-1 layers I, II and III, of MPEG-2 layer I, and of MPEG-2 layers II and III.
const RATES: [[u32; 16]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];
/// Sample rates of ADTS in Hz, by index.
const ADTS_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// A frame, as described by its header.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    container: &'static str,
    /// Bytes, including the header.
    length: usize,
    samples: u32,
    /// Samples per second.
    rate: u32,
}

/// A Xing, Info or VBRI header counts the frames; without one they are counted here.
pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let head = file.array::<10>(0)?;
    let (start, title) = match &head[..3] {
        b"ID3" => {
            let length = head[6..].iter().fold(0u64, |sum, &byte| sum << 7 | u64::from(byte & 0x7f));
            (10 + length, id3_title(&file.bytes(10, length.min(16 << 10) as usize)))
        }
        _ => (0, None),
    };
    let front = file.bytes(start, FRONT);
    let at = (0..front.len()).find(|&at| is_first(&front[at..]))?;
    let first = frame(&front[at..])?;
    let counted = counted(front.get(at..at + 200).unwrap_or_default());
    let seconds = match counted {
        Some(frames) => f64::from(frames) * f64::from(first.samples) / f64::from(first.rate),
        None => count(file, start + at as u64),
    };
    Some(Media::new(first.container, Some(seconds), title))
}

/// True if a frame begins here and is followed by another, unless the file ends.
fn is_first(bytes: &[u8]) -> bool {
    frame(bytes).is_some_and(|one| match bytes.get(one.length..) {
        Some(rest) if rest.len() >= HEADER => frame(rest).is_some_and(|two| two.container == one.container),
        _ => true,
    })
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    let head: [u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
    if head[0] != 0xff || head[1] & 0xe0 != 0xe0 {
        return None;
    }
    if head[1] & 0xf6 == 0xf0 { adts(head) } else { mpeg(head) }
}

fn adts(head: [u8; HEADER]) -> Option<Frame> {
    let rate = *ADTS_RATES.get(usize::from(head[2] >> 2 & 15))?;
    let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    let samples = 1024 * (u32::from(head[6] & 3) + 1);
    (length >= HEADER).then_some(Frame { container: "aac", length, samples, rate })
}

fn mpeg(head: [u8; HEADER]) -> Option<Frame> {
    let (version, layer) = (head[1] >> 3 & 3, head[1] >> 1 & 3);
    let is_first = version == 3;
    let rate =
        *[44_100, 48_000, 32_000].get(usize::from(head[2] >> 2 & 3))? >> [2, 0, 1, 0][usize::from(version)];
    let (row, samples, container) = match (layer, is_first) {
        (3, true) => (0, 384, "mp1"),
        (3, false) => (3, 384, "mp1"),
        (2, true) => (1, 1152, "mp2"),
        (2, false) => (4, 1152, "mp2"),
        (1, true) => (2, 1152, "mp3"),
        (1, false) => (4, 576, "mp3"),
        _ => return None,
    };
    let bits = 1000 * RATES[row][usize::from(head[2] >> 4)];
    if bits == 0 || version == 1 {
        return None;
    }
    let padding = u32::from(head[2] >> 1 & 1);
    let length = match layer {
        3 => (12 * bits / rate + padding) * 4,
        _ => samples / 8 * bits / rate + padding,
    };
    Some(Frame { container, length: length as usize, samples, rate })
}

/// The number of frames in a Xing, Info or VBRI header.
fn counted(frame: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    if let Some(at) = find(frame, b"Xing").or_else(|| find(frame, b"Info")) {
        return (number(at + 4)? & 1 == 1).then(|| number(at + 8)).flatten();
    }
    number(find(frame, b"VBRI")? + 14)
}

/// Seconds from the first frame to the end of the file; extrapolated after `FRAME_LIMIT` frames.
fn count(file: &impl ReadAt, start: u64) -> f64 {
    let (mut at, mut seconds) = (start, 0.0);
    let (mut block, mut base) = (Vec::new(), start);
    for _ in 0..FRAME_LIMIT {
        let offset = (at - base) as usize;
        if block.len() < offset + HEADER {
            (block, base) = (file.bytes(at, BLOCK), at);
        }
        let Some(frame) = frame(block.get((at - base) as usize..).unwrap_or_default()) else {
            return seconds;
        };
        seconds += f64::from(frame.samples) / f64::from(frame.rate);
        at += frame.length as u64;
    }
    seconds * (file.size() - start) as f64 / (at - start) as f64
}

/// The frame TIT2 of ID3v2.3 and 2.4, if its text is Latin or UTF-8.
fn id3_title(tag: &[u8]) -> Option<String> {
    let at = find(tag, b"TIT2")?;
    let length = u32::from_be_bytes(tag.get(at + 4..at + 8)?.try_into().ok()?) as usize;
    let body = tag.get(at + 10..(at + 10).checked_add(length)?)?;
    matches!(body.first()?, 0 | 3).then(|| text(&body[1..]))
}
