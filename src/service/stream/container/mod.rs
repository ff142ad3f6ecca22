//! The duration and the title of a film, read from its container. Pure; every parser is
//! bounded in steps and bytes, so that a damaged or hostile file costs little and at worst is not recognised.
//!
//! | file | containers | source |
//! |---|---|---|
//! | `mp4` | MP4, MOV, M4A | ISO/IEC 14496-12 |
//! | `matroska` | MKV, WebM | RFC 9559 |
//! | `riff` | AVI, WAV, RF64 | Microsoft, *Multiple media files*; EBU Tech 3306 |
//! | `aiff` | AIFF, AIFC | Apple, *Audio Interchange File Format* |
//! | `audio` | FLAC, Ogg | RFC 9639, RFC 3533 |
//! | `frames` | MP1, MP2, MP3, AAC | ISO/IEC 11172-3, 13818-7, ID3v2.4 |
//! | `video` | FLV, MPEG-TS, M2TS | Adobe FLV 10.1, ISO/IEC 13818-1 |
//! | `program` | MPEG-PS, VOB | ISO/IEC 11172-1, 13818-1 |
//! | `key`, `search` | places where a decoder can begin | |
//! | `on_disk` | reads a container from an open file | |

mod aiff;
mod audio;
mod frames;
mod key;
mod matroska;
mod mp4;
pub(super) mod on_disk;
mod program;
mod riff;
mod search;
mod video;

use std::time::Duration;

pub(super) use key::{filler, omission_before, patch};

/// Maximum characters of a title.
const TITLE_LIMIT: usize = 200;
/// Maximum plausible duration, in seconds; a file that claims more is damaged.
const DURATION_LIMIT: f64 = 1e7;

/// A file that is read at offsets.
pub(super) trait ReadAt {
    /// Fills `buffer` from `offset` as far as the file goes; returns the number of bytes. A read error counts as the
    /// end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize;
    /// Bytes of the file.
    fn size(&self) -> u64;

    /// `N` bytes at `offset`, or `None` if the file ends before.
    fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]>
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        (self.read_at(offset, &mut bytes) == N).then_some(bytes)
    }

    /// At most `most` bytes from `offset`; fewer at the end of the file.
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

/// What is known of a media file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Media {
    /// `mp4`, `matroska` …
    pub(super) container: &'static str,
    /// `None` if the container does not say.
    pub(super) duration: Option<Duration>,
    pub(super) title: Option<String>,
}

impl Media {
    /// Duration in milliseconds, as sent on the wire; 0 if unknown.
    pub(super) fn milliseconds(&self) -> u64 {
        self.duration.map_or(0, |duration| duration.as_millis() as u64)
    }

    fn new(container: &'static str, seconds: Option<f64>, title: Option<String>) -> Self {
        let seconds = seconds.filter(|&seconds| seconds > 0.0 && seconds < DURATION_LIMIT);
        Self { container, duration: seconds.map(Duration::from_secs_f64), title: title.and_then(clean) }
    }
}

/// Recognises a media file; `None` if its format is not known.
pub(super) fn probe(file: &impl ReadAt) -> Option<Media> {
    let head = file.bytes(0, 16);
    match head.get(..12)? {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] | [_, _, _, _, b'm', b'o', b'o', b'v', ..] => {
            mp4::probe(file)
        }
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska::probe(file),
        [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] | [b'R', b'F', b'6', b'4', _, _, _, _, kind @ ..] => {
            riff::probe(file, kind)
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => aiff::probe(file),
        [b'F', b'L', b'V', ..] => video::flv(file),
        [b'f', b'L', b'a', b'C', ..] => audio::flac(file),
        [b'O', b'g', b'g', b'S', ..] => audio::ogg(file),
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => frames::probe(file),
        [0x47, ..] | [_, _, _, _, 0x47, ..] => video::mpeg_ts(file),
        [0, 0, 1, 0xba, ..] => program::probe(file),
        _ => None,
    }
}

fn clean(title: String) -> Option<String> {
    let title = title.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let end = title.char_indices().nth(TITLE_LIMIT).map_or(title.len(), |(at, _)| at);
    (!title.is_empty()).then(|| title[..end].to_owned())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::key::omission;
    use super::*;

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

    /// A small file of each format whose parser counts or walks from part to part.
    fn small_files() -> Vec<Vec<u8>> {
        let mpeg = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat().repeat(3);
        let adts = [&[0xff, 0xf1, 0x50, 0x80, 0x04, 0x1f, 0xfc][..], &[0; 25]].concat().repeat(3);
        let title =
            [&5u32.to_le_bytes()[..], b"maker", &1u32.to_le_bytes(), &10u32.to_le_bytes(), b"TITLE=Sita"]
                .concat();
        let flac = [
            &b"fLaC\0\0\0\x22\0\0\0\0\0\0\0\0\0\0\x0a\xc4\x40\xf0"[..],
            &441_000u32.to_be_bytes(),
            &[0; 16],
            &[0x84, 0, 0, title.len() as u8],
            &title,
        ]
        .concat();
        let page = [
            &b"OggS\0\x02"[..],
            &[0; 20],
            b"\x01\x1e\x01vorbis\0\0\0\0\x02",
            &44_100u32.to_le_bytes(),
            &[0; 14],
        ];
        let ogg = [page.concat(), b"\x03vorbis".to_vec(), title].concat();
        let rate = [0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0];
        let comm = [&[0, 1][..], &44_100u32.to_be_bytes(), &[0, 16], &rate].concat();
        let aiff = [&b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12"[..], &comm, b"NAME\0\0\0\x04Sita"].concat();
        let wav = b"RF64\0\0\0\0WAVELIST\x10\0\0\0INFOINAM\x04\0\0\0Sitads64\x10\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\
                    fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\xff\xff\xff\xff1234";
        let picture = |time: u8| [0, 0, 1, 0xe0, 0, 9, 0x80, 0x80, 5, 0x21, 0, 1, time, 1, 0, 0];
        let program = [&[0, 0, 1, 0xba][..], &[0; 8], &picture(1), &picture(90)].concat();
        let m2ts = [&[0; 4][..], &[0x47, 1, 0, 0x20, 183, 0x10], &[0; 182]].concat().repeat(3);
        vec![mpeg, adts, flac, ogg, aiff, wav.to_vec(), program, m2ts]
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// An MP4 in fragments of 4 s, with a track of 500 units per second, whose header was written before them. The list
    /// at the end names all but the last fragment.
    fn fragments(count: u32, listed: bool) -> Vec<u8> {
        fragments_from(0, count, listed)
    }

    /// The same, but the first fragment begins at `time`.
    fn fragments_from(time: u32, count: u32, listed: bool) -> Vec<u8> {
        let mut mvhd = vec![0; 20];
        mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
        let mdhd = mp4_box(b"mdhd", &words(&[0, 0, 0, 500, 0]));
        let trak = [mp4_box(b"tkhd", &words(&[0, 0, 0, 7])), mp4_box(b"mdia", &mdhd)].concat();
        let mvex = mp4_box(b"trex", &words(&[0, 7, 1, 250, 0, 0]));
        let moov = [mp4_box(b"mvhd", &mvhd), mp4_box(b"trak", &trak), mp4_box(b"mvex", &mvex)].concat();
        let mut file = [mp4_box(b"ftyp", b"iso5"), mp4_box(b"moov", &moov)].concat();
        let mut entries = Vec::new();
        for n in 0..count {
            entries.extend(words(&[n * 2000, file.len() as u32]));
            entries.extend([1, 1, 1]);
            // Half of the samples have the default duration, half have their own.
            let usual = mp4_box(b"trun", &words(&[0, 4]));
            let own = mp4_box(b"trun", &words(&[0x301, 2, 0, 400, 99, 600, 99]));
            let traf = [
                mp4_box(b"tfhd", &words(&[0, 7])),
                mp4_box(b"tfdt", &words(&[0, time + n * 2000])),
                usual,
                own,
            ]
            .concat();
            let moof = [mp4_box(b"mfhd", &words(&[0, n + 1])), mp4_box(b"traf", &traf)].concat();
            file.extend([mp4_box(b"moof", &moof), mp4_box(b"mdat", &vec![9; 70_000])].concat());
        }
        if listed {
            entries.truncate((count as usize - 1) * 11);
            let tfra = mp4_box(b"tfra", &[words(&[0, 7, 0, count - 1]), entries].concat());
            let length = 8 + tfra.len() as u32 + 16;
            file.extend(mp4_box(b"mfra", &[tfra, mp4_box(b"mfro", &words(&[0, length]))].concat()));
        }
        file
    }

    #[test]
    fn a_film_in_fragments_lasts_until_its_last_one_ends() {
        for listed in [true, false] {
            assert_eq!(seconds(&fragments(9, listed)), Some(36.0));
        }
        assert_eq!(seconds(&fragments_from(90_000, 9, true)), Some(36.0), "a part of a longer recording");
        let mut cut = fragments(9, true);
        cut.truncate(cut.len() - 80_000);
        assert_eq!(
            seconds(&cut),
            Some(32.0),
            "a recording that was broken off: with the last index that is there"
        );
    }

    /// Where the fragments of a film begin.
    fn places(film: &[u8]) -> Vec<u64> {
        let windows = film.windows(8).enumerate().filter(|(_, window)| &window[4..] == b"moof");
        windows.map(|(at, _)| at as u64).collect()
    }

    #[test]
    fn row_77_a_gap_that_hides_where_a_box_ends_goes_on_to_the_next_fragment() {
        let film = fragments(9, false);
        let (places, size) = (places(&film), film.len() as u64);
        // The gap, and what is replaced for it.
        let cases = [
            (places[2] + 1000..places[3] - 1000, places[2] + 1000..places[3] - 1000),
            (places[2] + 1000..places[3], places[2] + 1000..places[3]),
            (places[2] + 1000..places[3] + 200, places[3]..places[4]),
            (places[2] + 1000..places[5] + 1, places[3]..places[6]),
            (places[3]..places[3] + 8, places[3]..places[4]),
            (places[8] - 1..places[8] + 9, places[8]..size),
            (10..places[0], 10..places[0]),
        ];
        for (gap, replaced) in cases {
            let mut filled = film.clone();
            filled[gap.start as usize..gap.end as usize].fill(0);
            assert_eq!(patch(&&filled[..], &gap), replaced, "{gap:?}");
            let (front, _) = filler(&&filled[..], &replaced);
            filled[replaced.start as usize..][..front.len()].copy_from_slice(&front);
            if gap.start > places[0] && replaced.end < size {
                assert_eq!(seconds(&filled), Some(36.0), "{gap:?}: a player walks from box to box");
            }
        }
        // In other containers a gap is no more than it is.
        assert_eq!(patch(&&b"RIFF"[..], &(1..3)), 1..3);
    }

    #[test]
    fn row_77_a_decoder_can_begin_at_a_key_picture_and_what_tells_their_places_is_not_left_out() {
        let film = fragments(9, true);
        let places = places(&film);
        let key = |container, file: &[u8], from, to| omission(&file, container, from, to);
        assert_eq!(key("mp4", &film, places[0], places[3] + 1), Some(places[0]..places[4]));
        assert_eq!(
            key("mp4", &film, places[0] + 1, places[4]),
            Some(places[1]..places[4]),
            "only whole ones"
        );
        assert_eq!(key("mp4", &film, 0, places[4]), None, "the header lies between");
        assert_eq!(key("mp4", &film, places[0], places[8] + 1), None);
        let nearer = |to| omission_before(&&film[..], "mp4", places[0], to);
        assert_eq!(nearer(places[3] + 1), Some(places[0]..places[4]));
        assert_eq!(nearer(places[8] + 1), Some(places[0]..places[4]), "half of the way, and on to a place");
        assert_eq!(omission_before(&&film[..], "mp4", places[8], places[8] + 9), None);
        // A player walks from box to box.
        let mut filled = film.clone();
        let (front, _) = filler(&&film[..], &(places[2]..places[5]));
        filled[places[2] as usize..][..front.len()].copy_from_slice(&front);
        assert_eq!(seconds(&filled), Some(36.0));

        // Three chunks of two samples; the first and the fifth sample are keyframes.
        let tables = [
            mp4_box(b"stss", &words(&[0, 2, 1, 5])),
            mp4_box(b"stsc", &words(&[0, 1, 1, 2, 1])),
            mp4_box(b"stsz", &words(&[0, 0, 6, 10, 20, 30, 40, 50, 60])),
            mp4_box(b"stco", &words(&[0, 3, 1000, 2000, 3000])),
        ]
        .concat();
        let trak = |handler: &[u8; 4]| {
            let hdlr = mp4_box(b"hdlr", &[&[0; 8][..], handler].concat());
            let minf = mp4_box(b"minf", &mp4_box(b"stbl", &tables));
            mp4_box(b"trak", &mp4_box(b"mdia", &[hdlr, minf].concat()))
        };
        let moov = mp4_box(b"moov", &trak(b"vide"));
        let film = [mp4_box(b"ftyp", b"isom"), moov, mp4_box(b"mdat", &[0; 4000])].concat();
        assert_eq!(key("mp4", &film, 1000, 1001), Some(1000..3000));
        assert_eq!(key("mp4", &film, 500, 1001), None, "the index lies between");
        assert_eq!(key("mp4", &film, 1000, 3001), None);

        let cluster = [&b"\x1f\x43\xb6\x75\x41\x00\xe7\x81\x05"[..], &[0; 91]].concat();
        let film = [vec![7; 500], cluster.clone(), cluster].concat();
        assert_eq!(key("matroska", &film, 500, 501), Some(500..600));
        assert_eq!(key("matroska", &film, 499, 501), None);

        let packet = |flags: u8| [&[0x47, 0x41, 0, 0x30, 1, flags, 0, 0, 1, 0xe0][..], &[0xff; 178]].concat();
        let film = [packet(0), packet(0), packet(0x40), packet(0), packet(0x40), packet(0)].concat();
        assert_eq!(key("mpegts", &film, 0, 10), Some(0..2 * 188));
        assert_eq!(key("mpegts", &film, 1, 377), Some(188..4 * 188));

        let tag = |kind: u8| [&[9, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, kind << 4 | 7][..], &[0xff; 63]].concat();
        let film = [tag(1), tag(2), tag(1)].concat();
        assert_eq!(key("flv", &film, 0, 1), Some(0..150));

        let entry = |kind: &[u8; 4], flags: u32, at: u32| {
            [&kind[..], &flags.to_le_bytes(), &at.to_le_bytes(), &[0; 4]].concat()
        };
        let index = [
            entry(b"00dc", 0x10, 4),
            entry(b"01wb", 0x10, 50),
            entry(b"00dc", 0, 60),
            entry(b"00dc", 0x10, 70),
        ]
        .concat();
        let riff_chunk = |kind: &[u8], body: &[u8]| [kind, &(body.len() as u32).to_le_bytes(), body].concat();
        let movi = riff_chunk(b"LIST", &[&b"movi"[..], &[0; 100]].concat());
        let film = [&b"RIFF\0\0\0\0AVI "[..], &movi, &riff_chunk(b"idx1", &index)].concat();
        assert_eq!(key("avi", &film, 30, 40), Some(30..20 + 70));

        assert_eq!(key("flac", &film, 5000, 6000), None);
        assert_eq!(key("mp3", &film, 5000, 6000), Some(5000..6000));
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
        let page = |flags: u8, granule: u64| {
            [&b"OggS\0"[..], &[flags], &granule.to_le_bytes(), &[0; 12], b"\x01\x1e"].concat()
        };
        let ogg = [
            page(2, 0),
            b"\x01vorbis\0\0\0\0\x02".to_vec(),
            44_100u32.to_le_bytes().to_vec(),
            vec![0; 50],
            page(0, 88_200),
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

    /// faults.md row 75: a file that is cut anywhere, or has any byte changed, is read without harm.
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
        for whole in [fragments(2, true), fragments(1, false)] {
            let mut bytes = whole.clone();
            for at in (0..400).chain(whole.len().saturating_sub(90)..whole.len()) {
                for value in [0, 1, 0x7f, 0xff] {
                    let old = std::mem::replace(&mut bytes[at], value);
                    drop((probe(&&bytes[..]), omission(&&bytes[..], "mp4", 400, 500)));
                    bytes[at] = old;
                }
            }
        }
        for whole in small_files() {
            assert!(probe(&&whole[..]).is_some(), "{:?}", &whole[..12]);
            for at in 0..whole.len().min(400) {
                let mut bytes = whole.clone();
                drop(probe(&&bytes[..at]));
                for value in [0, 1, 0x7f, 0xff] {
                    bytes[at] = value;
                    drop(probe(&&bytes[..]));
                }
            }
        }
        // A `meta` box too short for its content, followed by zeros.
        let moov = mp4_box(b"moov", &mp4_box(b"udta", &mp4_box(b"meta", b"x")));
        drop(probe(&&[mp4_box(b"ftyp", b"isom"), moov, vec![0; 40]].concat()[..]));
        assert_eq!(probe(&&b"no media at all, only text"[..]), None);
    }
}
