//! A client of which nothing is known yet, and what becomes of it once its first bytes are known. Whoever is not welcome
//! is told so in its own protocol.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::net::TcpStream;

use super::admission::{Admission, Lines};
use super::browsers::Browsers;
use super::foreign::ForeignStream;
use crate::net::connection::Connection;
use crate::net::connection::keys::Keyring;
use crate::net::connection::keys::errors::{key_needed, no_key_here};
use crate::net::connection::permits::{ConnectionPermit, ConnectionPermits, Door};
use crate::net::errors;
use crate::net::tcp;
use crate::report::Failure;
use crate::wire::dialect::{self, Dialect, Opening};
use crate::wire::preface::{self, Preface};
use crate::wire::{Code, Frame, ServiceId, VERSION};

/// The answer to who wants TLS: a fatal alert, `handshake_failure` (RFC 8446, section 6).
const TLS_ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 40];

/// How a client is spoken with whose protocol is known.
pub enum Spoken {
    /// In our own protocol, or in lines of text.
    Messages(Box<Connection>),
    /// In another one.
    Foreign(Dialect, Box<ForeignStream>),
}

/// What the first bytes of a client were, or that there were none.
pub(super) enum First {
    Opening(Opening),
    Silence,
}

/// A client of which nothing is known yet.
pub(super) struct Visitor {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) admission: Admission,
    pub(super) places: Arc<ConnectionPermits>,
    pub(super) browsers: Arc<Browsers>,
    pub(super) front: BytesMut,
}

impl Visitor {
    /// Reads until it is known what the client begins, or nothing came for `silent_after`. Cancel-safe.
    pub(super) async fn first_bytes(&mut self, silent_after: Option<Duration>) -> Result<First, Failure> {
        loop {
            if let Some(opening) = dialect::recognise(&self.front) {
                return Ok(First::Opening(opening));
            }
            let silence = silent_after.filter(|_| self.front.is_empty());
            let read = tokio::select! {
                biased;
                ready = self.stream.readable() => ready.and_then(|()| self.stream.try_read_buf(&mut self.front)),
                () = tokio::time::sleep(silence.unwrap_or_default()), if silence.is_some() => return Ok(First::Silence),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) if self.front.is_empty() => return Err(errors::client_closed_at_once()),
                Ok(0) => return Ok(First::Opening(dialect::finally(&self.front))),
                Ok(_) => {}
                Err(error) => return Err(errors::socket_failed(&error)),
            }
        }
    }

    /// Its place. Who speaks HTTP to a conversation only looks at first: its members are counted, not its connections.
    pub(super) fn place(&self, opening: Opening) -> Result<ConnectionPermit, Failure> {
        let (address, max) = (self.peer.ip(), self.admission.max);
        if opening == Opening::Http && self.admission.lines == Lines::Conversation {
            return self.places.visit(address, max);
        }
        self.places.take(address, max)
    }

    /// How it becomes a client of a conversation.
    pub(super) fn door(&self) -> Door {
        self.places.door(self.peer.ip(), self.admission.max)
    }

    /// Speaks with it as it began, in its place; or tells it why not.
    pub(super) async fn decide(
        self,
        opening: Opening,
        place: Result<ConnectionPermit, Failure>,
        is_greeted: bool,
    ) -> Result<(Spoken, ConnectionPermit), Failure> {
        let place = match (place, self.admission.keys.clone()) {
            (Ok(place), None) => place,
            (Ok(place), Some(keys)) => {
                // Who has not shown yet that it has a key holds no place of those who have one.
                drop(place);
                return self.with_key(opening, keys).await;
            }
            (Err(full), _) => return Err(self.refuse(opening, full).await),
        };
        let dialects = self.admission.dialects;
        let foreign = match opening {
            Opening::Own => None,
            Opening::Http if is_greeted => return Err(self.close_reserve().await),
            Opening::Http => Some(Dialect::Http),
            Opening::Text => self.admission.plain(),
            Opening::Tls => return Err(self.refuse(opening, errors::no_tls_here()).await),
            Opening::Other(_) => {
                let failure = errors::foreign_protocol(&self.front);
                return Err(self.refuse(opening, failure).await);
            }
        };
        let spoken = match foreign {
            None if opening == Opening::Own => self.own().await?,
            Some(Dialect::Text) if self.admission.lines != Lines::No => {
                Spoken::Messages(Box::new(self.text()))
            }
            Some(dialect) if dialects.has(dialect) => {
                Spoken::Foreign(dialect, Box::new(self.foreign(is_greeted)))
            }
            other => {
                let wanted = other.unwrap_or(Dialect::Text);
                let failure = errors::dialect_is_off(self.admission.name, wanted, dialects);
                return Err(self.refuse(opening, failure).await);
            }
        };
        Ok((spoken, place))
    }

    /// A browser has kept it in reserve, and was greeted as a silent client: no answer would be read as one, so nothing is
    /// done of what it asks. On its next connection it is known.
    async fn close_reserve(self) -> Failure {
        self.browsers.note(self.peer.ip());
        ForeignStream::new(self.stream, self.peer, self.front).close().await;
        errors::asked_after_greeting()
    }

    /// A client of a port with keys.
    async fn with_key(self, opening: Opening, keys: Keyring) -> Result<(Spoken, ConnectionPermit), Failure> {
        let asked = self.front.first_chunk().copied().and_then(Preface::decode);
        match asked.filter(|_| opening == Opening::Own) {
            Some(asked) if asked.version != VERSION => {
                Err(self.refuse(opening, errors::version_mismatch(VERSION, asked.version)).await)
            }
            Some(asked) if asked.exchanges() => self.exchange(keys, asked).await,
            Some(asked) if asked.is_sealed() => self.keyed(keys, asked).await,
            _ => Err(self.refuse(opening, key_needed()).await),
        }
    }

    /// A client that speaks our own protocol.
    async fn own(mut self) -> Result<Spoken, Failure> {
        let asked = self.front.first_chunk().copied().and_then(Preface::decode);
        if let Some(failure) = objection(&self.admission, asked) {
            return Err(self.refuse(Opening::Own, failure).await);
        }
        self.front.advance(preface::SIZE);
        let (read, write) = self.stream.into_split();
        let mut outgoing = tcp::Outgoing::new(write, false);
        outgoing.greet(Preface::new(self.admission.service));
        outgoing.flush().await?;
        let incoming = tcp::Incoming::new(read, self.front, false).met(asked);
        let connection = tcp::Halves { outgoing, incoming, peer: self.peer }.into();
        Ok(Spoken::Messages(Box::new(connection)))
    }

    /// A client that speaks another protocol.
    fn foreign(self, is_greeted: bool) -> ForeignStream {
        let door = (self.admission.lines == Lines::Conversation).then(|| Box::new(self.door()));
        let mut stream = ForeignStream::new(self.stream, self.peer, self.front);
        stream.door = door;
        stream.browsers = Some(self.browsers);
        if is_greeted {
            stream.greeted = self.admission.greeting;
        }
        stream
    }

    /// A client that sends lines of text.
    fn text(self) -> Connection {
        let (read, write) = self.stream.into_split();
        let outgoing = tcp::Outgoing::new(write, true);
        let incoming = tcp::Incoming::new(read, self.front, true).met(None);
        Connection { is_text: true, ..tcp::Halves { outgoing, incoming, peer: self.peer }.into() }
    }

    /// Tells a client why it is refused, in its own protocol if that is known, and waits up to 1 s for it to close.
    pub(super) async fn refuse(self, opening: Opening, failure: Failure) -> Failure {
        let words = last_words(opening, self.admission.plain(), &failure);
        let mut stream = ForeignStream::new(self.stream, self.peer, self.front);
        if stream.write(&words).await.is_ok() {
            stream.close().await;
        }
        failure
    }
}

/// Why a client of our own protocol is refused that sent the preface `asked`.
pub(super) fn objection(admission: &Admission, asked: Option<Preface>) -> Option<Failure> {
    let asked = asked?;
    if asked.version != VERSION {
        return Some(errors::version_mismatch(VERSION, asked.version));
    }
    if asked.is_sealed() && admission.keys.is_none() {
        return Some(no_key_here());
    }
    if !admission.serves(ServiceId::new(asked.service)) {
        return Some(errors::other_service(admission.name));
    }
    let is_off = !admission.dialects.has(Dialect::Own);
    is_off.then(|| errors::dialect_is_off(admission.name, Dialect::Own, admission.dialects))
}

/// Why a client is refused, in its own protocol if that is known. `plain`: what the lines of text are for that this port
/// takes.
pub(super) fn last_words(opening: Opening, plain: Option<Dialect>, failure: &Failure) -> Vec<u8> {
    match opening {
        Opening::Own => own_refusal(failure),
        Opening::Http => http_refusal(failure),
        Opening::Tls => TLS_ALERT.to_vec(),
        Opening::Text if plain == Some(Dialect::Ftp) => format!("421 {failure}\r\n").into_bytes(),
        Opening::Text => format!("error: {failure}\n").into_bytes(),
        Opening::Other(_) => Vec::new(),
    }
}

fn own_refusal(failure: &Failure) -> Vec<u8> {
    let mut words = BytesMut::from(&Preface::new(ServiceId::ANY).encode()[..]);
    Frame::error(failure.code, &failure.to_string()).encode_checked(&mut words);
    words.to_vec()
}

fn http_refusal(failure: &Failure) -> Vec<u8> {
    let (status, again) = match failure.code {
        Code::Busy => ("503 Service Unavailable", "Retry-After: 5\r\n"),
        _ => ("403 Forbidden", ""),
    };
    let (text, end) = (format!("{failure}\n"), "Connection: close\r\n\r\n");
    let length = text.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n{again}{end}{text}")
        .into_bytes()
}
