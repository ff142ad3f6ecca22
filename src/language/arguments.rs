//! Arguments of a command: as parsed from a text, and with their values as a verb receives them.

use std::ops::Range;
use std::time::Duration;

use super::kind::{Datum, Kind, Place, SessionRef};
use super::parse::lexer::Word;
use super::verb::{FieldRows, Keyword, Service, Verb};
use crate::base::{Carrier, Endpoint, Key, Transport};

/// An argument as the parser leaves it.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// Its value is known.
    Ready(Datum),
    /// Contains a reference: parsed as this kind once the value is known. The transport is the one written before an
    /// endpoint.
    Later(Kind, Word, Option<Transport>),
}

/// A command whose verb, arguments and names are known.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The row of the verb.
    pub verb: &'static Verb,
    /// Of `listen`, if it is known before anything runs: the service that is started.
    pub service: Option<&'static Service>,
    /// Name, value and byte range of each argument, in the order written. An argument with several values is listed
    /// once for each.
    pub arguments: Vec<(&'static str, Argument, Range<usize>)>,
    /// The name after `as`; `None` without one.
    pub binding: Option<String>,
    /// True if the command ends in `&`.
    pub background: bool,
    /// Byte range of the statement in its source.
    pub span: Range<usize>,
}

impl Invocation {
    /// What the command's result holds.
    pub fn fields(&self) -> FieldRows {
        FieldRows(self.verb.fields, self.service.map_or(&[], |service| service.fields))
    }

    /// An option of the verb or of its service.
    fn keyword(&self, word: &str) -> Option<&'static Keyword> {
        self.verb.keyword(word).or_else(|| self.service?.keyword(word))
    }

    /// True if an argument is a secret, so that the text of the command must not be shown.
    pub fn has_secret(&self) -> bool {
        self.arguments.iter().any(|(name, ..)| self.keyword(name).is_some_and(|keyword| keyword.secret))
    }
}

/// Names and values of all arguments, as a verb receives them. The getters return `None` if the argument was not given
/// or is of another kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments(pub Vec<(&'static str, Datum)>);

/// The options of one command as a struct, made once: after that nothing asks for an argument by its name.
pub trait FromArguments: Sized {
    /// Reads every argument that the command's row has.
    fn from_arguments(arguments: &Arguments) -> Self;
}

/// Where a client connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// What carries the bytes.
    pub transport: Transport,
    /// The address and port.
    pub endpoint: Endpoint,
}

/// A key as a command gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenKey<'a> {
    /// The name of one that is kept.
    Name(&'a str),
    /// The file that it is in.
    File(&'a str),
    /// It was in a variable.
    Key(&'a Key),
}

impl Arguments {
    fn find(&self, name: &str) -> Option<&Datum> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, datum)| datum)
    }

    /// Those with these names.
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(name)).cloned().collect())
    }

    /// All values of a text or path that may be given several times.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| *n == name).filter_map(|(_, datum)| match datum {
            Datum::Text(text) | Datum::Path(text, _) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The value of a text or path.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Datum::Text(text) | Datum::Path(text, _) => Some(text),
            _ => None,
        }
    }

    /// A count, a port, a size in bytes, or a rate in bits per second.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.find(name)? {
            Datum::Count(n) | Datum::Size(n) | Datum::Rate(n) => Some(*n),
            Datum::Port(port) => Some(u64::from(*port)),
            _ => None,
        }
    }

    /// All keys that were named, in order.
    pub fn keys(&self, name: &str) -> impl Iterator<Item = GivenKey<'_>> {
        self.0.iter().filter(move |(n, _)| *n == name).filter_map(|(_, datum)| match datum {
            Datum::Text(name) => Some(GivenKey::Name(name)),
            Datum::Path(path, _) => Some(GivenKey::File(path)),
            Datum::Key(key) => Some(GivenKey::Key(key)),
            _ => None,
        })
    }

    /// The value of a duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.find(name)? {
            Datum::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    /// A rate in bytes per second; never 0.
    pub fn rate(&self, name: &str) -> Option<u64> {
        match self.find(name)? {
            Datum::Rate(bits) => Some((bits / 8).max(1)),
            _ => None,
        }
    }

    /// A percentage as a fraction, from 0.0 to 1.0.
    pub fn percent(&self, name: &str) -> Option<f64> {
        match self.find(name)? {
            Datum::Percent(percent) => Some(percent.fraction()),
            _ => None,
        }
    }

    /// True if the argument was given, with or without a value.
    pub fn flag(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of a transport, or the transport written before an endpoint.
    pub fn transport(&self, name: &str) -> Option<Transport> {
        match self.find(name)? {
            Datum::Carrier(carrier) => carrier.transport(),
            Datum::Endpoint(transport, _) => *transport,
            _ => None,
        }
    }

    /// What carries the bytes, where it may be TLS or a Unix socket.
    pub fn carrier(&self, name: &str) -> Option<Carrier> {
        match self.find(name)? {
            Datum::Carrier(carrier) => Some(*carrier),
            _ => None,
        }
    }

    /// The value given in hexadecimal.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.find(name)? {
            Datum::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The session that the argument refers to.
    pub fn session(&self, name: &str) -> Option<&SessionRef> {
        match self.find(name)? {
            Datum::Session(session) => Some(session),
            _ => None,
        }
    }

    /// All sessions of a parameter that may be given several times.
    pub fn sessions(&self, name: &str) -> impl Iterator<Item = &SessionRef> {
        self.0.iter().filter(move |(n, _)| *n == name).filter_map(|(_, datum)| match datum {
            Datum::Session(session) => Some(session),
            _ => None,
        })
    }

    /// The address of an endpoint; the shell has already replaced `$session` with an address.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        match self.find(name)? {
            Datum::Endpoint(_, Place::Address(endpoint)) => Some(endpoint),
            _ => None,
        }
    }

    /// Where to connect; over TCP unless the argument says otherwise.
    pub fn target(&self, name: &str) -> Option<Target> {
        let transport = self.transport(name).unwrap_or(Transport::Tcp);
        self.endpoint(name).map(|endpoint| Target { transport, endpoint: endpoint.clone() })
    }
}
