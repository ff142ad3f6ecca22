//! Who is there: a client's first bytes, or its silence, decide which protocol is spoken with it. Whoever is not
//! welcome is told so in its own protocol.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::net::TcpStream;

use super::PendingConnection;
use super::admission::{Admission, Lines};
use super::foreign::ForeignStream;
use super::permits::{ConnectionPermit, ConnectionPermits};
use crate::net::connection::Connection;
use crate::net::errors;
use crate::net::limits::FIRST_MESSAGE_LIMIT;
use crate::net::{show, tcp};
use crate::report::Failure;
use crate::wire::dialect::{self, Dialect, Opening};
use crate::wire::preface::{self, Preface};
use crate::wire::{Code, Frame, ServiceId, VERSION};

/// A client that has not completed its preface after this time counts as half-open.
const HALF_OPEN_AFTER: Duration = Duration::from_secs(1);
/// Above this number of half-open clients new ones are dropped at random, above twice the number all of them (row 62).
const HALF_OPEN_LIMIT: usize = 32;
/// A client that sends nothing for this time waits to be spoken to (row 110).
const SILENT_AFTER: Duration = Duration::from_millis(400);
/// How long a client that was greeted may take to answer: people type.
const GREETED_LIMIT: Duration = Duration::from_mins(1);
/// The answer to who wants TLS: a fatal alert, `handshake_failure` (RFC 8446, section 6).
const TLS_ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 40];

/// A client that may stay, and how it is spoken with.
pub enum Greeted {
    /// In our own protocol, or in lines of text.
    Messages(Box<Connection>),
    /// In another one.
    Foreign(Dialect, ForeignStream),
}

/// What the first bytes of a client were, or that there were none.
enum First {
    Opening(Opening),
    Silence,
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
        let Self { stream, peer, admission, places, half_open } = self;
        let name = show(peer);
        tcp::prepare(&stream);
        let visitor =
            Visitor { stream, peer, admission, places, front: BytesMut::with_capacity(preface::SIZE) };
        visitor.answer(half_open).await.map_err(|failure| failure.of(name))
    }
}

/// A client of which nothing is known yet.
struct Visitor {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    places: Arc<ConnectionPermits>,
    front: BytesMut,
}

impl Visitor {
    async fn answer(mut self, half_open: Arc<AtomicUsize>) -> Result<(Greeted, ConnectionPermit), Failure> {
        match self.first_bytes_in_time(half_open).await? {
            First::Silence => self.answer_silence().await,
            First::Opening(opening) => {
                // A place is taken only here, after the first bytes: idle connections cannot keep others out.
                let place = self.places.take(self.peer.ip(), self.admission.max);
                self.decide(opening, place, false).await
            }
        }
    }

    /// The first bytes, or that the client is silent and belongs to those who may be.
    async fn first_bytes_in_time(&mut self, half_open: Arc<AtomicUsize>) -> Result<First, Failure> {
        let greets = !self.admission.greeting.is_empty() && self.admission.plain().is_some();
        let may_wait = self.admission.has_listeners() || greets;
        let silent_after = may_wait.then_some(SILENT_AFTER);
        let mut first = std::pin::pin!(first_bytes(&self.stream, &mut self.front, silent_after));
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
        let place = match self.places.take(self.peer.ip(), self.admission.max) {
            Ok(place) => place,
            Err(full) => return Err(self.refuse(Opening::Text, full).await),
        };
        if self.admission.has_listeners() {
            return Ok((Greeted::Messages(Box::new(self.text())), place));
        }
        let greeting = self.admission.greeting.as_bytes();
        // It fits into the empty send buffer of a new connection.
        self.stream.try_write(greeting).map_err(|error| errors::socket_failed(&error))?;
        let first = first_bytes(&self.stream, &mut self.front, None);
        match tokio::time::timeout(GREETED_LIMIT, first).await {
            Ok(Ok(First::Opening(opening))) => self.decide(opening, Ok(place), true).await,
            Ok(Ok(First::Silence)) => Err(errors::client_closed_at_once()),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.refuse(Opening::Text, errors::greeted_in_vain(GREETED_LIMIT)).await),
        }
    }

    async fn decide(
        self,
        opening: Opening,
        place: Result<ConnectionPermit, Failure>,
        is_greeted: bool,
    ) -> Result<(Greeted, ConnectionPermit), Failure> {
        let place = match place {
            Ok(place) => place,
            Err(full) => return Err(self.refuse(opening, full).await),
        };
        let dialects = self.admission.dialects;
        let foreign = match opening {
            Opening::Own => None,
            Opening::Http => Some(Dialect::Http),
            Opening::Text => self.admission.plain(),
            Opening::Tls => return Err(self.refuse(opening, errors::no_tls_here()).await),
            Opening::Other(_) => {
                let failure = errors::foreign_protocol(&self.front);
                return Err(self.refuse(opening, failure).await);
            }
        };
        let greeted = match foreign {
            None if opening == Opening::Own => self.own().await?,
            Some(Dialect::Text) if self.admission.lines != Lines::No => {
                Greeted::Messages(Box::new(self.text()))
            }
            Some(dialect) if dialects.has(dialect) => {
                let mut stream = ForeignStream::new(self.stream, self.peer, self.front);
                stream.is_greeted = is_greeted;
                Greeted::Foreign(dialect, stream)
            }
            other => {
                let wanted = other.unwrap_or(Dialect::Text);
                let failure = errors::dialect_is_off(self.admission.name, wanted, dialects);
                return Err(self.refuse(opening, failure).await);
            }
        };
        Ok((greeted, place))
    }

    /// A client that speaks our own protocol.
    async fn own(mut self) -> Result<Greeted, Failure> {
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
        Ok(Greeted::Messages(Box::new(connection)))
    }

    /// A client that sends lines of text.
    fn text(self) -> Connection {
        let (read, write) = self.stream.into_split();
        let outgoing = tcp::Outgoing::new(write, true);
        let incoming = tcp::Incoming::new(read, self.front, true).met(None);
        Connection { is_text: true, ..tcp::Halves { outgoing, incoming, peer: self.peer }.into() }
    }

    /// Tells a client why it is refused, in its own protocol if that is known, and waits up to 1 s for it to close.
    async fn refuse(self, opening: Opening, failure: Failure) -> Failure {
        let words = match opening {
            Opening::Own => own_refusal(&failure),
            Opening::Http => http_refusal(&failure),
            Opening::Tls => TLS_ALERT.to_vec(),
            Opening::Text if self.admission.plain() == Some(Dialect::Ftp) => {
                format!("421 {failure}\r\n").into_bytes()
            }
            Opening::Text => format!("error: {failure}\n").into_bytes(),
            Opening::Other(_) => Vec::new(),
        };
        let mut stream = ForeignStream::new(self.stream, self.peer, self.front);
        if stream.write(&words).await.is_ok() {
            stream.close().await;
        }
        failure
    }
}

/// Reads until it is known what the client begins, or nothing came for `silent_after`.
async fn first_bytes(
    stream: &TcpStream,
    front: &mut BytesMut,
    silent_after: Option<Duration>,
) -> Result<First, Failure> {
    loop {
        if let Some(opening) = dialect::recognise(front) {
            return Ok(First::Opening(opening));
        }
        let silence = silent_after.filter(|_| front.is_empty());
        let read = tokio::select! {
            biased;
            ready = stream.readable() => ready.and_then(|()| stream.try_read_buf(front)),
            () = tokio::time::sleep(silence.unwrap_or_default()), if silence.is_some() => return Ok(First::Silence),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) if front.is_empty() => return Err(errors::client_closed_at_once()),
            Ok(0) => return Ok(First::Opening(dialect::finally(front))),
            Ok(_) => {}
            Err(error) => return Err(errors::socket_failed(&error)),
        }
    }
}

/// Why a client of our own protocol is refused that sent the preface `asked`.
fn objection(admission: &Admission, asked: Option<Preface>) -> Option<Failure> {
    let asked = asked?;
    if asked.version != VERSION {
        return Some(errors::version_mismatch(VERSION, asked.version));
    }
    if !admission.serves(ServiceId::new(asked.service)) {
        return Some(errors::other_service(admission.name));
    }
    let is_off = !admission.dialects.has(Dialect::Own);
    is_off.then(|| errors::dialect_is_off(admission.name, Dialect::Own, admission.dialects))
}

fn own_refusal(failure: &Failure) -> Vec<u8> {
    let mut words = BytesMut::from(&Preface::new(ServiceId::ANY).encode()[..]);
    Frame::error(failure.code, &failure.to_string()).encode(&mut words);
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
