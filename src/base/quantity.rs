//! Sizes, rates, durations and percentages: parsing and display.
//!
//! `64K` = `64KiB` = 65536, `64KB` = 64000 (the rule of GNU `dd`); rates are decimal (`10mbit`, `5MB/s`);
//! a duration always carries a unit. Every parser says what is wrong and, where it can, gives the nearest
//! valid form.

use std::fmt;
use std::time::Duration;

/// Why a word is not a valid quantity, with a form that would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuantity {
    /// What is wrong, as part of an error message.
    pub why: String,
    /// A valid form that was probably meant; `None` if there is none to suggest.
    pub fix: Option<String>,
}

fn bad<T>(why: impl Into<String>, fix: impl Into<Option<String>>) -> Result<T, BadQuantity> {
    Err(BadQuantity { why: why.into(), fix: fix.into() })
}

/// A fraction of a whole, from 0 % to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// The percentage as a fraction, from 0.0 to 1.0.
    pub const fn fraction(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 1e6).round() / 1e4)
    }
}

/// Splits `10mbit` into the number and the unit after it.
fn split(word: &str) -> (&str, &str) {
    let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
    word.split_at(end)
}

/// Product of a decimal such as `1.5` and `unit`, rounded down; `None` if `number` is malformed or has more than
/// 12 decimals, or if the product overflows.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || part.contains('.') || part.len() > 12 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u128 = if part.is_empty() {
        0
    } else {
        u128::from(part.parse::<u64>().ok()?) * u128::from(unit) / 10u128.pow(part.len() as u32)
    };
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// Parses a number of bytes: `64`, `64K`, `64KiB`, `64KB`, `1.5M`.
pub fn size(word: &str) -> Result<u64, BadQuantity> {
    let (number, unit) = split(word);
    if number.is_empty() {
        let positive = word.strip_prefix('-').filter(|rest| size(rest).is_ok()).map(str::to_owned);
        return bad("a size is a number with an optional unit", positive.or(Some("64K".into())));
    }
    let Some(factor) = size_unit(unit) else { return unknown_size_unit(word, number, unit) };
    if factor == 1 && number.contains('.') {
        return bad(
            "a size is a whole number of bytes",
            number.split('.').next().filter(|n| !n.is_empty()).map(Into::into),
        );
    }
    scaled(number, factor).map_or_else(|| bad("the number is not readable or too large", None), Ok)
}

/// The number of bytes that a unit of size stands for.
fn size_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "B" => 1,
        "K" | "KiB" | "k" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    })
}

/// The error of a size whose unit is not known; `number` and `unit` are the parts of `word`.
fn unknown_size_unit<T>(word: &str, number: &str, unit: &str) -> Result<T, BadQuantity> {
    match unit {
        "m" | "g" | "t" | "kb" | "mb" | "gb" | "tb" => {
            bad(format!("`{unit}` is not a unit of size"), Some(format!("{number}{}", unit.to_uppercase())))
        }
        // 1e9: scientific notation.
        _ if unit.starts_with(['e', 'E']) && word.parse::<f64>().is_ok_and(|n| (0.0..1e18).contains(&n)) => {
            let whole = word.parse::<f64>().map_or(0, |n| n as u64);
            bad(format!("`{unit}` is not a unit of size"), Some(whole.to_string()))
        }
        _ => bad(
            format!("`{unit}` is not a unit of size; units are B K M G T (1024) and KB MB GB TB (1000)"),
            Some(number.into()),
        ),
    }
}

/// Parses a rate such as `10mbit`, `1gbit` or `5MB/s` into bits per second. Zero is an error.
pub fn rate(word: &str) -> Result<u64, BadQuantity> {
    let (number, unit) = split(word);
    let factor = match unit {
        "bit" => 1,
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        "B/s" => 8,
        "KB/s" | "kB/s" => 8_000,
        "MB/s" => 8_000_000,
        "GB/s" => 8_000_000_000,
        "KiB/s" => 8 << 10,
        "MiB/s" => 8 << 20,
        "GiB/s" => 8 << 30,
        "" => {
            return bad(
                "a rate needs a unit: kbit, mbit, gbit, KB/s, MB/s",
                scaled(number, 1_000_000).filter(|bits| *bits > 0).map(|_| format!("{number}mbit")),
            );
        }
        _ => {
            let meant = meant_rate_unit(unit).filter(|_| !number.is_empty());
            return bad(
                format!("`{unit}` is not a unit of rate; units are kbit mbit gbit KB/s MB/s GB/s"),
                meant.map(|meant| format!("{number}{meant}")),
            );
        }
    };
    match scaled(number, factor) {
        Some(0) => bad("a rate must be greater than zero", None),
        Some(rate) => Ok(rate),
        None => bad("the number is not readable or too large", None),
    }
}

/// The unit of rate that was probably meant by another spelling.
fn meant_rate_unit(unit: &str) -> Option<&'static str> {
    // A small b is a bit, a capital B a byte, wherever the rest tells what is meant.
    match unit {
        "KBps" | "kBps" => return Some("KB/s"),
        "MBps" => return Some("MB/s"),
        "GBps" => return Some("GB/s"),
        "Kb/s" | "kb/s" | "Kb" => return Some("kbit"),
        "Mb/s" | "Mb" => return Some("mbit"),
        "Gb/s" | "Gb" => return Some("gbit"),
        _ => {}
    }
    match unit.to_ascii_lowercase().as_str() {
        "bps" | "bit/s" | "bits" => Some("bit"),
        "kbps" | "kbit" | "kbit/s" | "kbits" => Some("kbit"),
        "mbps" | "mbit" | "mbit/s" | "mbits" => Some("mbit"),
        "gbps" | "gbit" | "gbit/s" | "gbits" => Some("gbit"),
        "kb/s" | "kb" | "k" => Some("KB/s"),
        "mb/s" | "mb" | "m" => Some("MB/s"),
        "gb/s" | "gb" | "g" => Some("GB/s"),
        "kib" | "kib/s" => Some("KiB/s"),
        "mib" | "mib/s" => Some("MiB/s"),
        "gib" | "gib/s" => Some("GiB/s"),
        _ => None,
    }
}

/// A count with its noun, in the plural unless the count is 1: `1 file`, `2 files`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Words in a sentence: `a`, `a and b`, `a, b and c`.
pub fn all_of(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// Parses a duration, to the microsecond: `200ms`, `5s`, `1m30s`, `2h`.
pub fn duration(word: &str) -> Result<Duration, BadQuantity> {
    let mut rest = word;
    let mut micros = 0u64;
    if rest.is_empty() {
        return bad("a duration is a number with a unit", Some("5s".into()));
    }
    while !rest.is_empty() {
        let (number, tail) = split(rest);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let factor = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "" if !number.is_empty() => {
                // A large number without a unit is most likely meant as milliseconds.
                let unit = if number.parse::<f64>().is_ok_and(|n| n > 30.0) { "ms" } else { "s" };
                return bad("a duration needs a unit: ms, s, m, h", Some(format!("{word}{unit}")));
            }
            unit => {
                let meant = match unit.to_lowercase().as_str() {
                    "msec" | "msecs" | "millis" | "milliseconds" => Some("ms"),
                    "sec" | "secs" | "second" | "seconds" => Some("s"),
                    "min" | "mins" | "minute" | "minutes" => Some("m"),
                    "hour" | "hours" => Some("h"),
                    _ => None,
                };
                let fix = meant.filter(|_| !number.is_empty()).map(|meant| format!("{number}{meant}"));
                return bad("a duration is a number with a unit: ms, s, m, h", fix);
            }
        };
        let Some(sum) = scaled(number, factor).and_then(|part| micros.checked_add(part)) else {
            return bad("the number is not readable or too large", None);
        };
        (micros, rest) = (sum, tail);
    }
    Ok(Duration::from_micros(micros))
}

/// Parses a percentage from 0 % to 100 %: `5%`, `0.5%`.
pub fn percent(word: &str) -> Result<Percent, BadQuantity> {
    let Some(number) = word.strip_suffix('%') else {
        return bad(
            "a percentage ends in %",
            word.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| format!("{n}%")),
        );
    };
    match scaled(number, 1_000_000) {
        Some(millionths) if millionths <= 100_000_000 => Ok(Percent(millionths as f64 / 1e8)),
        Some(_) => bad("a percentage is between 0% and 100%", Some("100%".into())),
        None => bad("a percentage is a number and a % sign", Some("5%".into())),
    }
}

/// The quantity that a word probably means whose unit is none: `5mbps` → `5mbit`, `5sec` → `5s`, `10kb` → `10KB`.
pub fn misspelled(word: &str) -> Option<String> {
    let (number, unit) = split(word);
    if number.is_empty() || !unit.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return None;
    }
    let found = [size(word).err(), duration(word).err(), rate(word).err()];
    // The first one that only lacks the right spelling: other errors suggest a plain number.
    found.into_iter().flatten().filter_map(|bad| bad.fix).find(|fix| !split(fix).1.is_empty() && fix != word)
}

/// A number of bytes for display, in binary units: `67108864` → `64.0 MiB`.
pub fn show_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A number of bytes as a command accepts it, exact: `64K`, `65535`.
pub fn exact_size(bytes: u64) -> String {
    let units = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    let unit = units.into_iter().find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale));
    unit.map_or_else(|| bytes.to_string(), |(word, scale)| format!("{}{word}", bytes / scale))
}

/// A rate in bytes per second for display, in binary units: `540.0 MiB/s`.
pub fn show_rate(bytes_per_second: f64) -> String {
    format!("{}/s", show_size(bytes_per_second.max(0.0) as u64))
}

/// A rate in bits per second as a command accepts it, rounded to three decimals: `10mbit`, `1.5gbit`.
pub fn show_bits(bits: u64) -> String {
    let (unit, scale) = match bits {
        1_000_000_000.. => ("gbit", 1e9),
        1_000_000.. => ("mbit", 1e6),
        1_000.. => ("kbit", 1e3),
        _ => ("bit", 1.0),
    };
    format!("{}{unit}", (bits as f64 / scale * 1e3).round() / 1e3)
}

/// A rate in bits per second as a command accepts it, exact: `10mbit`, `1500bit`.
pub fn exact_rate(bits: u64) -> String {
    let units = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000)];
    let unit = units.into_iter().find(|(_, scale)| bits > 0 && bits.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{bits}bit"), |(unit, scale)| format!("{}{unit}", bits / scale))
}

/// A duration as a command accepts it, exact to the microsecond: `200ms`, `90s`.
pub fn exact_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let unit = [("s", 1_000_000), ("ms", 1_000)].into_iter().find(|(_, scale)| micros.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{micros}us"), |(unit, scale)| format!("{}{unit}", micros / scale))
}

/// A duration for display: `250 µs`, `1.5 ms`, `1.50 s`, `1m30s`, `2h05m`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 3600.0 => format!("{}m{:02}s", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{}h{:02}m", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_a_sentence() {
        for (words, text) in
            [(&[][..], ""), (&["a"], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b and c")]
        {
            assert_eq!(all_of(words), text);
        }
    }

    #[test]
    fn sizes_follow_the_rule_of_dd() {
        for (word, bytes) in [
            ("64", 64),
            ("64K", 65_536),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("1M", 1 << 20),
            ("1.5K", 1536),
            ("16MiB", 16 << 20),
        ] {
            assert_eq!(size(word), Ok(bytes), "{word}");
        }
    }

    #[test]
    fn row_31_bad_sizes_say_why_and_what_would_do() {
        for word in ["-5", "1.5", "1e9", "10x", "", "K", "1.2.3K", "99999999999999999999", "9999999999T"] {
            assert!(size(word).is_err(), "{word}");
        }
        assert_eq!(size("10m").unwrap_err().fix.as_deref(), Some("10M"));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("5").unwrap_err().fix.as_deref(), Some("5s"));
        assert!(duration("5 s").is_err() && duration("s").is_err() && duration("5s3").is_err());
    }

    #[test]
    fn rates_are_decimal_bits() {
        assert_eq!(rate("10mbit"), Ok(10_000_000));
        assert_eq!(rate("5MB/s"), Ok(40_000_000));
        assert!(rate("10").is_err() && rate("0mbit").is_err());
        for (word, fix) in [
            ("5mbps", "5mbit"),
            ("5Mbit/s", "5mbit"),
            ("5mb/s", "5MB/s"),
            ("5M", "5MB/s"),
            ("5MBps", "5MB/s"),
            ("5Mb/s", "5mbit"),
            ("5kb/s", "5kbit"),
        ] {
            assert_eq!(rate(word).unwrap_err().fix.as_deref(), Some(fix), "{word}");
        }
    }

    #[test]
    fn another_spelling_of_a_unit_is_known_as_such() {
        for (word, meant) in [
            ("5mbps", Some("5mbit")),
            ("5seconds", Some("5s")),
            ("10kb", Some("10KB")),
            ("10mb/s", Some("10MB/s")),
            ("3rd", None),
            ("5", None),
            ("127.0.0.1", None),
            ("host", None),
        ] {
            assert_eq!(misspelled(word).as_deref(), meant, "{word}");
        }
    }

    #[test]
    fn percentages_stay_between_0_and_100() {
        assert!((percent("0.5%").unwrap().fraction() - 0.005).abs() < 1e-12);
        assert!(percent("101%").is_err() && percent("5").is_err() && percent("%").is_err());
    }
}
