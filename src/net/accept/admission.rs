//! Which clients a server accepts.

use crate::net::connection::keys::Keyring;
use crate::net::connection::record::SharedRing;
use crate::net::udp::Options;
use crate::wire::ServiceId;
use crate::wire::dialect::{Dialect, Dialects};

/// How a service treats lines of text from plain-text clients such as `nc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Refused: the service speaks only its own protocol.
    No,
    /// Each line is a request with one response.
    Questions,
    /// Both sides send lines at any time.
    Conversation,
    /// Refused, with the reason: the port has keys.
    Refused,
}

/// Which clients a server accepts.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The service of the port: clients that ask for another one are refused.
    pub service: ServiceId,
    /// Its name, for those who ask for another.
    pub name: &'static str,
    /// It answers LIST: clients that ask for any service are accepted.
    pub lists: bool,
    /// Maximum number of clients at the same time.
    pub max: usize,
    pub lines: Lines,
    /// What it speaks: its own protocol and others.
    pub dialects: Dialects,
    /// What a client is told that waits to be spoken to; empty: nothing. Ours skip it.
    pub greeting: &'static str,
    /// The keys of those who may connect; `None`: nothing is encrypted.
    pub keys: Option<Keyring>,
    /// For UDP; TCP ignores them.
    pub options: Options,
    /// Where the packets of all clients over UDP are noted.
    pub ring: SharedRing,
}

impl Admission {
    /// Of a port that only looks who has one of these keys.
    pub(super) fn of_keys(keys: Keyring) -> Self {
        Self {
            service: ServiceId::ANY,
            name: "",
            lists: false,
            max: usize::MAX,
            lines: Lines::Refused,
            dialects: Dialects::default(),
            greeting: "",
            keys: Some(keys),
            options: Options::default(),
            ring: SharedRing::default(),
        }
    }

    /// True if a client that asks for this service is accepted.
    pub fn serves(&self, asked: ServiceId) -> bool {
        asked == self.service || asked == ServiceId::ANY && self.lists
    }

    /// The dialect of clients that send text, if they are welcome.
    pub(super) fn plain(&self) -> Option<Dialect> {
        [Dialect::Ftp, Dialect::Text].into_iter().find(|dialect| self.dialects.has(*dialect))
    }

    /// A client that waits to be spoken to is greeted. A port with keys says nothing to strangers.
    pub(super) fn greets(&self) -> bool {
        !self.greeting.is_empty() && self.keys.is_none() && self.plain().is_some()
    }

    /// A client that only listens belongs to the conversation.
    pub(super) fn has_listeners(&self) -> bool {
        self.lines == Lines::Conversation
            && self.keys.is_none()
            && self.dialects.has(Dialect::Text)
            && self.keys.is_none()
    }

    /// How lines of text are treated.
    pub(in crate::net) fn lines(&self) -> Lines {
        match (&self.keys, self.dialects.has(Dialect::Text)) {
            (Some(_), _) => Lines::Refused,
            (None, true) => self.lines,
            (None, false) => Lines::No,
        }
    }
}
