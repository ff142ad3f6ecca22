//! Subtitles as players and browsers read them (WebVTT, W3C 2019; SubRip has no standard, only a comma where WebVTT has a
//! point).

use bytes::Bytes;

/// Separates the two times of a cue.
const ARROW: &str = "-->";

/// Subtitles in the two formats that players and browsers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subtitles {
    pub(crate) vtt: Bytes,
    pub(crate) srt: Bytes,
}

impl Subtitles {
    /// Reads either format; `None` if the text has no cue.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes).replace('\r', "");
        let text = text.trim_start_matches('\u{feff}');
        if !text.contains(ARROW) {
            return None;
        }
        let cues = text
            .strip_prefix("WEBVTT")
            .map_or(text, |rest| rest.split_once('\n').map_or("", |(_, cues)| cues));
        let with = |from: char, to: &str| -> String {
            let times =
                |line: &str| if line.contains(ARROW) { line.replace(from, to) } else { line.to_owned() };
            cues.split_inclusive('\n').map(times).collect()
        };
        let vtt = format!("WEBVTT\n\n{}", with(',', ".").trim_start());
        Some(Self { vtt: vtt.into(), srt: with('.', ",").trim_start().to_owned().into() })
    }
}
