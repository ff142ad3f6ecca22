//! Who is there: a client's first bytes, or its silence, decide which protocol is spoken with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;

use super::PendingConnection;
use super::silent::SilentClient;
use super::visitor::{First, Spoken, Visitor};
use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors;
use crate::net::limits::FIRST_MESSAGE_LIMIT;
use crate::net::show;
use crate::report::Failure;
use crate::wire::dialect::{Dialect, Opening};
use crate::wire::preface;

/// A client that has not completed its preface after this time counts as half-open.
const HALF_OPEN_AFTER: Duration = Duration::from_secs(1);
/// Above this number of half-open clients new ones are dropped at random, above twice the number all of them (row 62).
const HALF_OPEN_LIMIT: usize = 32;
/// A client that sends nothing for this time waits to be spoken to (row 110).
const SILENT_AFTER: Duration = Duration::from_millis(400);
/// How long a client that was greeted may take to answer: people type.
const GREETED_LIMIT: Duration = Duration::from_mins(1);

/// A client that may stay.
pub enum Greeted {
    /// It is known how it is spoken with.
    Spoken(Spoken),
    /// It says nothing, and may listen.
    Silent(Box<SilentClient>),
}

/// Counts one half-open client while this value lives.
struct HalfOpen(Arc<AtomicUsize>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// True if a client is to be dropped when `waiting` are half-open, itself included; `draw` is random.
const fn is_one_too_many(waiting: usize, draw: u64) -> bool {
    waiting > 2 * HALF_OPEN_LIMIT
        || waiting > HALF_OPEN_LIMIT && draw % (HALF_OPEN_LIMIT as u64) < (waiting - HALF_OPEN_LIMIT) as u64
}

impl PendingConnection {
    /// Finds out which protocol the client speaks. The error is for the log; a client that is refused has been told
    /// why, one that is dropped as half-open has not.
    pub async fn answer(self) -> Result<(Greeted, ConnectionPermit), Failure> {
        let Self { stream, peer, admission, places, browsers, half_open } = self;
        let name = show(peer);
        // Who has a key sends the first message of the handshake with its preface.
        let first = preface::SIZE + if admission.keys.is_some() { preface::FIRST } else { 0 };
        let front = BytesMut::with_capacity(first);
        let visitor = Visitor { stream, peer, admission, places, browsers, front };
        visitor.answer(half_open).await.map_err(|failure| failure.of(name))
    }
}

impl Visitor {
    async fn answer(mut self, half_open: Arc<AtomicUsize>) -> Result<(Greeted, ConnectionPermit), Failure> {
        match self.first_bytes_in_time(half_open).await? {
            First::Silence => self.answer_silence().await,
            First::Opening(opening) => {
                // A place is taken only here, after the first bytes: idle connections cannot keep others out.
                let place = self.place(opening);
                let (spoken, place) = self.decide(opening, place, false).await?;
                Ok((Greeted::Spoken(spoken), place))
            }
        }
    }

    /// The first bytes, or that the client is silent and belongs to those who may be.
    async fn first_bytes_in_time(&mut self, half_open: Arc<AtomicUsize>) -> Result<First, Failure> {
        let greets = self.admission.greets();
        let may_wait = self.admission.has_listeners() || greets;
        // Where nobody is served who must speak first, silence need not be waited for: ours skip a greeting.
        let greets_at_once = greets && !self.admission.dialects.has(Dialect::Http);
        let silent_after = may_wait.then_some(if greets_at_once { Duration::ZERO } else { SILENT_AFTER });
        let mut first = std::pin::pin!(self.first_bytes(silent_after));
        if let Ok(result) = tokio::time::timeout(HALF_OPEN_AFTER, &mut first).await {
            return result;
        }
        let waiting = half_open.fetch_add(1, Ordering::Relaxed) + 1;
        let _half_open = HalfOpen(half_open);
        let draw = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), waiting);
        if is_one_too_many(waiting, draw) {
            return Err(errors::too_many_half_open(waiting));
        }
        match tokio::time::timeout(FIRST_MESSAGE_LIMIT.saturating_sub(HALF_OPEN_AFTER), first).await {
            Ok(result) => result,
            Err(_) => Err(errors::first_message_timed_out()),
        }
    }

    /// A client that waits to be spoken to: a listener of the room, or one that is greeted and then answers.
    async fn answer_silence(mut self) -> Result<(Greeted, ConnectionPermit), Failure> {
        let (address, max, listens) = (self.peer.ip(), self.admission.max, self.admission.has_listeners());
        let place = if listens { self.places.visit(address, max) } else { self.places.take(address, max) };
        let place = match place {
            Ok(place) => place,
            Err(full) => return Err(self.refuse(Opening::Text, full).await),
        };
        if listens {
            return Ok((Greeted::Silent(Box::new(SilentClient::new(self))), place));
        }
        match tokio::time::timeout(GREETED_LIMIT, self.greet()).await {
            Ok(Ok((opening, is_greeted))) => {
                let (spoken, place) = self.decide(opening, Ok(place), is_greeted).await?;
                Ok((Greeted::Spoken(spoken), place))
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.refuse(Opening::Text, errors::greeted_in_vain(GREETED_LIMIT)).await),
        }
    }

    /// Greets a client that waits to be spoken to, unless a browser keeps it in reserve: what it begins then, and whether
    /// it was greeted.
    async fn greet(&mut self) -> Result<(Opening, bool), Failure> {
        let reserve = self.browsers.reserve(self.peer.ip());
        if !reserve.is_zero()
            && let First::Opening(opening) = self.first_bytes(Some(reserve)).await?
        {
            return Ok((opening, false));
        }
        let greeting = self.admission.greeting.as_bytes();
        // It fits into the empty send buffer of a new connection.
        self.stream.try_write(greeting).map_err(|error| errors::socket_failed(&error))?;
        match self.first_bytes(None).await? {
            First::Opening(opening) => Ok((opening, true)),
            First::Silence => Err(errors::client_closed_at_once()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_62_half_open_clients_are_let_go_at_random_from_33_on_and_all_beyond_64() {
        let share = |waiting| (0..3200).filter(|&draw| is_one_too_many(waiting, draw)).count();
        assert_eq!((share(1), share(32)), (0, 0));
        assert_eq!((share(33), share(48), share(63)), (100, 1600, 3100));
        assert_eq!((share(64), share(65)), (3200, 3200));
    }
}
