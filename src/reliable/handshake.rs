//! The first datagrams: HELLO, RETRY with a cookie, HELLO with it, ACCEPT. The server keeps nothing until the
//! cookie came back, and never answers with more bytes than it got (FAULTS row 52). The client's first frames leave right
//! behind the HELLO with the cookie: a question and its answer take two round trips, not three.

use std::net::SocketAddr;
use std::time::Duration;

use super::Ending;
use super::connection::{Connection, Event, State};
use crate::base::Time;
use crate::wire::datagram::{self, COOKIE_LIMIT, Credit, Packet};

/// First wait for an answer; doubled each time.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Often enough that a third of lost datagrams, in bursts, does not end in "no answer"; still only 32 kbit/s.
const RETRY_LIMIT: Duration = Duration::from_millis(300);
/// Once the round trip is known, a lost HELLO with a cookie is missed after so many.
const RETRY_ROUND_TRIPS: u32 = 2;
const RETRY_LEAST: Duration = Duration::from_millis(20);
/// Bytes of frames that may leave before the server said what it takes.
pub(super) const EARLY_CREDIT: u64 = 16 << 10;
/// How long a cookie is good, at least.
pub(super) const COOKIE_PERIOD: Duration = Duration::from_mins(1);

/// A client that waits to be let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    service: u8,
    cookie: Vec<u8>,
    pub(super) began: Time,
    pub(super) next_send: Time,
    /// When the last HELLO left, if an answer to it would be a fair sample of the round trip.
    sent: Option<Time>,
    first: bool,
    wait: Duration,
}

impl Greeting {
    pub(super) fn new(service: u8, now: Time) -> Self {
        Self {
            service,
            cookie: Vec::new(),
            began: now,
            next_send: now,
            sent: None,
            first: true,
            wait: RETRY_AFTER,
        }
    }

    /// The server answered, and knows nothing of us yet.
    pub(super) fn has_cookie(&self) -> bool {
        !self.cookie.is_empty()
    }

    pub(super) fn on_timeout(&mut self, now: Time) {
        if now >= self.next_send {
            self.next_send = now;
        }
    }
}

impl Connection {
    /// HELLO from a new address.
    pub(super) fn poll_moved(&mut self, out: &mut Vec<u8>) -> bool {
        let (Some(cookie), Some(service)) = (self.moved.take(), self.service) else { return false };
        out.extend(datagram::hello(self.id, service, self.config.credit, cookie));
        true
    }

    /// HELLO, if its time has come.
    pub(super) fn poll_greeting(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let State::Greeting(greeting) = &mut self.state else { return false };
        if now < greeting.next_send {
            return false;
        }
        out.extend(datagram::hello(self.id, greeting.service, self.config.credit, greeting.cookie.clone()));
        // An answer to one of several is no sample of the round trip.
        greeting.sent = greeting.first.then_some(now);
        greeting.first = false;
        greeting.next_send = now + greeting.wait;
        greeting.wait = (greeting.wait * 2).min(RETRY_LIMIT);
        true
    }

    /// The server let us in: ACCEPT says so, or anything else that it sends behind it.
    pub(super) fn opened(&mut self, now: Time) {
        self.heard = now;
        self.state = State::Open;
        self.events.push_back(Event::Open);
    }

    pub(super) fn handle_greeting(&mut self, now: Time, packet: Packet) {
        let State::Greeting(greeting) = &mut self.state else {
            match packet {
                // Our address changed on the way, and the server wants to see that we are there (FAULTS row 54).
                Packet::Retry { cookie } if self.service.is_some() && self.state != State::Ended => {
                    self.moved = Some(cookie);
                }
                _ => self.stats.ignored += 1,
            }
            return;
        };
        match packet {
            Packet::Retry { cookie } if greeting.cookie != cookie => {
                self.heard = now;
                if let Some(sent) = greeting.sent {
                    self.rtt.sample(now, now.since(sent), Duration::ZERO);
                    greeting.wait = (self.rtt.smoothed() * RETRY_ROUND_TRIPS).clamp(RETRY_LEAST, RETRY_AFTER);
                } else {
                    greeting.wait = RETRY_AFTER;
                }
                if greeting.cookie.is_empty() {
                    self.events.push_back(Event::Answered);
                }
                (greeting.cookie, greeting.next_send, greeting.first) = (cookie, now, true);
                self.sending.set_limits(Credit { stream: EARLY_CREDIT, block: 0 });
            }
            Packet::Accept { credit } => {
                if let Some(sent) = greeting.sent {
                    self.rtt.sample(now, now.since(sent), Duration::ZERO);
                }
                self.sending.set_limits(credit);
                self.opened(now);
            }
            Packet::Refuse { code, text } => self.end(Ending::Refused { code, reason: text }),
            _ => self.stats.ignored += 1,
        }
    }
}

/// A proof that a client receives at its address: a keyed hash of address, id and the current period.
pub(super) fn cookie(secret: &[u8; 32], peer: SocketAddr, id: u64, now: Time) -> Vec<u8> {
    cookie_of(secret, peer, id, now.micros() / COOKIE_PERIOD.as_micros() as u64)
}

/// True for a cookie of this period or the one before.
pub(super) fn is_valid(secret: &[u8; 32], peer: SocketAddr, id: u64, now: Time, given: &[u8]) -> bool {
    let period = now.micros() / COOKIE_PERIOD.as_micros() as u64;
    given == cookie_of(secret, peer, id, period)
        || period > 0 && given == cookie_of(secret, peer, id, period - 1)
}

fn cookie_of(secret: &[u8; 32], peer: SocketAddr, id: u64, period: u64) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(peer.to_string().as_bytes());
    hasher.update(&id.to_be_bytes());
    hasher.update(&period.to_be_bytes());
    hasher.finalize().as_bytes()[..COOKIE_LIMIT / 2].to_vec()
}
