//! The types of arguments: one parser for each, used both when a script is checked and, for a word with a
//! `$reference` in it, when the value is known.

use std::time::Duration;

use crate::base::quantity::{self, BadQuantity, Percent};
use crate::base::{Carrier, Endpoint, Key, Transport};

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `any` or an address to bind.
    BindAddress,
    /// `tcp`, `udp`, `tls` or `unix`.
    Carrier,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, with commas between them.
    Choices(&'static [&'static str]),
    /// A whole number within these bounds, both included.
    Count(u64, u64),
    /// A length of time: `5s`, `200ms`.
    Duration,
    /// A duration of typically a few milliseconds: the fix for a number without a unit is `ms`.
    Delay,
    /// `host:port` or `$session`, with an optional `tcp` or `udp` before it.
    Endpoint,
    /// Arithmetic: the words up to the next keyword, with their spacing.
    Expression,
    /// A condition on packets: the words up to the next keyword.
    Filter,
    /// A file on this machine.
    Path,
    /// A percentage: `5%`.
    Percent,
    /// Where to connect: an endpoint, or a path after `unix`.
    Peer,
    /// A port to listen on, from 0 (any free one) to 65535; a path after `unix`.
    Port,
    /// Data per second: `10mbit`, `5MB/s`.
    Rate,
    /// A name on a server of this service; for completion the prompt asks the server for its names.
    Remote(&'static str),
    /// One word that is never shown.
    Secret,
    /// The name of a service.
    Service,
    /// `%2`, `$name`, a bare name, or `all`.
    Session,
    /// A session, or a text: in quotes, or a URL.
    SessionOrText,
    /// One of these words, or a session.
    Setting(&'static [&'static str]),
    /// A number of bytes within these bounds, both included.
    Size(u64, u64),
    /// Bytes in hexadecimal: `de ad be ef`, in quotes if there are blanks.
    Hex,
    /// Any one word.
    Text,
    /// A verb, a statement, or one of these words, each with its help.
    Topic(&'static [(&'static str, &'static str)]),
    /// A key: the name of one that is kept, a file, or a variable that holds one.
    Key,
    /// The words of a code, as `orbit-canyon-blue`.
    Code,
    /// The rest of the line, joined by single blanks.
    Rest,
    /// Like [`Kind::Rest`], but an unquoted word that pipes, redirects or chains in other shells is an error.
    Printed,
    /// `tcp` or `udp`.
    Transport,
}

/// A session as a command names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRef {
    /// `%2`: by number.
    Id(u64),
    /// By the name it was bound to.
    Name(String),
    /// `all`: every session.
    All,
}

/// The destination of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address to connect to.
    Address(Endpoint),
    /// The address of a session, known when the command runs.
    Session(SessionRef),
}

/// A typed argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A whole number.
    Count(u64),
    /// A length of time.
    Duration(Duration),
    /// A destination; the transport is `None` if none was written before it.
    Endpoint(Option<Transport>, Place),
    /// A keyword that was given without a value.
    Flag,
    /// A local path; true if `~` and globs in it are to be expanded.
    Path(String, bool),
    /// A percentage.
    Percent(Percent),
    /// A port to listen on; 0 is any free one.
    Port(u16),
    /// Bits per second.
    Rate(u64),
    /// A session.
    Session(SessionRef),
    /// Bytes.
    Size(u64),
    /// A word, a name or a text.
    Text(String),
    /// A transport, TLS, or a Unix socket.
    Carrier(Carrier),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A key that was in a variable.
    Key(Key),
}

/// Why a word is not valid for its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong, as part of an error message.
    pub why: String,
    /// A valid word that was probably meant; `None` if there is none to suggest.
    pub fix: Option<String>,
    /// What is possible instead; if empty, [`Kind::describe`] applies.
    pub expected: Vec<String>,
}

impl From<BadQuantity> for Mismatch {
    fn from(bad: BadQuantity) -> Self {
        Self { why: bad.why, fix: bad.fix, expected: Vec::new() }
    }
}

impl Kind {
    /// One of each kind that the reference explains; choices of words explain themselves.
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

    /// True for the kinds that take the rest of the line.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Rest | Self::Printed)
    }

    /// True for the kinds that are, or may be, a path or an address, of which parts are shown alone.
    pub const fn has_parts(self) -> bool {
        matches!(
            self,
            Self::BindAddress
                | Self::Endpoint
                | Self::Key
                | Self::Path
                | Self::Peer
                | Self::Port
                | Self::Remote(_)
                | Self::SessionOrText
                | Self::Text
        )
    }

    /// The kind as a usage line shows it: `SIZE`.
    pub fn placeholder(self) -> String {
        match self {
            Self::BindAddress => "ADDR|any".into(),
            Self::Carrier => "tcp|udp|tls|unix".into(),
            Self::Choice(words) => words.join("|"),
            Self::Choices(_) => "NAME,…".into(),
            Self::Count(..) => "N".into(),
            Self::Duration | Self::Delay => "D".into(),
            Self::Endpoint | Self::Peer => "ENDPOINT".into(),
            Self::Expression => "EXPR".into(),
            Self::Filter => "FILTER".into(),
            Self::Path => "PATH".into(),
            Self::Percent => "P".into(),
            Self::Port => "PORT".into(),
            Self::Rate => "RATE".into(),
            Self::Secret => "SECRET".into(),
            Self::Service => "SERVICE".into(),
            Self::Hex => "HEX".into(),
            Self::Key => "NAME|FILE".into(),
            Self::Code => "WORDS".into(),
            Self::Session => "X".into(),
            Self::SessionOrText => "X|TEXT".into(),
            Self::Setting(words) => format!("{}|X", words.join("|")),
            Self::Size(..) => "SIZE".into(),
            Self::Text | Self::Topic(_) | Self::Remote(_) => "NAME".into(),
            Self::Rest | Self::Printed => "TEXT".into(),
            Self::Transport => "tcp|udp".into(),
        }
    }

    /// The same for a parameter with a name, which is shown in capitals where the kind itself says too little.
    pub fn placeholder_of(self, name: &str) -> String {
        match self {
            Self::Text | Self::Topic(_) | Self::Remote(_) | Self::Rest | Self::Printed => name.to_uppercase(),
            _ => self.placeholder(),
        }
    }

    /// What the kind accepts, in words, for an error message.
    pub fn describe(self) -> String {
        match self {
            Self::BindAddress => "an address of this machine, or `any`".into(),
            Self::Carrier => "tcp, udp, tls or unix".into(),
            Self::Hex => "bytes in hexadecimal, such as \"de ad be ef\"".into(),
            Self::Choice(words) => words.join(" or "),
            Self::Choices(words) => format!("some of {}, with commas between them", words.join(", ")),
            Self::Count(_, u64::MAX) => "a whole number".into(),
            Self::Size(min, u64::MAX) if min <= 64 << 10 => "a size such as 64K".into(),
            Self::Size(min, u64::MAX) => format!("a size of {} or more", quantity::exact_size(min)),
            Self::Count(min, max) => format!("a whole number from {min} to {max}"),
            Self::Duration => "a duration such as 5s".into(),
            Self::Delay => "a duration such as 5ms".into(),
            Self::Endpoint => "an endpoint: host:port, [v6]:port, :port or $session".into(),
            Self::Peer => "an endpoint: host:port, [v6]:port, :port or $session; after unix, a path".into(),
            Self::Expression => "an expression such as 7 % 3".into(),
            Self::Filter => "a filter such as kind == data and bytes > 1000".into(),
            Self::Path => "a path".into(),
            Self::Percent => "a percentage such as 5%".into(),
            Self::Port => "a port from 0 to 65535".into(),
            Self::Rate => "a rate such as 10mbit".into(),
            Self::Secret => "a secret".into(),
            Self::Service => "a service".into(),
            Self::Code => "a code such as orbit-canyon-blue".into(),
            Self::Key => "the name of a key, or a file such as ./a.key".into(),
            Self::Session => "a session: %2, $name or a name".into(),
            Self::SessionOrText => "a session: %2, $name or a name; or a text in quotes, or a URL".into(),
            Self::Setting(words) => format!("{}, or a session: %2, $name or a name", words.join(" or ")),
            Self::Size(min, max) => {
                format!("a size from {} to {}", quantity::exact_size(min), quantity::exact_size(max))
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
}
