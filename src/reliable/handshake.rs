//! The first datagrams: HELLO, RETRY with a cookie, HELLO with it, ACCEPT. The server keeps nothing until the
//! cookie came back, and never answers with more bytes than it got (FAULTS row 52).

use std::net::SocketAddr;
use std::time::Duration;

use super::Ending;
use super::connection::{Connection, Event, State};
use crate::base::Time;
use crate::wire::datagram::{self, COOKIE_LIMIT, Packet};

/// First wait for an answer; doubled each time.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Often enough that a third of lost datagrams, in bursts, does not end in "no answer"; still only 32 kbit/s.
const RETRY_LIMIT: Duration = Duration::from_millis(300);
/// How long a cookie is good, at least.
const COOKIE_PERIOD: Duration = Duration::from_mins(1);

/// A client that waits to be let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    service: u8,
    cookie: Vec<u8>,
    pub(super) began: Time,
    pub(super) next_send: Time,
    /// When the last HELLO left, if an answer to it would be a fair sample of the round trip.
    sent: Option<Time>,
    wait: Duration,
}

impl Greeting {
    pub(super) fn new(service: u8, now: Time) -> Self {
        Self { service, cookie: Vec::new(), began: now, next_send: now, sent: None, wait: RETRY_AFTER }
    }

    pub(super) fn on_timeout(&mut self, now: Time) {
        if now >= self.next_send {
            self.next_send = now;
        }
    }
}

impl Connection {
    /// HELLO, if its time has come.
    pub(super) fn poll_greeting(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let State::Greeting(greeting) = &mut self.state else { return false };
        if now < greeting.next_send {
            return false;
        }
        out.extend(datagram::hello(self.id, greeting.service, self.config.credit, greeting.cookie.clone()));
        greeting.sent = if greeting.wait == RETRY_AFTER { Some(now) } else { None };
        greeting.next_send = now + greeting.wait;
        greeting.wait = (greeting.wait * 2).min(RETRY_LIMIT);
        true
    }

    pub(super) fn handle_greeting(&mut self, now: Time, packet: Packet) {
        let State::Greeting(greeting) = &mut self.state else {
            self.stats.ignored += 1;
            return;
        };
        match packet {
            Packet::Retry { cookie } if greeting.cookie != cookie => {
                self.heard = now;
                greeting.cookie = cookie;
                greeting.next_send = now;
                greeting.wait = RETRY_AFTER;
            }
            Packet::Accept { credit } => {
                self.heard = now;
                if let Some(sent) = greeting.sent {
                    self.rtt.sample(now.since(sent), Duration::ZERO);
                }
                self.sending.set_limits(credit);
                self.state = State::Open;
                self.events.push_back(Event::Open);
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
