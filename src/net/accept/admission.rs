//! Which clients a server accepts.

use crate::net::connection::record::SharedRing;
use crate::net::udp::Options;
use crate::wire::ServiceId;

/// How a service treats lines of text from plain-text clients such as `nc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Refused: the service speaks only its own protocol.
    No,
    /// Each line is a request with one response.
    Questions,
    /// Both sides send lines at any time.
    Conversation,
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
    /// For UDP; TCP ignores them.
    pub options: Options,
    /// Where the packets of all clients over UDP are noted.
    pub ring: SharedRing,
}

impl Admission {
    /// True if a client that asks for this service is accepted.
    pub fn serves(&self, asked: ServiceId) -> bool {
        asked == self.service || asked == ServiceId::ANY && self.lists
    }
}
