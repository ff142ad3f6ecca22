//! Subtitles as players and browsers read them (WebVTT, W3C 2019; SubRip has no standard: numbered cues, and a comma where
//! WebVTT has a point).

use bytes::Bytes;

/// Separates the two times of a cue.
const ARROW: &str = "-->";
/// Maximum bytes of a file of subtitles.
pub(crate) const SIZE_LIMIT: u64 = 2 << 20;

/// Subtitles in the two formats that players and browsers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subtitles {
    pub(crate) vtt: Bytes,
    pub(crate) srt: Bytes,
}

/// When something is shown, and what.
struct Cue<'t> {
    times: [String; 2],
    lines: Vec<&'t str>,
}

impl Subtitles {
    /// Reads either format; `None` if the text has no cue.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes).replace('\r', "");
        let cues: Vec<Cue<'_>> = text.split("\n\n").filter_map(cue).collect();
        if cues.is_empty() {
            return None;
        }
        let (mut vtt, mut srt) = ("WEBVTT\n".to_owned(), String::new());
        for (number, Cue { times: [from, to], lines }) in (1..).zip(&cues) {
            let lines: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            vtt += &format!("\n{from} {ARROW} {to}\n{lines}");
            let (from, to) = (from.replace('.', ","), to.replace('.', ","));
            let between = if srt.is_empty() { "" } else { "\n" };
            srt += &format!("{between}{number}\n{from} {ARROW} {to}\n{lines}");
        }
        Some(Self { vtt: vtt.into(), srt: srt.into() })
    }
}

/// The cue in a paragraph; `None`: it is a heading, a note or a style.
fn cue(paragraph: &str) -> Option<Cue<'_>> {
    let mut lines = paragraph.lines().skip_while(|line| !line.contains(ARROW));
    let (from, behind) = lines.next()?.split_once(ARROW)?;
    // Behind the times WebVTT may have settings.
    let to = behind.split_whitespace().next()?;
    Some(Cue { times: [time(from.trim())?, time(to)?], lines: lines.collect() })
}

/// A time with hours, minutes, seconds and milliseconds; WebVTT may leave the hours out.
fn time(text: &str) -> Option<String> {
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let numbers: Option<Vec<u32>> = whole.split(':').map(|number| number.parse().ok()).collect();
    let (hours, minutes, seconds) = match numbers?[..] {
        [hours, minutes, seconds] => (hours, minutes, seconds),
        [minutes, seconds] => (0, minutes, seconds),
        _ => return None,
    };
    let is_number = !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && minutes < 60 && seconds < 60)
        .then(|| format!("{hours:02}:{minutes:02}:{seconds:02}.{part:0<3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_made_of_either() {
        let srt = "1\r\n00:00:01,500 --> 00:00:02,000\r\nHello, you. 1,5\r\n\r\n2\r\n00:01:03,5 --> 01:00:04\r\nTwo\r\nlines";
        let vtt = "WEBVTT\n\n00:00:01.500 --> 00:00:02.000\nHello, you. 1,5\n\n00:01:03.500 --> 01:00:04.000\nTwo\nlines\n";
        let read = Subtitles::read(srt.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(&read.vtt).unwrap(), vtt);
        let plain = "1\n00:00:01,500 --> 00:00:02,000\nHello, you. 1,5\n\n2\n00:01:03,500 --> 01:00:04,000\nTwo\nlines\n";
        assert_eq!(std::str::from_utf8(&read.srt).unwrap(), plain);
        assert_eq!(Subtitles::read(vtt.as_bytes()), Some(read));
    }

    #[test]
    fn webvtt_without_hours_with_settings_notes_and_names_becomes_plain_subrip() {
        let vtt = "\u{feff}WEBVTT - a title\n\nNOTE by hand\n\nSTYLE\n::cue {}\n\nintro\n00:00.500 --> 00:02.000 align:start line:0\nHi\n";
        let read = Subtitles::read(vtt.as_bytes()).unwrap();
        assert_eq!(&read.srt[..], b"1\n00:00:00,500 --> 00:00:02,000\nHi\n");
    }

    #[test]
    fn what_has_no_cue_is_none() {
        for none in
            [&b"no subtitles"[..], b"WEBVTT -->", b"\xff\xfe --> \xff", b"00:99.000 --> 1:2:3:4\nx", b""]
        {
            assert_eq!(Subtitles::read(none), None);
        }
    }
}
