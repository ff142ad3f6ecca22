//! What a field of a result holds, and how two values compare in `expect`.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use super::quantity::{self, Percent};

/// A value with its type kept, so that `expect $up.bytes == 64M` compares numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i128),
    Number(f64),
    Size(u64),
    Percent(Percent),
    Duration(Duration),
    Flag(bool),
}

/// Named values in the order in which they are shown.
pub type Fields = Vec<(&'static str, Value)>;

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub const fn count(count: u64) -> Self {
        Self::Integer(count as i128)
    }

    /// Seconds, rounded to microseconds so that output stays readable.
    pub fn seconds(duration: Duration) -> Self {
        Self::Number((duration.as_secs_f64() * 1e6).round() / 1e6)
    }

    /// The type a literal word has by its look: integer, number, size, percent, duration, else text.
    pub fn from_word(word: &str) -> Self {
        if let Ok(integer) = word.parse() {
            return Self::Integer(integer);
        }
        if let Some(number) = plain_number(word) {
            return Self::Number(number);
        }
        if let Ok(percent) = quantity::percent(word) {
            return Self::Percent(percent);
        }
        if let Ok(duration) = quantity::duration(word) {
            return Self::Duration(duration);
        }
        if let Ok(size) = quantity::size(word) {
            return Self::Size(size);
        }
        Self::text(word)
    }

    /// The value on a common scale (bytes, seconds, parts of one), if it has one.
    fn scalar(&self) -> Option<f64> {
        match self {
            Self::Integer(n) => Some(*n as f64),
            Self::Number(n) => Some(*n),
            Self::Size(n) => Some(*n as f64),
            Self::Percent(p) => Some(p.fraction()),
            Self::Duration(d) => Some(d.as_secs_f64()),
            Self::Flag(_) => None,
            Self::Text(text) => text.parse::<i128>().map(|n| n as f64).ok().or_else(|| plain_number(text)),
        }
    }

    /// Order of two values: exact for integers, by scale for quantities, else by text.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(a), Some(b)) = (self.exact(), other.exact()) {
            return Some(a.cmp(&b));
        }
        match (self.scalar(), other.scalar()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => Some(self.to_string().cmp(&other.to_string())),
        }
    }

    fn exact(&self) -> Option<i128> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::Size(n) => Some(i128::from(*n)),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What a bare `expect $x.field` asks: not false, not zero, not empty.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::Text(text) => !text.is_empty() && text != "false",
            other => other.scalar().is_some_and(|n| n != 0.0),
        }
    }
}

/// A decimal such as `1.5`; not `inf`, `nan` or `1e9`, which are words.
fn plain_number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.starts_with(|c: char| c.is_ascii_digit());
    plain.then(|| word.parse().ok()).flatten()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Size(n) => write!(f, "{n}"),
            Self::Percent(p) => write!(f, "{p}"),
            Self::Duration(d) => write!(f, "{}", quantity::show_duration(*d)),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_on_their_scale() {
        let is = |a: &str, b: &str| Value::from_word(a).compare(&Value::from_word(b));
        assert_eq!(is("64K", "65536"), Some(Ordering::Equal));
        assert_eq!(is("200ms", "1s"), Some(Ordering::Less));
        assert_eq!(is("5%", "0.05"), Some(Ordering::Equal));
        assert_eq!(is("10", "9"), Some(Ordering::Greater));
        assert_eq!(is("abc", "abd"), Some(Ordering::Less));
    }

    #[test]
    fn integers_compare_exactly_beyond_what_a_float_holds() {
        let (a, b) = (Value::text("9007199254740993"), Value::Integer(9_007_199_254_740_992));
        assert_eq!(a.compare(&b), Some(Ordering::Greater));
    }
}
