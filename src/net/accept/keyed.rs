//! A port with keys: only who has one of them is served. Whoever has not learns that, and nothing else of the port.

use super::visitor::{Spoken, Visitor, objection};
use crate::net::connection::Connection;
use crate::net::connection::keys::{FIRST, Keyring, errors};
use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors::{client_closed_at_once, first_message_timed_out, socket_failed};
use crate::net::limits::FIRST_MESSAGE_LIMIT;
use crate::net::tcp::{self, opening};
use crate::report::Failure;
use crate::wire::dialect::Opening;
use crate::wire::preface::{self, Preface};
use crate::wire::{Frame, ServiceId};

impl Visitor {
    /// A client of our protocol that sent the preface `asked`.
    pub(super) async fn keyed(
        mut self,
        keyring: Keyring,
        asked: Preface,
    ) -> Result<(Spoken, ConnectionPermit), Failure> {
        let (client, first) = match tokio::time::timeout(FIRST_MESSAGE_LIMIT, self.first_message()).await {
            Ok(message) => message?,
            Err(_) => return Err(first_message_timed_out()),
        };
        let Some((name, responder)) = keyring.open(client, &first) else {
            if !keyring.slow_down().await {
                return Err(errors::dropped_without_words());
            }
            return Err(self.refuse(Opening::Own, errors::wrong_key()).await);
        };
        let place = match self.place(Opening::Own) {
            Ok(place) => place,
            Err(full) => return Err(self.refuse(Opening::Own, full).await),
        };
        let refused = objection(&self.admission, Some(asked));
        let service = if refused.is_some() { ServiceId::ANY } else { self.admission.service };
        let stream = (self.stream, self.front);
        let (mut outgoing, incoming) =
            opening::answer(stream, responder, asked, Preface::new(service)).await?;
        if let Some(failure) = refused {
            outgoing.send(&Frame::error(failure.code, &failure.to_string())).await?;
            outgoing.close().await;
            return Err(failure);
        }
        let halves = tcp::Halves { outgoing, incoming, peer: self.peer };
        let connection = Connection { key: Some(name), ..halves.into() };
        Ok((Spoken::Messages(Box::new(connection)), place))
    }

    /// The preface and the first message of the handshake.
    async fn first_message(&mut self) -> Result<([u8; preface::SIZE], [u8; FIRST]), Failure> {
        loop {
            if let Some(message) = opening::split_first(&self.front) {
                return Ok(message);
            }
            self.stream.readable().await.map_err(|error| socket_failed(&error))?;
            match self.stream.try_read_buf(&mut self.front) {
                Ok(0) => return Err(client_closed_at_once()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(socket_failed(&error)),
            }
        }
    }
}
