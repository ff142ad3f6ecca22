//! What a client asks for besides the file, and what it gets: `blksize` (RFC 2348), `timeout` and `tsize` (RFC 2349) and
//! `windowsize` (RFC 7440). Pure.
//!
//! What is not known, or has a value that means nothing, is left out of the answer, as RFC 2347 wants it. The answer names
//! what is kept to, and nothing that was not asked for.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::packet::{HEADER, Mode, Request, option_ack};

/// Bytes of a block without `blksize`.
pub(super) const BLOCK: usize = 512;
/// Bytes that a block may have (RFC 2348).
const BLOCKS: RangeInclusive<u64> = 8..=65_464;
/// Most blocks of a window: what leaves in one system call, and what a usual receive buffer holds of the usual size. There
/// is no congestion control (RFC 7440, section 5).
const WINDOW_LIMIT: u64 = 64;
/// Most bytes of a window: they are held until they are acknowledged.
pub(super) const WINDOW_BYTES: usize = 1 << 20;
/// Seconds that `timeout` may name (RFC 2349).
const TIMEOUTS: RangeInclusive<u64> = 1..=255;
/// Silence until something is sent again, without `timeout`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// Under a rate limit, a window takes at most 1 s divided by this: a client that waits for longer asks again.
const WINDOWS_A_SECOND: u64 = 4;

/// What this side and the path allow.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// Largest payload of a datagram.
    pub(super) payload: usize,
    /// How many datagrams of so many bytes the receiver can take at once.
    pub(super) holds: &'a dyn Fn(usize) -> usize,
    /// Most bytes of a window.
    pub(super) window: usize,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
}

/// How the file travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Bytes of a full block.
    pub(super) block: usize,
    /// Blocks that may be on their way.
    pub(super) window: u64,
    /// Silence until something is sent again.
    pub(super) timeout: Duration,
    /// The OACK packet; `None` if no option was taken.
    pub(super) answer: Option<Vec<u8>>,
}

impl Request {
    /// The number that an option has; `None` if it was not given, or is no number.
    fn asks(&self, option: &str) -> Option<u64> {
        let (_, value) = self.options.iter().find(|(name, _)| name == option)?;
        value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
    }

    /// The size of the file that the client is going to send; `None` if it is not known. Clients that do not know it say 0,
    /// and text has another size on the way.
    pub(super) fn declared(&self) -> Option<u64> {
        self.asks("tsize").filter(|size| self.mode == Mode::Octet && *size > 0)
    }
}

/// Decides about the options. `size`: of the file that is read.
pub(super) fn agree(request: &Request, size: Option<u64>, bounds: Bounds<'_>) -> Agreed {
    let burst = bounds.rate.map_or(usize::MAX, |rate| (rate / WINDOWS_A_SECOND) as usize).max(BLOCK);
    let most = bounds.payload.saturating_sub(HEADER).min(burst) as u64;
    let asked_block = request.asks("blksize").filter(|block| BLOCKS.contains(block) || block > BLOCKS.end());
    let given_block = asked_block.map(|block| block.min(most.clamp(*BLOCKS.start(), *BLOCKS.end())));
    let block = given_block.map_or(BLOCK, |block| block as usize);
    let held = (bounds.holds)(block + HEADER) as u64;
    let fits = (bounds.window.min(burst) / block).max(1) as u64;
    let asked_window = request.asks("windowsize").filter(|window| (1..=u64::from(u16::MAX)).contains(window));
    let given_window = asked_window.map(|window| window.min(WINDOW_LIMIT).min(held).min(fits));
    let given_timeout = request.asks("timeout").filter(|timeout| TIMEOUTS.contains(timeout));
    let asked_size = request.asks("tsize").filter(|_| request.mode == Mode::Octet);
    let given_size = asked_size.and_then(|declared| if request.is_write { Some(declared) } else { size });
    let given = [
        ("blksize", given_block),
        ("windowsize", given_window),
        ("timeout", given_timeout),
        ("tsize", given_size),
    ];
    let given: Vec<(&str, u64)> =
        given.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
    Agreed {
        block,
        window: given_window.unwrap_or(1),
        timeout: given_timeout.map_or(TIMEOUT, Duration::from_secs),
        answer: (!given.is_empty()).then(|| option_ack(&given)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Bounds<'_> =
        Bounds { payload: 65_507, holds: &|_| usize::MAX, window: WINDOW_BYTES, rate: None };

    fn request(options: &[(&str, &str)]) -> Request {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Request { is_write: false, name: b"a".to_vec(), mode: Mode::Octet, options }
    }

    fn answer(options: &[(&str, &str)], bounds: Bounds<'_>) -> String {
        let answer = agree(&request(options), Some(7000), bounds).answer.unwrap_or_default();
        String::from_utf8(answer).unwrap().replace('\0', " ").trim_matches(['\u{6}', ' ']).to_owned()
    }

    #[test]
    fn what_is_asked_is_answered_and_nothing_else() {
        let ethernet = Bounds { payload: 1472, ..WIDE };
        assert_eq!(answer(&[("blksize", "1428"), ("tsize", "0")], WIDE), "blksize 1428 tsize 7000");
        assert_eq!(answer(&[("blksize", "65464")], WIDE), "blksize 65464");
        assert_eq!(answer(&[("blksize", "65465")], WIDE), "blksize 65464");
        assert_eq!(answer(&[("blksize", "9000")], ethernet), "blksize 1468");
        assert_eq!(answer(&[("windowsize", "16")], WIDE), "windowsize 16");
        assert_eq!(answer(&[("windowsize", "65535")], WIDE), "windowsize 64");
        assert_eq!(
            answer(&[("blksize", "65464"), ("windowsize", "64")], WIDE),
            "blksize 65464 windowsize 16"
        );
        assert_eq!(answer(&[("timeout", "255")], WIDE), "timeout 255");
        let plain = agree(&request(&[]), Some(1), WIDE);
        assert_eq!((plain.block, plain.window, plain.timeout, plain.answer), (512, 1, TIMEOUT, None));
    }

    #[test]
    fn what_means_nothing_is_left_out() {
        for (name, value) in [
            ("blksize", "7"),
            ("blksize", "x"),
            ("blksize", "+9"),
            ("blksize", ""),
            ("windowsize", "0"),
            ("windowsize", "65536"),
            ("timeout", "0"),
            ("timeout", "256"),
            ("multicast", ""),
            ("tsize", "99999999999999999999"),
        ] {
            assert_eq!(answer(&[(name, value)], WIDE), "", "{name} {value}");
        }
    }

    #[test]
    fn the_size_of_text_is_not_known() {
        let text = Request { mode: Mode::Netascii, ..request(&[("tsize", "0")]) };
        assert_eq!(agree(&text, None, WIDE).answer, None);
        let sent = |size| Request { is_write: true, ..request(&[("tsize", size)]) };
        assert_eq!((sent("5").declared(), sent("0").declared()), (Some(5), None));
        assert_eq!(agree(&sent("0"), None, WIDE).answer, Some(option_ack(&[("tsize", 0)])));
        assert_eq!(Request { mode: Mode::Netascii, ..sent("5") }.declared(), None);
    }

    #[test]
    fn a_window_fits_the_buffer_and_the_rate() {
        let windows = [("blksize", "1000"), ("windowsize", "64")];
        assert_eq!(answer(&windows, Bounds { holds: &|_| 9, ..WIDE }), "blksize 1000 windowsize 9");
        assert_eq!(answer(&windows, Bounds { rate: Some(20_000), ..WIDE }), "blksize 1000 windowsize 5");
        assert_eq!(answer(&windows, Bounds { rate: Some(100), ..WIDE }), "blksize 512 windowsize 1");
    }
}
