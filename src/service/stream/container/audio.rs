//! FLAC and Ogg, which share a format of comments (RFC 9639, section 8.6).

use super::{Media, ReadAt, find, text};

/// Bytes at the end that are searched for the last page of an Ogg file.
const TAIL: u64 = 128 << 10;
/// Bytes at the front that are searched for the first pages of an Ogg file.
const FRONT: usize = 64 << 10;
/// Maximum metadata blocks of a FLAC file, and maximum bytes of comments, that are read.
const BLOCK_LIMIT: usize = 64;
const COMMENT_LIMIT: usize = 64 << 10;
/// Bytes before the segment table of an Ogg page.
const PAGE_HEADER: usize = 27;

/// Duration from STREAMINFO, the first block: 20 bits of sample rate, and 36 bits that count the samples.
pub(super) fn flac(file: &impl ReadAt) -> Option<Media> {
    let info = u64::from_be_bytes(file.array(18)?);
    let (rate, samples) = (info >> 44, info & 0xf_ffff_ffff);
    Some(Media::new("flac", (rate > 0).then(|| samples as f64 / rate as f64), flac_title(file)))
}

fn flac_title(file: &impl ReadAt) -> Option<String> {
    let mut at = 4;
    for _ in 0..BLOCK_LIMIT {
        let [kind, length @ ..] = file.array::<4>(at)?;
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        match kind & 0x7f {
            4 => return title_in(&file.bytes(at + 4, (length as usize).min(COMMENT_LIMIT))),
            _ if kind & 0x80 != 0 => return None,
            _ => at += 4 + length,
        }
    }
    None
}

/// The title among the comments: a vendor string, then texts such as `TITLE=…`, each after its length.
fn title_in(comments: &[u8]) -> Option<String> {
    let (_vendor, rest) = counted(comments)?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    for _ in 0..u32::from_le_bytes(*count) {
        let comment;
        (comment, rest) = counted(rest)?;
        if comment.get(..6).is_some_and(|name| name.eq_ignore_ascii_case(b"title=")) {
            return Some(text(&comment[6..]));
        }
    }
    None
}

/// Splits off a length and that many bytes: these bytes, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Duration from the last page of the audio stream: its granule position counts the samples up to it.
pub(super) fn ogg(file: &impl ReadAt) -> Option<Media> {
    let front = file.bytes(0, FRONT);
    let title = [&b"\x03vorbis"[..], b"OpusTags", b"\x81theora"]
        .iter()
        .find_map(|word| title_in(front.get(find(&front, word)? + word.len()..)?));
    let Some((serial, rate)) = first_sound(&front) else { return Some(Media::new("ogg", None, title)) };
    let start = file.size().saturating_sub(TAIL);
    let tail = file.bytes(start, TAIL as usize);
    let is_its =
        |page: &&[u8]| page.starts_with(b"OggS\0") && page[14..18] == serial && page[6..14] != [0xff; 8];
    let last = tail.windows(PAGE_HEADER).rev().find(is_its);
    let samples = last.map(|page| u64::from_le_bytes(page[6..14].try_into().unwrap_or_default()));
    Some(Media::new("ogg", samples.map(|samples| samples as f64 / f64::from(rate)), title))
}

/// Serial number and sample rate of the first audio stream. The first page of each stream comes before all others.
fn first_sound(front: &[u8]) -> Option<([u8; 4], u32)> {
    let mut rest = front;
    while rest.starts_with(b"OggS\0\x02") {
        let segments = usize::from(*rest.get(PAGE_HEADER - 1)?);
        let table = rest.get(PAGE_HEADER..PAGE_HEADER + segments)?;
        let body = &rest[PAGE_HEADER + segments..];
        let number = |at: usize| Some(u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?));
        let rate = match body {
            [0x01, b'v', b'o', b'r', b'b', b'i', b's', ..] => number(12),
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => Some(48_000),
            [b'S', b'p', b'e', b'e', b'x', b' ', b' ', b' ', ..] => number(36),
            [0x7f, b'F', b'L', b'A', b'C', ..] => {
                body.get(27..31).map(|info| u32::from_be_bytes([info[0], info[1], info[2], info[3]]) >> 12)
            }
            _ => None,
        };
        if let Some(rate) = rate.filter(|&rate| rate > 0) {
            return Some((rest[14..18].try_into().ok()?, rate));
        }
        rest = body.get(table.iter().map(|&length| usize::from(length)).sum()..)?;
    }
    None
}
