//! How long a film lasts, and what it is called, read from the container that holds it. Pure; every reader is
//! bounded in steps and bytes, so that a damaged or hostile file costs little and is only not understood.
//!
//! | file | containers | source |
//! |---|---|---|
//! | `mp4` | MP4, MOV, M4A | ISO/IEC 14496-12 |
//! | `matroska` | MKV, WebM | RFC 9559 |
//! | `riff` | AVI, WAV | Microsoft, *Multiple media files* |
//! | `audio` | MP3, FLAC, Ogg | ID3v2.4, RFC 9639, RFC 3533 |
//! | `video` | FLV, MPEG-TS | Adobe FLV 10.1, ISO/IEC 13818-1 |

mod audio;
mod matroska;
mod mp4;
mod riff;
mod video;

use std::time::Duration;

/// Longest title that is told.
const TITLE_LIMIT: usize = 200;
/// No film lasts longer; what says so is damaged.
const DURATION_LIMIT: f64 = 1e7;

/// A file, read at places.
pub(super) trait ReadAt {
    /// Fills `buffer` as far as the file goes; how much that was. What cannot be read is not there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize;
    fn size(&self) -> u64;

    /// `N` bytes, or `None` if the file ends before.
    fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]>
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        (self.read_at(offset, &mut bytes) == N).then_some(bytes)
    }

    /// At most `most` bytes.
    fn bytes(&self, offset: u64, most: usize) -> Vec<u8>
    where
        Self: Sized,
    {
        let mut bytes = vec![0; most];
        let length = self.read_at(offset, &mut bytes);
        bytes.truncate(length);
        bytes
    }
}

/// What is known of a file of media.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Media {
    /// `mp4`, `matroska` …
    pub(super) container: &'static str,
    /// How long it lasts; `None` where the container does not say.
    pub(super) duration: Option<Duration>,
    pub(super) title: Option<String>,
}

impl Media {
    /// How long it lasts, as the wire says it: 0 where nobody knows.
    pub(super) fn milliseconds(&self) -> u64 {
        self.duration.map_or(0, |duration| duration.as_millis() as u64)
    }

    fn new(container: &'static str, seconds: Option<f64>, title: Option<String>) -> Self {
        let seconds = seconds.filter(|&seconds| seconds > 0.0 && seconds < DURATION_LIMIT);
        Self { container, duration: seconds.map(Duration::from_secs_f64), title: title.and_then(clean) }
    }
}

/// Looks into a file; `None`: it is no media that is known here.
pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let head = file.bytes(0, 16);
    match head.get(..12)? {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] | [_, _, _, _, b'm', b'o', b'o', b'v', ..] => {
            mp4::probe(file)
        }
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska::probe(file),
        [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] => riff::probe(file, kind),
        [b'F', b'L', b'V', ..] => video::flv(file),
        [b'f', b'L', b'a', b'C', ..] => audio::flac(file),
        [b'O', b'g', b'g', b'S', ..] => audio::ogg(file),
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => audio::mp3(file),
        [0x47, ..] => video::mpeg_ts(file),
        _ => None,
    }
}

fn clean(title: String) -> Option<String> {
    let title = title.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let end = title.char_indices().nth(TITLE_LIMIT).map_or(title.len(), |(at, _)| at);
    (!title.is_empty()).then(|| title[..end].to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ReadAt for &[u8] {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
            let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            length
        }

        fn size(&self) -> u64 {
            self.len() as u64
        }
    }

    fn seconds(bytes: &[u8]) -> Option<f64> {
        probe(&bytes).and_then(|media| media.duration).map(|duration| duration.as_secs_f64())
    }

    fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    /// An MP4 with its index at the end: 90 s, and a title.
    fn mp4() -> Vec<u8> {
        let mut mvhd = vec![0; 12];
        mvhd.extend(1000u32.to_be_bytes());
        mvhd.extend(90_000u32.to_be_bytes());
        let data = mp4_box(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0][..], b"Sita"].concat());
        let ilst = mp4_box(b"ilst", &mp4_box(b"\xa9nam", &data));
        let meta = mp4_box(b"meta", &[&[0; 4][..], &ilst].concat());
        let moov = mp4_box(b"moov", &[mp4_box(b"mvhd", &mvhd), mp4_box(b"udta", &meta)].concat());
        [mp4_box(b"ftyp", b"isom0000"), mp4_box(b"mdat", &[7; 5000]), moov].concat()
    }

    #[test]
    fn an_index_at_the_end_tells_length_and_title() {
        let bytes = mp4();
        let media = probe(&&bytes[..]).unwrap();
        assert_eq!(media.duration, Some(Duration::from_secs(90)));
        assert_eq!((media.container, media.title.as_deref()), ("mp4", Some("Sita")));
    }

    #[test]
    fn each_container_says_how_long_it_lasts() {
        let matroska = [
            &b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"[..],
            &b"\x15\x49\xa9\x66\x8e\x2a\xd7\xb1\x83\x0f\x42\x40\x44\x89\x84"[..],
            &12_500f32.to_be_bytes(),
        ]
        .concat();
        assert_eq!(seconds(&matroska), Some(12.5));
        let wav = [
            &b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data"[..],
            &48_000u32.to_le_bytes(),
            &[0; 9],
        ]
        .concat();
        assert_eq!(seconds(&wav), Some(3.0));
        let flv = [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12\0\0\x20\0\0\0\0\0\0\0onMetaData\x08\0\0\0\x01\0\x08duration\0"[..], &4.25f64.to_be_bytes()].concat();
        assert_eq!(seconds(&flv), Some(4.25));
        let flac =
            [&b"fLaC\0\0\0\x22\0\0\0\0\0\0\0\0\0\0\x0a\xc4\x40\xf0"[..], &441_000u32.to_be_bytes(), &[0; 20]]
                .concat();
        assert_eq!(seconds(&flac), Some(10.0));
        let page = |granule: u64| [&b"OggS\0\0"[..], &granule.to_le_bytes(), &[0; 12], b"\x01\x1e"].concat();
        let ogg = [
            page(0),
            b"\x01vorbis\0\0\0\0\x02".to_vec(),
            44_100u32.to_le_bytes().to_vec(),
            vec![0; 50],
            page(88_200),
        ]
        .concat();
        assert_eq!(seconds(&ogg), Some(2.0));
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes each 26 ms.
        let frame = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
        assert!((seconds(&frame.repeat(100)).unwrap() - 2.6).abs() < 0.1);
        let packet = |pcr: u64| {
            let base = pcr << 15;
            [&[0x47, 1, 0, 0x20, 183, 0x10][..], &base.to_be_bytes()[2..], &[0xff; 176]].concat()
        };
        let ts = [packet(90_000), packet(135_000), packet(90_000 * 8)].concat();
        assert_eq!(seconds(&ts), Some(7.0));
    }

    /// FAULTS row 75: cut anywhere, with any byte turned, it is read without harm.
    #[test]
    fn row_75_a_damaged_file_is_only_not_understood() {
        let whole = mp4();
        for length in (0..whole.len()).step_by(13) {
            drop(probe(&&whole[..length]));
        }
        let mut bytes = whole.clone();
        for at in (0..40).chain(5000..whole.len()) {
            for value in [0, 1, 0x7f, 0xff] {
                let old = std::mem::replace(&mut bytes[at], value);
                drop(probe(&&bytes[..]));
                bytes[at] = old;
            }
        }
        // A `meta` too short for what belongs in it, and zeros behind.
        let moov = mp4_box(b"moov", &mp4_box(b"udta", &mp4_box(b"meta", b"x")));
        drop(probe(&&[mp4_box(b"ftyp", b"isom"), moov, vec![0; 40]].concat()[..]));
        assert_eq!(probe(&&b"no media at all, only text"[..]), None);
    }
}
