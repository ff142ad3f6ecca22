//! A port with keys: only who has one of them is served, or exchanges the code of the port for one. Whoever has not learns
//! that, and nothing else of the port.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::admission::Admission;
use super::foreign::ForeignStream;
use super::visitor::{First, Spoken, Visitor, objection};
use crate::net::connection::Connection;
use crate::net::connection::keys::{FIRST, Keyring, errors};
use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors::{client_closed_at_once, first_message_timed_out, socket_failed, version_mismatch};
use crate::net::limits::FIRST_MESSAGE_LIMIT;
use crate::net::tcp::{self, opening};
use crate::report::Failure;
use crate::wire::dialect::Opening;
use crate::wire::preface::{self, CODE_MESSAGE, Preface};
use crate::wire::{Frame, ServiceId, VERSION};

/// A client of a link with keys, whose connection goes on elsewhere: it passes with what it has sent, and the name of its
/// key, if its first message was made with one of them.
pub(in crate::net) async fn pass(
    stream: TcpStream,
    peer: SocketAddr,
    keys: &Keyring,
) -> Result<(TcpStream, BytesMut, Arc<str>), Failure> {
    let admission = Admission::of_keys(keys.clone());
    let (places, browsers) = (Arc::default(), Arc::default());
    let mut visitor = Visitor { stream, peer, admission, places, browsers, front: BytesMut::new() };
    let first = tokio::time::timeout(FIRST_MESSAGE_LIMIT, visitor.first_bytes(None));
    let First::Opening(opening) = first.await.unwrap_or_else(|_| Err(first_message_timed_out()))? else {
        return Err(first_message_timed_out());
    };
    let asked = visitor.front.first_chunk().copied().and_then(Preface::decode);
    match asked.filter(|_| opening == Opening::Own) {
        Some(asked) if asked.version != VERSION => {
            Err(visitor.refuse(opening, version_mismatch(VERSION, asked.version)).await)
        }
        Some(asked) if asked.exchanges() => Err(visitor.refuse_slowly(keys, errors::no_code_here()).await),
        Some(asked) if asked.is_sealed() => {
            let (client, first) = visitor.first_message::<FIRST>().await?;
            match keys.open(client, &first) {
                Some((name, _)) => Ok((visitor.stream, visitor.front, name)),
                None => Err(visitor.refuse_slowly(keys, errors::wrong_key()).await),
            }
        }
        _ => Err(visitor.refuse(opening, errors::key_needed()).await),
    }
}

impl Visitor {
    /// A client of our protocol that sent the preface `asked`.
    pub(super) async fn keyed(
        mut self,
        keyring: Keyring,
        asked: Preface,
    ) -> Result<(Spoken, ConnectionPermit), Failure> {
        let (client, first) = self.first_message::<FIRST>().await?;
        let Some((name, responder)) = keyring.open(client, &first) else {
            return Err(self.refuse_slowly(&keyring, errors::wrong_key()).await);
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

    /// A client that exchanges the code of the port for a key, with which it comes again. Which service the port has, it is
    /// not told before.
    pub(super) async fn exchange(
        mut self,
        keyring: Keyring,
        asked: Preface,
    ) -> Result<(Spoken, ConnectionPermit), Failure> {
        let (_, first) = self.first_message::<CODE_MESSAGE>().await?;
        let Some(answer) = keyring.exchange(&first) else {
            return Err(self.refuse_slowly(&keyring, errors::no_code_here()).await);
        };
        let preface = opening::exchange_preface(ServiceId::new(asked.service)).encode();
        let mut stream = ForeignStream::new(self.stream, self.peer, self.front);
        stream.write(&[&preface[..], &answer].concat()).await?;
        stream.close().await;
        Err(errors::code_tried())
    }

    /// Tells a client after a while why it is refused; if many wait for that, it is dropped without a word.
    async fn refuse_slowly(self, keyring: &Keyring, failure: Failure) -> Failure {
        if !keyring.slow_down().await {
            return errors::dropped_without_words();
        }
        self.refuse(Opening::Own, failure).await
    }

    /// The preface and what is behind it.
    async fn first_message<const N: usize>(&mut self) -> Result<([u8; preface::SIZE], [u8; N]), Failure> {
        let whole = tokio::time::timeout(FIRST_MESSAGE_LIMIT, self.read_first());
        whole.await.unwrap_or_else(|_| Err(first_message_timed_out()))
    }

    async fn read_first<const N: usize>(&mut self) -> Result<([u8; preface::SIZE], [u8; N]), Failure> {
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
