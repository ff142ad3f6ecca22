//! The first datagrams: HELLO, RETRY with a cookie, HELLO with that cookie, ACCEPT. The server keeps no state until the
//! cookie comes back, and never answers with more bytes than it received (faults.md row 52). The first frames of the
//! client follow immediately after the HELLO with the cookie, so a request and its answer take two round trips, not
//! three.

pub mod sealing;

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::Time;
use crate::wire::ConnectionId;
use crate::wire::datagram::COOKIE_LIMIT;

/// First wait for an answer to HELLO; doubled each time.
pub(in crate::reliable) const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Bytes of stream frames that a client may send before the server has granted credit.
pub(in crate::reliable) const EARLY_CREDIT: u64 = 16 << 10;
/// How long a cookie is valid at least; at most twice as long.
pub(in crate::reliable) const COOKIE_PERIOD: Duration = Duration::from_mins(1);

/// The state of a client that waits for ACCEPT.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::reliable) struct Handshake {
    pub(in crate::reliable) service: u8,
    /// Empty until the server has sent one.
    pub(in crate::reliable) cookie: Vec<u8>,
    /// When the connection began.
    pub(in crate::reliable) began: Time,
    /// When the next HELLO is due.
    pub(in crate::reliable) next_send: Time,
    /// When the last HELLO was sent; `None` if it was a repetition, whose answer would be no sample of the round trip.
    pub(in crate::reliable) sent: Option<Time>,
    /// The next HELLO is the first with the present cookie.
    pub(in crate::reliable) first: bool,
    pub(in crate::reliable) wait: Duration,
}

impl Handshake {
    /// Begins with a HELLO without a cookie; `service` is the number of a service.
    pub(in crate::reliable) fn new(service: u8, now: Time) -> Self {
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
    pub(in crate::reliable) fn has_cookie(&self) -> bool {
        !self.cookie.is_empty()
    }

    /// Time passed: a HELLO that is overdue is due now.
    pub(in crate::reliable) fn on_timeout(&mut self, now: Time) {
        if now >= self.next_send {
            self.next_send = now;
        }
    }
}

/// The cookie for a client, which proves that it receives at its address: a keyed hash of address, id and current
/// period.
pub(in crate::reliable) fn cookie(
    secret: &[u8; 32],
    peer: SocketAddr,
    id: ConnectionId,
    now: Time,
) -> Vec<u8> {
    cookie_of(secret, peer, id, period(now))
}

/// The period that a cookie is of: this one or the one before; `None` if the cookie is of no other use.
pub(in crate::reliable) fn period_of(
    secret: &[u8; 32],
    peer: SocketAddr,
    id: ConnectionId,
    now: Time,
    given: &[u8],
) -> Option<u64> {
    let present = period(now);
    let mut valid = (0..=1).filter_map(|ago| present.checked_sub(ago));
    valid.find(|period| given == cookie_of(secret, peer, id, *period))
}

/// The period of the cookies that are made now.
pub(in crate::reliable) fn period(now: Time) -> u64 {
    now.micros() / COOKIE_PERIOD.as_micros() as u64
}

pub(in crate::reliable) fn cookie_of(
    secret: &[u8; 32],
    peer: SocketAddr,
    id: ConnectionId,
    period: u64,
) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(peer.to_string().as_bytes());
    hasher.update(&id.0.to_be_bytes());
    hasher.update(&period.to_be_bytes());
    hasher.finalize().as_bytes()[..COOKIE_LIMIT / 2].to_vec()
}
