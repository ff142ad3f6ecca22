//! The keys of a server, and what its part of a handshake is made of.

use std::time::Duration;

use crate::base::Time;
use crate::reliable::handshake::sealing::{Keyholder, Offer, Seeds};

/// Minimum interval between two answers to clients with a wrong key. Keys cannot be guessed; this spares the path.
const WRONG_KEY_EVERY: Duration = Duration::from_millis(100);

/// The keys of a server.
pub(super) struct Guard {
    keys: Box<dyn Keyholder>,
    seeds: Seeds,
    /// When a client with a wrong key may be answered again.
    refuses_at: Time,
}

/// What the message of a client is.
pub(super) enum Read {
    /// It was made with one of the keys.
    Offer(Box<dyn Offer>),
    /// It was not, and the client is told so.
    Refuse,
    /// It was not, and another client has just been told so.
    Ignore,
}

impl Guard {
    pub(super) fn new(keys: Box<dyn Keyholder>, secret: [u8; 32]) -> Self {
        Self { keys, seeds: Seeds::new(secret), refuses_at: Time::ZERO }
    }

    /// Reads the message of a client, which is bound to `context`.
    pub(super) fn read(&mut self, now: Time, context: &[u8], message: &[u8]) -> Read {
        match self.keys.read(context, message) {
            Some(offer) => Read::Offer(offer),
            None if self.may_refuse(now) => Read::Refuse,
            None => Read::Ignore,
        }
    }

    /// True if the message of a client is to exchange a code for a key.
    pub(super) fn exchanges(&self, message: &[u8]) -> bool {
        self.keys.exchanges(message)
    }

    /// The answer to it; `None` if no code can be exchanged.
    pub(super) fn exchange(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.keys.exchange(message)
    }

    /// True if a client may be told that it is refused; then others are not for a while.
    pub(super) fn may_refuse(&mut self, now: Time) -> bool {
        let may = now >= self.refuses_at;
        if may {
            self.refuses_at = now + WRONG_KEY_EVERY;
        }
        may
    }

    /// The seed of the answer to a message with this cookie; `None` if the period of the cookie is over.
    pub(super) fn seed(&mut self, now: Time, period: u64, cookie: &[u8], message: &[u8]) -> Option<[u8; 32]> {
        self.seeds.seed(now, period, cookie, message)
    }
}
