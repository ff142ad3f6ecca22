//! Filters of `trace … where`: `retransmitted`, `kind == data and bytes > 1000`, `not acks or number >= 17`.
//!
//! ```text
//! filter = all { "or" all } ;
//! all    = one { "and" one } ;
//! one    = "not" one | FIELD ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) VALUE | WORD ;
//! ```
//! A WORD is a kind, a fate, a cause or a direction, or `retransmitted`, `lost`, `acks`.

use std::cmp::Ordering;

use nom::branch::alt;
use nom::bytes::complete::take_till1;
use nom::character::complete::space0;
use nom::combinator::{map, map_opt, verify};
use nom::multi::separated_list1;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{Cause, Fate, Kind, PacketEvent, Way};
use crate::base::quantity;

/// Longest filter, in bytes.
const FILTER_LIMIT: usize = 1024;

/// A condition on an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One of these holds.
    Any(Vec<Self>),
    /// All of these hold.
    All(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// The event has this word.
    Is(Word),
    /// A number of the event compared with another.
    Number(Field, Comparison, u64),
}

/// What a word in a filter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Of this kind.
    Kind(Kind),
    /// With this fate.
    Fate(Fate),
    /// Sent again for this cause.
    Cause(Cause),
    /// In this direction.
    Way(Way),
    /// Sent again, for any cause.
    Retransmitted,
    /// Lost anywhere, or declared lost.
    Lost,
    /// With an acknowledgement in it.
    Acks,
}

/// A number of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The packet number.
    Number,
    /// Bytes of content.
    Bytes,
    /// Bytes of the packet.
    Size,
    /// Where the content stands.
    Offset,
    /// The window, in bytes.
    Window,
    /// Bytes in flight.
    InFlight,
    /// The round trip in microseconds.
    RoundTrip,
    /// The packet that carried the content before.
    Again,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Is,
    /// `!=`
    IsNot,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

const FIELDS: [(&str, Field); 8] = [
    ("number", Field::Number),
    ("bytes", Field::Bytes),
    ("size", Field::Size),
    ("offset", Field::Offset),
    ("window", Field::Window),
    ("in_flight", Field::InFlight),
    ("round_trip", Field::RoundTrip),
    ("again", Field::Again),
];
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Is),
    ("!=", Comparison::IsNot),
    ("<", Comparison::Below),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    (">=", Comparison::AtLeast),
];
const GROUPS: [&str; 4] = ["kind", "fate", "cause", "way"];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong, and what is possible.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > FILTER_LIMIT {
            return Err(format!("a filter of more than {FILTER_LIMIT} bytes"));
        }
        match any(text) {
            Ok((rest, filter)) if rest.trim().is_empty() => Ok(filter),
            Ok((rest, _)) => Err(unread(rest)),
            Err(_) => Err(unread(text)),
        }
    }

    /// True if the event meets it.
    pub fn matches(&self, event: &PacketEvent) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.matches(event)),
            Self::All(parts) => parts.iter().all(|part| part.matches(event)),
            Self::Not(part) => !part.matches(event),
            Self::Is(word) => word.holds(event),
            Self::Number(field, comparison, wanted) => {
                field.of(event).is_some_and(|value| comparison.holds(value.cmp(wanted)))
            }
        }
    }
}

fn unread(rest: &str) -> String {
    let word = rest.split_whitespace().next().unwrap_or("the end");
    let fields: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    format!(
        "`{word}` cannot stand here in a filter; possible are retransmitted, lost, acks, a kind such as data, a fate such as \
         missing, a cause such as gap, or a comparison between blanks, of kind, fate, cause, way, {}",
        fields.join(", ")
    )
}

impl Word {
    fn read(text: &str) -> Option<Self> {
        let own = match text {
            "retransmitted" => Some(Self::Retransmitted),
            "lost" => Some(Self::Lost),
            "acks" => Some(Self::Acks),
            _ => None,
        };
        own.or_else(|| GROUPS.iter().find_map(|group| Self::of_group(group, text)))
    }

    /// The word of one group: `kind`, `fate`, `cause` or `way`.
    fn of_group(group: &str, text: &str) -> Option<Self> {
        match group {
            "kind" => Kind::ALL.iter().find(|kind| kind.word() == text).map(|kind| Self::Kind(*kind)),
            "fate" => Fate::ALL.iter().find(|fate| fate.word() == text).map(|fate| Self::Fate(*fate)),
            "cause" => Cause::ALL.iter().find(|cause| cause.word() == text).map(|cause| Self::Cause(*cause)),
            "way" => Way::ALL.iter().find(|way| way.word() == text).map(|way| Self::Way(*way)),
            _ => None,
        }
    }

    fn holds(self, event: &PacketEvent) -> bool {
        match self {
            Self::Kind(kind) => event.kind == kind,
            Self::Fate(fate) => event.fate == fate,
            Self::Cause(cause) => event.cause == Some(cause) && event.fate == Fate::Sent,
            Self::Way(way) => event.way == way,
            Self::Retransmitted => event.cause.is_some() && event.fate == Fate::Sent,
            Self::Lost => event.fate.is_loss(),
            Self::Acks => event.acked.count > 0,
        }
    }
}

impl Field {
    fn of(self, event: &PacketEvent) -> Option<u64> {
        match self {
            Self::Number => event.number(),
            Self::Bytes => Some(u64::from(event.length)),
            Self::Size => Some(u64::from(event.size)),
            Self::Offset => Some(event.offset),
            Self::Window => Some(u64::from(event.window)),
            Self::InFlight => Some(u64::from(event.in_flight)),
            Self::RoundTrip => Some(u64::from(event.round_trip)),
            Self::Again => event.again(),
        }
    }
}

impl Comparison {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Is => order.is_eq(),
            Self::IsNot => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

fn word(input: &str) -> IResult<&str, &str> {
    preceded(space0, take_till1(char::is_whitespace)).parse(input)
}

fn keyword<'a>(
    wanted: &'static str,
) -> impl Parser<&'a str, Output = &'a str, Error = nom::error::Error<&'a str>> {
    verify(word, move |text: &str| text == wanted)
}

fn any(input: &str) -> IResult<&str, Filter> {
    map(separated_list1(keyword("or"), all), |parts| joined(parts, Filter::Any)).parse(input)
}

fn all(input: &str) -> IResult<&str, Filter> {
    map(separated_list1(keyword("and"), one), |parts| joined(parts, Filter::All)).parse(input)
}

fn joined(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => Filter::All(parts),
    }
}

fn one(input: &str) -> IResult<&str, Filter> {
    let negated = map(preceded(keyword("not"), positive), |part| Filter::Not(Box::new(part)));
    alt((negated, positive)).parse(input)
}

fn positive(input: &str) -> IResult<&str, Filter> {
    let comparison = |text: &str| COMPARISONS.iter().find(|(sign, _)| *sign == text).map(|(_, known)| *known);
    let number = map_opt((word, map_opt(word, comparison), word), |(name, comparison, value)| {
        let (_, field) = FIELDS.iter().find(|(known, _)| *known == name)?;
        Some(Filter::Number(*field, comparison, value_of(*field, value)?))
    });
    let group = map_opt((word, map_opt(word, comparison), word), |(group, comparison, value)| {
        let word = Filter::Is(Word::of_group(group, value)?);
        match comparison {
            Comparison::Is => Some(word),
            Comparison::IsNot => Some(Filter::Not(Box::new(word))),
            _ => None,
        }
    });
    alt((number, group, map_opt(word, |text| Word::read(text).map(Filter::Is)))).parse(input)
}

/// A number with its unit: a duration for times, else a size or a plain number.
fn value_of(field: Field, text: &str) -> Option<u64> {
    if field == Field::RoundTrip {
        return quantity::duration(text).ok().map(|duration| duration.as_micros() as u64);
    }
    text.trim_start_matches('#').parse().ok().or_else(|| quantity::size(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> PacketEvent {
        PacketEvent {
            kind: Kind::Data,
            number: 17,
            length: 1024,
            cause: Some(Cause::Gap),
            round_trip: 20_000,
            ..PacketEvent::default()
        }
    }

    #[test]
    fn conditions_are_read_and_hold() {
        for (text, holds) in [
            ("retransmitted", true),
            ("kind == data and bytes > 1000", true),
            ("kind == data and bytes >= 1K and number == #17", true),
            ("kind != data or way == in", false),
            ("not lost and not ack", true),
            ("gap", true),
            ("time-out or probe", false),
            ("missing", false),
            ("round_trip > 10ms", true),
            ("again >= 0", false),
            ("in or ack or bytes < 1000", false),
        ] {
            assert_eq!(Filter::read(text).map(|filter| filter.matches(&event())), Ok(holds), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_is_possible() {
        for text in
            ["", "frob", "bytes >", "bytes>1000", "kind < data", "data and", "data data", "number == x"]
        {
            let why = Filter::read(text).unwrap_err();
            assert!(why.contains("possible are"), "{text}: {why}");
        }
        assert!(Filter::read(&"not ".repeat(300)).is_err());
    }
}
