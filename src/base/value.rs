//! The value of a result's field, and how two values compare in `expect`.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::quantity::{self, Percent};

/// A value that keeps its type, so that `expect $up.bytes == 64M` compares numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any text.
    Text(String),
    /// A whole number, exact.
    Integer(i128),
    /// A measured number, with the precision of a float.
    Number(f64),
    /// A decimal, a fraction or an integer of any size, as it was written.
    Exact(String),
    /// Bytes.
    Size(u64),
    /// Bits per second.
    Rate(u64),
    /// A fraction of a whole.
    Percent(Percent),
    /// A length of time.
    Duration(Duration),
    /// `true` or `false`.
    Flag(bool),
}

/// Named values in the order in which they are shown.
pub type Fields = Vec<(&'static str, Value)>;

/// What a value measures. Values of the same dimension can be compared; a plain number beside a quantity is taken in
/// the base unit of that quantity (bytes, seconds, bytes per second, a fraction of 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A plain number.
    Count,
    /// A number of bytes.
    Size,
    /// Data per time.
    Rate,
    /// A length of time.
    Duration,
    /// A fraction of a whole.
    Percent,
    /// `true` or `false`.
    Flag,
    /// The state of a session: usable alone as a condition, without an order.
    State,
    /// Text that is not compared as a number.
    Text,
}

impl Dimension {
    /// The dimension with its article, for messages: `a size`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Count => "a number",
            Self::Size => "a size",
            Self::Rate => "a rate",
            Self::Duration => "a duration",
            Self::Percent => "a percentage",
            Self::Flag => "true or false",
            Self::State => "a state",
            Self::Text => "a text",
        }
    }

    /// A literal of this dimension, for messages.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Count => "3",
            Self::Size => "64K",
            Self::Rate => "5MB/s",
            Self::Duration => "200ms",
            Self::Percent => "5%",
            Self::Flag => "true",
            Self::State => "done",
            Self::Text => "\"text\"",
        }
    }

    const fn is_quantity(self) -> bool {
        matches!(self, Self::Size | Self::Rate | Self::Duration | Self::Percent)
    }

    /// True if `<` and `>` are meaningful between values of the two dimensions.
    pub fn has_order_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Flag | Self::State, _) | (_, Self::Flag | Self::State) => false,
            (Self::Count, quantity) | (quantity, Self::Count) if quantity != Self::Text => true,
            _ => self == other,
        }
    }

    /// True if values of the two can never be equal: a size is never a duration.
    pub fn excludes(self, other: Self) -> bool {
        self != other && self.is_quantity() && other.is_quantity()
    }
}

/// Longest number that is compared exactly, in characters; a longer one compares as text.
const EXACT_DIGITS_LIMIT: usize = 20_000;

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub const fn count(count: u64) -> Self {
        Self::Integer(count as i128)
    }

    /// A duration as a plain number of seconds, rounded to microseconds so that output stays readable.
    pub fn seconds(duration: Duration) -> Self {
        Self::Number((duration.as_secs_f64() * 1e6).round() / 1e6)
    }

    /// The value of a literal word, with the type that its form gives it: number, percentage, rate, duration, size,
    /// `true` or `false`, else text.
    pub fn from_word(word: &str) -> Self {
        if let Ok(integer) = word.parse() {
            return Self::Integer(integer);
        }
        if rational(word).is_some() {
            return Self::Exact(word.into());
        }
        if let Ok(flag) = word.parse() {
            return Self::Flag(flag);
        }
        if !word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Self::text(word);
        }
        if let Ok(percent) = quantity::percent(word) {
            return Self::Percent(percent);
        }
        if let Ok(rate) = quantity::rate(word) {
            return Self::Rate(rate);
        }
        if let Ok(duration) = quantity::duration(word) {
            return Self::Duration(duration);
        }
        if let Ok(size) = quantity::size(word) {
            return Self::Size(size);
        }
        Self::text(word)
    }

    /// What the value measures. A text that reads as a number or as `true` or `false` counts as such.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::Integer(_) | Self::Number(_) | Self::Exact(_) => Dimension::Count,
            Self::Size(_) => Dimension::Size,
            Self::Rate(_) => Dimension::Rate,
            Self::Percent(_) => Dimension::Percent,
            Self::Duration(_) => Dimension::Duration,
            Self::Flag(_) => Dimension::Flag,
            Self::Text(text) if rational(text).is_some() => Dimension::Count,
            Self::Text(text) if text == "true" || text == "false" => Dimension::Flag,
            Self::Text(_) => Dimension::Text,
        }
    }

    /// True if both are equal: numbers and quantities by value, two texts character by character.
    pub fn equals(&self, other: &Self) -> bool {
        if let (Self::Text(one), Self::Text(two)) = (self, other) {
            return one == two;
        }
        if self.dimension().has_order_with(other.dimension()) {
            return self.order(other) == Some(Ordering::Equal);
        }
        self.to_string() == other.to_string()
    }

    /// How the two compare; `None` if their dimensions have no order.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        if !self.dimension().has_order_with(other.dimension()) {
            return None;
        }
        if let (Some(a), Some(b)) = (self.exact(), other.exact()) {
            return Some(a.cmp(&b));
        }
        match (self.measured(), other.measured()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => Some(self.to_string().cmp(&other.to_string())),
        }
    }

    /// The exact value on a common scale (bytes, seconds, bytes per second, a fraction of 1); `None` if it is only
    /// approximate or not a number.
    fn exact(&self) -> Option<RBig> {
        match self {
            Self::Integer(n) => Some(RBig::from(IBig::from(*n))),
            Self::Size(n) => Some(RBig::from(*n)),
            Self::Rate(bits) => Some(parts(u128::from(*bits), 8)),
            Self::Duration(time) => Some(parts(time.as_nanos(), 1_000_000_000)),
            Self::Percent(percent) => Some(parts((percent.fraction() * 1e8).round() as u128, 100_000_000)),
            Self::Exact(text) | Self::Text(text) => rational(text),
            Self::Number(_) | Self::Flag(_) => None,
        }
    }

    /// The value on the same scale, as a float.
    fn measured(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            other => other.exact().map(|exact| exact.to_f64().value()),
        }
    }

    /// The value as a condition: a number is true unless it is zero. `None` for a text that is neither `true` nor
    /// `false`.
    pub fn condition(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => text.parse().ok(),
            other => other.measured().map(|number| number != 0.0),
        }
    }
}

fn parts(number: u128, of: u64) -> RBig {
    RBig::from_parts(IBig::from(number), UBig::from(of))
}

/// `-7`, `1.5`, `1/3`; not `inf`, `nan` or `1e9`, which are words.
fn rational(text: &str) -> Option<RBig> {
    if text.len() > EXACT_DIGITS_LIMIT {
        return None;
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let value = match digits.split_once('/') {
        Some((above, below)) => {
            let below = natural(below).filter(|below| !below.is_zero())?;
            RBig::from_parts(natural(above)?.into(), below)
        }
        None => decimal(digits)?,
    };
    Some(if negative { -value } else { value })
}

fn decimal(digits: &str) -> Option<RBig> {
    let Some((whole, part)) = digits.split_once('.') else { return natural(digits).map(RBig::from) };
    let all = natural(&format!("{whole}{part}")).filter(|_| !whole.is_empty() && !part.is_empty())?;
    Some(RBig::from_parts(all.into(), UBig::from(10u8).pow(part.len())))
}

fn natural(digits: &str) -> Option<UBig> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Exact(text) => f.write_str(text),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Size(n) => write!(f, "{n}"),
            Self::Rate(bits) => f.write_str(&quantity::exact_rate(*bits)),
            Self::Percent(p) => write!(f, "{p}"),
            Self::Duration(d) => f.write_str(&quantity::exact_duration(*d)),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(a: &str, b: &str) -> Option<Ordering> {
        Value::from_word(a).order(&Value::from_word(b))
    }

    #[test]
    fn quantities_compare_by_value_whatever_their_unit() {
        for (a, b, is) in [
            ("64K", "65536", Ordering::Equal),
            ("200ms", "1s", Ordering::Less),
            ("5%", "0.05", Ordering::Equal),
            ("10", "9", Ordering::Greater),
            ("500", "1MB/s", Ordering::Less),
            ("1gbit", "1000mbit", Ordering::Equal),
            ("5MB/s", "40mbit", Ordering::Equal),
            ("10MB/s", "9MB/s", Ordering::Greater),
            ("1m30s", "90s", Ordering::Equal),
            ("1/3", "0.5", Ordering::Less),
            ("2/6", "1/3", Ordering::Equal),
            ("-1/2", "-0.5", Ordering::Equal),
            ("0.1", "1/10", Ordering::Equal),
            ("abc", "abd", Ordering::Less),
        ] {
            assert_eq!(order(a, b), Some(is), "{a} {b}");
            assert_eq!(Value::from_word(a).equals(&Value::from_word(b)), is == Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn kinds_without_an_order_have_none() {
        for (a, b) in
            [("64K", "5s"), ("5s", "1MB/s"), ("5%", "64K"), ("abc", "5"), ("true", "false"), ("5s", "abc")]
        {
            assert_eq!(order(a, b), None, "{a} {b}");
            assert!(!Value::from_word(a).equals(&Value::from_word(b)), "{a} {b}");
        }
        assert!(Dimension::Size.excludes(Dimension::Duration) && !Dimension::Count.excludes(Dimension::Size));
    }

    #[test]
    fn numbers_compare_exactly_beyond_what_a_float_holds() {
        let (a, b) = (Value::text("9007199254740993"), Value::Integer(9_007_199_254_740_992));
        assert_eq!(a.order(&b), Some(Ordering::Greater));
        let digits = "9".repeat(60);
        assert_eq!(order(&format!("{digits}.5"), &format!("{digits}.25")), Some(Ordering::Greater));
    }

    #[test]
    fn a_value_is_written_so_that_it_is_read_as_the_same() {
        for word in
            ["10mbit", "1gbit", "5MB/s", "1bit", "200ms", "1m30s", "2h", "1us", "0.5%", "7", "1.50", "1/3"]
        {
            let value = Value::from_word(word);
            assert!(Value::from_word(&value.to_string()).equals(&value), "{word}: {value}");
        }
    }
}
