//! A client of a conversation that has sent nothing yet. It may be somebody who only listens, as with `nc`, or a
//! connection that a browser keeps in reserve and may use for a request later.

use std::net::SocketAddr;
use std::time::Duration;

use super::foreign::{ForeignStream, write_all};
use super::visitor::{First, Spoken, Visitor};
use crate::net::connection::permits::{ConnectionPermit, Door};
use crate::net::errors;
use crate::net::tcp::bound_send_buffer;
use crate::report::Failure;
use crate::wire::dialect::Opening;

/// A client that has sent nothing yet.
pub struct SilentClient {
    visitor: Visitor,
    has_heard: bool,
}

impl SilentClient {
    pub(super) fn new(visitor: Visitor) -> Self {
        Self { visitor, has_heard: false }
    }

    /// Its address.
    pub fn peer(&self) -> SocketAddr {
        self.visitor.peer
    }

    /// For how long it may be a connection that a browser keeps in reserve: what is sent to it meanwhile would stand before
    /// an answer. Zero: it is none.
    pub fn reserve(&self) -> Duration {
        self.visitor.browsers.reserve(self.visitor.peer.ip())
    }

    /// The way to a place of its own.
    pub fn door(&self) -> Door {
        self.visitor.door()
    }

    /// True if it was sent something.
    pub const fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// Limits the kernel's send buffer to about `bytes`, so that it is noticed early that the client does not read.
    pub fn bound_buffer(&self, bytes: usize) {
        bound_send_buffer(&self.visitor.stream, bytes);
    }

    /// Sends it lines of text.
    ///
    /// # Errors
    /// The connection broke, or the client takes nothing.
    pub async fn write(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.has_heard = true;
        write_all(&self.visitor.stream, lines).await
    }

    /// Resolves when it begins to speak, with what it begins. Cancel-safe.
    ///
    /// # Errors
    /// It left without a word, or the connection broke.
    pub async fn speaks(&mut self) -> Result<Opening, Failure> {
        match self.visitor.first_bytes(None).await? {
            First::Opening(opening) => Ok(opening),
            First::Silence => Err(errors::client_closed_at_once()),
        }
    }

    /// Speaks with it as it began; `place`: its place as a client, if it has one already. One that is refused has been
    /// told why.
    ///
    /// # Errors
    /// It is not welcome, or there is no place.
    pub async fn meet(
        self,
        opening: Opening,
        place: Option<ConnectionPermit>,
    ) -> Result<(Spoken, ConnectionPermit), Failure> {
        let place = match (opening, place) {
            (_, Some(place)) => Ok(place),
            // It is counted as a visitor already.
            (Opening::Http, None) => Ok(ConnectionPermit::elsewhere()),
            (_, None) => self.visitor.place(opening),
        };
        self.visitor.decide(opening, place, self.has_heard).await
    }

    /// Tells it why it cannot stay.
    pub async fn refuse(self, failure: Failure) -> Failure {
        self.visitor.refuse(Opening::Text, failure).await
    }

    /// Closes after the last lines.
    pub async fn close(self) {
        ForeignStream::new(self.visitor.stream, self.visitor.peer, self.visitor.front).close().await;
    }
}
