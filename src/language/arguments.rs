//! Arguments of a command: as they stand in a text, and as a verb runs on them.

use std::ops::Range;
use std::time::Duration;

use super::kind::{Datum, Kind, Place, SessionRef};
use super::lexer::Word;
use super::verb::Verb;
use crate::base::{Endpoint, Transport};

/// An argument after the walk.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Ready(Datum),
    /// Holds a reference: read when the value is known.
    Later(Kind, Word, Option<Transport>),
}

/// A command whose verb, arguments and names are known.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub verb: &'static Verb,
    pub arguments: Vec<(&'static str, Argument, Range<usize>)>,
    pub binding: Option<String>,
    pub background: bool,
    pub span: Range<usize>,
}

impl Invocation {
    pub fn has_secret(&self) -> bool {
        self.arguments.iter().any(|(name, ..)| self.verb.keyword(name).is_some_and(|keyword| keyword.secret))
    }
}

/// Arguments whose values are known: what a verb runs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments(pub Vec<(&'static str, Datum)>);

impl Arguments {
    fn find(&self, name: &str) -> Option<&Datum> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, datum)| datum)
    }

    /// All of an argument that may be given several times.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| *n == name).filter_map(|(_, datum)| match datum {
            Datum::Text(text) | Datum::Path(text, _) => Some(text.as_str()),
            _ => None,
        })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Datum::Text(text) | Datum::Path(text, _) => Some(text),
            _ => None,
        }
    }

    /// A count, a size or a rate.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.find(name)? {
            Datum::Count(n) | Datum::Size(n) | Datum::Rate(n) => Some(*n),
            Datum::Port(port) => Some(u64::from(*port)),
            _ => None,
        }
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.find(name)? {
            Datum::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    /// A rate, in bytes a second; never 0.
    pub fn rate(&self, name: &str) -> Option<u64> {
        match self.find(name)? {
            Datum::Rate(bits) => Some((bits / 8).max(1)),
            _ => None,
        }
    }

    /// A percentage as a share, from 0.0 to 1.0.
    pub fn percent(&self, name: &str) -> Option<f64> {
        match self.find(name)? {
            Datum::Percent(percent) => Some(percent.fraction()),
            _ => None,
        }
    }

    /// True if the argument was given, with a value or without.
    pub fn flag(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub fn transport(&self, name: &str) -> Option<Transport> {
        match self.find(name)? {
            Datum::Transport(transport) => Some(*transport),
            Datum::Endpoint(transport, _) => *transport,
            _ => None,
        }
    }

    pub fn session(&self, name: &str) -> Option<&SessionRef> {
        match self.find(name)? {
            Datum::Session(session) => Some(session),
            _ => None,
        }
    }

    /// An address; the shell has replaced `$session` by one.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        match self.find(name)? {
            Datum::Endpoint(_, Place::Address(endpoint)) => Some(endpoint),
            _ => None,
        }
    }
}
