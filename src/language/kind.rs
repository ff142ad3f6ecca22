//! The types of arguments: one parser for each, used both when a script is checked and, for a word with a
//! `$reference` in it, when the value is known.

use std::time::Duration;

use super::diagnostic::nearest;
use super::verb::Vocabulary;
use crate::base::quantity::{self, BadQuantity, Percent};
use crate::base::{Endpoint, Transport, endpoint};

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `any` or an address to bind.
    BindAddress,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A whole number within bounds.
    Count(u64, u64),
    Duration,
    /// A duration that is mostly some milliseconds.
    Delay,
    /// `host:port`, `$session`, with an optional `tcp` or `udp` before it.
    Endpoint,
    /// Arithmetic: the words up to the next keyword, as they are written.
    Expression,
    /// A file on this machine.
    Path,
    Percent,
    Port,
    Rate,
    /// A name at a server of this service; the prompt asks that server what there is.
    Remote(&'static str),
    Secret,
    Service,
    /// `%2`, `$name` or a bare name.
    Session,
    /// One of a few words, or a session.
    Setting(&'static [&'static str]),
    /// A number of bytes within bounds.
    Size(u64, u64),
    /// Any one word.
    Text,
    /// A verb, a statement, or one of a few words.
    Topic(&'static [(&'static str, &'static str)]),
    /// The rest of the line, joined by single blanks.
    Rest,
    /// The same, where a word that redirects output in other shells is pointed out.
    Printed,
    Transport,
}

/// A session as a command names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRef {
    Id(u64),
    Name(String),
    All,
}

/// Where a command goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Address(Endpoint),
    Session(SessionRef),
}

/// A typed argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Count(u64),
    Duration(Duration),
    Endpoint(Option<Transport>, Place),
    Flag,
    /// A local path; the flag says that `~` and globs in it are to be expanded.
    Path(String, bool),
    Percent(Percent),
    Port(u16),
    Rate(u64),
    Session(SessionRef),
    Size(u64),
    Text(String),
    Transport(Transport),
}

/// Why a word is not of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub why: String,
    pub fix: Option<String>,
    pub expected: Vec<String>,
}

impl From<BadQuantity> for Mismatch {
    fn from(bad: BadQuantity) -> Self {
        Self { why: bad.why, fix: bad.fix, expected: Vec::new() }
    }
}

fn mismatch<T>(why: impl Into<String>, fix: Option<String>) -> Result<T, Mismatch> {
    Err(Mismatch { why: why.into(), fix, expected: Vec::new() })
}

impl Kind {
    /// One of each that is not a choice of words, as the reference shows them.
    pub const EXAMPLES: [Self; 14] = [
        Self::Endpoint,
        Self::Session,
        Self::Port,
        Self::Service,
        Self::BindAddress,
        Self::Path,
        Self::Size(1, u64::MAX),
        Self::Rate,
        Self::Duration,
        Self::Percent,
        Self::Count(1, u64::MAX),
        Self::Expression,
        Self::Text,
        Self::Rest,
    ];

    /// The rest of the line.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Rest | Self::Printed)
    }

    /// How the kind stands in a usage line.
    pub fn placeholder(self) -> String {
        match self {
            Self::BindAddress => "ADDR|any".into(),
            Self::Choice(words) => words.join("|"),
            Self::Count(..) => "N".into(),
            Self::Duration | Self::Delay => "D".into(),
            Self::Endpoint => "ENDPOINT".into(),
            Self::Expression => "EXPR".into(),
            Self::Path => "PATH".into(),
            Self::Percent => "P".into(),
            Self::Port => "PORT".into(),
            Self::Rate => "RATE".into(),
            Self::Secret => "SECRET".into(),
            Self::Service => "SERVICE".into(),
            Self::Session => "X".into(),
            Self::Setting(words) => format!("{}|X", words.join("|")),
            Self::Size(..) => "SIZE".into(),
            Self::Text | Self::Topic(_) | Self::Remote(_) => "NAME".into(),
            Self::Rest | Self::Printed => "TEXT".into(),
            Self::Transport => "tcp|udp".into(),
        }
    }

    /// The same for a named parameter: kinds that explain themselves keep their own word.
    pub fn placeholder_of(self, name: &str) -> String {
        match self {
            Self::Text | Self::Topic(_) | Self::Remote(_) | Self::Rest | Self::Printed => name.to_uppercase(),
            _ => self.placeholder(),
        }
    }

    /// What is possible, in words, for an error.
    pub fn describe(self) -> String {
        match self {
            Self::BindAddress => "an address of this machine, or `any`".into(),
            Self::Choice(words) => words.join(" or "),
            Self::Count(_, u64::MAX) => "a whole number".into(),
            Self::Size(_, u64::MAX) => "a size such as 64K".into(),
            Self::Count(min, max) => format!("a whole number from {min} to {max}"),
            Self::Duration => "a duration such as 5s".into(),
            Self::Delay => "a duration such as 5ms".into(),
            Self::Endpoint => "an endpoint: host:port, [v6]:port, :port or $session".into(),
            Self::Expression => "an expression such as 7 % 3".into(),
            Self::Path => "a path".into(),
            Self::Percent => "a percentage such as 5%".into(),
            Self::Port => "a port from 0 to 65535".into(),
            Self::Rate => "a rate such as 10mbit".into(),
            Self::Secret => "a secret".into(),
            Self::Service => "a service".into(),
            Self::Session => "a session: %2, $name or a name".into(),
            Self::Setting(words) => format!("{}, or a session: %2, $name or a name", words.join(" or ")),
            Self::Size(min, max) => {
                format!("a size from {} to {}", quantity::show_size(min), quantity::show_size(max))
            }
            Self::Topic(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("a command, {}", words.join(" or "))
            }
            Self::Text | Self::Remote(_) => "a name".into(),
            Self::Rest | Self::Printed => "text".into(),
            Self::Transport => "tcp or udp".into(),
        }
    }

    /// Reads one word. `vocabulary` knows the services.
    pub fn read(self, word: &str, vocabulary: &Vocabulary) -> Result<Datum, Mismatch> {
        match self {
            Self::BindAddress => bind_address(word),
            Self::Choice(words) => choice(word, words).map(Datum::Text),
            Self::Count(min, max) => count(word, min, max).map(Datum::Count),
            Self::Duration => Ok(Datum::Duration(quantity::duration(word)?)),
            Self::Delay => {
                Ok(Datum::Duration(quantity::duration(word).map_err(|bad| in_milliseconds(bad, word))?))
            }
            Self::Endpoint => match session_id(word) {
                Some(session) => Ok(Datum::Endpoint(None, Place::Session(session))),
                None => endpoint::parse(word)
                    .map(|endpoint| Datum::Endpoint(None, Place::Address(endpoint)))
                    .map_err(|(why, fix)| Mismatch { why, fix, expected: Vec::new() }),
            },
            Self::Expression
            | Self::Rest
            | Self::Printed
            | Self::Text
            | Self::Topic(_)
            | Self::Remote(_)
            | Self::Secret => Ok(Datum::Text(word.into())),
            Self::Path if word.is_empty() => mismatch("the path is empty", None),
            Self::Path => Ok(Datum::Path(word.into(), false)),
            Self::Percent => Ok(Datum::Percent(quantity::percent(word)?)),
            Self::Port => endpoint::port(word).map(Datum::Port).map_err(|(why, fix)| {
                // `listen tcp ftp`: the port was left out.
                let is_service = vocabulary.services.iter().any(|service| service.name == word);
                let fix = if is_service { Some(format!("0 {word}")) } else { fix };
                Mismatch { why, fix, expected: Vec::new() }
            }),
            Self::Rate => Ok(Datum::Rate(quantity::rate(word)?)),
            Self::Service => service(word, vocabulary),
            Self::Setting(words) if words.contains(&word) => Ok(Datum::Text(word.into())),
            Self::Session if word == "all" => Ok(Datum::Session(SessionRef::All)),
            Self::Session | Self::Setting(_) => {
                Ok(Datum::Session(session_id(word).unwrap_or_else(|| SessionRef::Name(word.into()))))
            }
            Self::Size(min, max) => match quantity::size(word).map_err(|bad| within_bounds(bad, min, max))? {
                size if (min..=max).contains(&size) => Ok(Datum::Size(size)),
                size => mismatch(
                    format!("{size} bytes is out of range: from {min} to {max}"),
                    Some(size.clamp(min, max).to_string()),
                ),
            },
            Self::Transport => match Transport::from_word(word) {
                Some(transport) => Ok(Datum::Transport(transport)),
                // `listen 9000 ftp`: it was left out.
                None => choice(word, &["tcp", "udp"]).map(Datum::Text).map_err(|mismatch| {
                    match word.parse::<u16>() {
                        Ok(_) => Mismatch { fix: Some(format!("tcp {word}")), ..mismatch },
                        Err(_) => mismatch,
                    }
                }),
            },
        }
    }
}

/// A suggestion that would be refused as well is brought to the nearest that would not.
fn within_bounds(bad: BadQuantity, min: u64, max: u64) -> BadQuantity {
    let size = bad.fix.as_deref().and_then(|fix| quantity::size(fix).ok());
    let fix = match size {
        Some(size) if !(min..=max).contains(&size) => Some(size.clamp(min, max).to_string()),
        _ => bad.fix,
    };
    BadQuantity { fix, ..bad }
}

/// A number without a unit is meant as milliseconds where delays are.
fn in_milliseconds(bad: BadQuantity, word: &str) -> BadQuantity {
    let bare = bad.fix.as_deref() == Some(&format!("{word}s"));
    if bare { BadQuantity { fix: Some(format!("{word}ms")), ..bad } } else { bad }
}

fn session_id(word: &str) -> Option<SessionRef> {
    word.strip_prefix('%')?.parse().ok().map(SessionRef::Id)
}

fn bind_address(word: &str) -> Result<Datum, Mismatch> {
    let inside = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    if word == "any" || inside.parse::<std::net::IpAddr>().is_ok() {
        return Ok(Datum::Text(inside.into()));
    }
    let fix = if word == "localhost" { "127.0.0.1" } else { "any" };
    mismatch(format!("`{word}` is not an address of this machine"), Some(fix.into()))
}

fn choice(word: &str, words: &'static [&'static str]) -> Result<String, Mismatch> {
    if words.contains(&word) {
        return Ok(word.into());
    }
    let fix = nearest(word, words.iter().copied()).map(Into::into);
    Err(Mismatch {
        why: format!("`{word}` is not possible here"),
        fix,
        expected: words.iter().map(|w| (*w).into()).collect(),
    })
}

fn count(word: &str, min: u64, max: u64) -> Result<u64, Mismatch> {
    let range = format!("from {min} to {max}");
    match word.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(number) => {
            mismatch(format!("{number} is out of range: {range}"), Some(number.clamp(min, max).to_string()))
        }
        Err(_) => mismatch(format!("`{word}` is not a whole number {range}"), None),
    }
}

fn service(word: &str, vocabulary: &Vocabulary) -> Result<Datum, Mismatch> {
    let names = || vocabulary.services.iter().map(|service| service.name);
    if names().any(|name| name == word) {
        return Ok(Datum::Text(word.into()));
    }
    Err(Mismatch {
        why: format!("`{word}` is not a service"),
        fix: nearest(word, names()).map(Into::into),
        expected: names().map(Into::into).collect(),
    })
}
