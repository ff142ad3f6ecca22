//! The first datagrams: HELLO, RETRY with a cookie, HELLO with that cookie, ACCEPT. The server keeps no state until the
//! cookie comes back, and never answers with more bytes than it received (FAULTS row 52). The first frames of the
//! client follow immediately after the HELLO with the cookie, so a request and its answer take two round trips, not
//! three.

use std::net::SocketAddr;
use std::time::Duration;

use super::Ending;
use super::connection::{Connection, Event, State};
use crate::base::Time;
use crate::wire::datagram::{self, COOKIE_LIMIT, Credit, Packet};

/// First wait for an answer to HELLO; doubled each time.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Longest wait between two HELLOs: short enough that a loss of one third in bursts does not end in "no answer", and
/// still only 32 kbit/s.
const RETRY_LIMIT: Duration = Duration::from_millis(300);
/// Once the round trip is known, a HELLO with a cookie is repeated after this number of round trips, with this minimum.
const RETRY_ROUND_TRIPS: u32 = 2;
const RETRY_LEAST: Duration = Duration::from_millis(20);
/// Bytes of stream frames that a client may send before the server has granted credit.
pub(super) const EARLY_CREDIT: u64 = 16 << 10;
/// How long a cookie is valid at least; at most twice as long.
pub(super) const COOKIE_PERIOD: Duration = Duration::from_mins(1);

/// The state of a client that waits for ACCEPT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    service: u8,
    /// Empty until the server has sent one.
    cookie: Vec<u8>,
    /// When the connection began.
    pub(super) began: Time,
    /// When the next HELLO is due.
    pub(super) next_send: Time,
    /// When the last HELLO was sent; `None` if it was a repetition, whose answer would be no sample of the round trip.
    sent: Option<Time>,
    /// The next HELLO is the first with the present cookie.
    first: bool,
    wait: Duration,
}

impl Greeting {
    /// Begins with a HELLO without a cookie; `service` is the number of a service.
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

    /// True if the server answered with a cookie; it has no state of this connection yet.
    pub(super) fn has_cookie(&self) -> bool {
        !self.cookie.is_empty()
    }

    /// Time passed: a HELLO that is overdue is due now.
    pub(super) fn on_timeout(&mut self, now: Time) {
        if now >= self.next_send {
            self.next_send = now;
        }
    }
}

impl Connection {
    /// Builds the HELLO that proves a new address, if the server has asked for it.
    pub(super) fn poll_moved(&mut self, out: &mut Vec<u8>) -> bool {
        let (Some(cookie), Some(service)) = (self.moved.take(), self.service) else { return false };
        out.extend(datagram::hello(self.id, service, self.config.credit, cookie));
        true
    }

    /// Builds a HELLO, if one is due.
    pub(super) fn poll_greeting(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let State::Greeting(greeting) = &mut self.state else { return false };
        if now < greeting.next_send {
            return false;
        }
        out.extend(datagram::hello(self.id, greeting.service, self.config.credit, greeting.cookie.clone()));
        // The answer could be to any of several HELLOs: no sample of the round trip.
        greeting.sent = greeting.first.then_some(now);
        greeting.first = false;
        greeting.next_send = now + greeting.wait;
        greeting.wait = (greeting.wait * 2).min(RETRY_LIMIT);
        true
    }

    /// The server accepted the connection: shown by ACCEPT, or by any DATA that it sends afterwards.
    pub(super) fn opened(&mut self, now: Time) {
        self.heard = now;
        self.state = State::Open;
        self.events.push_back(Event::Open);
    }

    /// Handles RETRY, ACCEPT or REFUSE; any other packet is counted as ignored.
    pub(super) fn handle_greeting(&mut self, now: Time, packet: Packet) {
        let State::Greeting(greeting) = &mut self.state else {
            match packet {
                // The address of this client changed on the path, and the server asks for proof of the new one (FAULTS
                // row 54).
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

/// The cookie for a client, which proves that it receives at its address: a keyed hash of address, id and current
/// period.
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
