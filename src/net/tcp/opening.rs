//! What a connection begins with: both prefaces, and with a key the two messages of the handshake right behind them, so
//! that encryption costs no round trip.

use std::time::Instant;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::{Incoming, Outgoing, broken, check};
use crate::base::{Code, Key};
use crate::net::connection::keys::{Exchange, FIRST, Initiator, Responder, SECOND, Secrets, errors};
use crate::net::limits::{CONNECT_LIMIT, FIRST_MESSAGE_LIMIT};
use crate::report::Failure;
use crate::wire::preface::{self, CODE_MESSAGE, Preface};
use crate::wire::{ServiceId, VERSION};

/// The client's side; returns the server's preface. With a key the connection is encrypted afterwards, unless that
/// preface is one that refuses.
pub(super) async fn begin(
    outgoing: &mut Outgoing,
    incoming: &mut Incoming,
    preface: Preface,
    key: Option<&Key>,
) -> Result<Preface, Failure> {
    let Some(key) = key else {
        outgoing.greet(preface);
        outgoing.flush().await?;
        let server = incoming.preface().await?;
        return if server.is_sealed() { Err(errors::key_needed()) } else { Ok(server) };
    };
    let (initiator, first) = start(key, preface)?;
    outgoing.greet(first.0);
    outgoing.put(&first.1);
    outgoing.flush().await?;
    let server = incoming.preface().await?;
    if !server.is_sealed() {
        let refuses = server.service == ServiceId::ANY.number() || server.version != VERSION;
        return if refuses { Ok(server) } else { Err(errors::server_has_no_key()) };
    }
    let second = incoming.exactly::<SECOND>().await?.ok_or_else(errors::closed_at_handshake)?;
    let said = incoming.greeting.unwrap_or_default();
    let secrets = initiator.finish(said, &second).map_err(|_| errors::server_has_another_key())?;
    seal((outgoing, &first.1), (incoming, &second), secrets);
    let confirmed = outgoing.end.confirm(Instant::now() + CONNECT_LIMIT).await;
    confirmed.map_err(|error| broken(&error, 0))?;
    Ok(server)
}

#[cfg(feature = "keys")]
fn start(key: &Key, preface: Preface) -> Result<(Initiator, (Preface, [u8; FIRST])), Failure> {
    let preface = crate::net::connection::keys::offer(preface);
    let (initiator, first) = Initiator::new(key, preface);
    Ok((initiator, (preface, first)))
}

#[cfg(not(feature = "keys"))]
fn start(_: &Key, _: Preface) -> Result<(Initiator, (Preface, [u8; FIRST])), Failure> {
    Err(errors::no_keys_built_in())
}

/// The server's side, after the client's first message, which `front` begins with. The client has shown afterwards that it
/// has the key.
pub(in crate::net) async fn answer(
    (stream, mut front): (TcpStream, BytesMut),
    responder: Responder,
    client: Preface,
    server: Preface,
) -> Result<(Outgoing, Incoming), Failure> {
    let (preface, second, secrets) = responder.answer(server).ok_or_else(errors::wrong_key)?;
    let first = front.split_to(preface::SIZE + FIRST);
    let (read, write) = stream.into_split();
    let mut outgoing = Outgoing::new(write, false);
    let mut incoming = Incoming::new(read, front, false).met(Some(client));
    outgoing.greet(preface);
    outgoing.put(&second);
    outgoing.flush().await?;
    seal((&mut outgoing, &second), (&mut incoming, &first[preface::SIZE..]), secrets);
    match tokio::time::timeout(FIRST_MESSAGE_LIMIT, incoming.end.confirm()).await {
        Ok(Ok(true)) => Ok((outgoing, incoming)),
        Ok(_) | Err(_) => Err(errors::not_confirmed()),
    }
}

/// From here on everything is encrypted.
fn seal(
    (outgoing, sent): (&mut Outgoing, &[u8]),
    (incoming, came): (&mut Incoming, &[u8]),
    secrets: Secrets,
) {
    outgoing.seal(secrets.sealer, sent);
    incoming.seal(secrets.opener, came);
}

/// The client's side of a connection that exchanges a code for a key, and does nothing else.
pub(super) async fn exchange(
    outgoing: &mut Outgoing,
    incoming: &mut Incoming,
    service: ServiceId,
    code: &Code,
) -> Result<Key, Failure> {
    let (exchange, first) = Exchange::begin(code)?;
    outgoing.greet(exchange_preface(service));
    outgoing.put(&first);
    outgoing.flush().await?;
    let server = incoming.preface().await?;
    if !server.exchanges() || server.version != VERSION {
        check(&server, incoming).await?;
        return Err(errors::server_has_no_key());
    }
    let answer = incoming.exactly::<CODE_MESSAGE>().await?.ok_or_else(errors::closed_at_handshake)?;
    exchange.finish(&answer).ok_or_else(errors::exchange_changed)
}

/// The preface of both sides of such a connection.
pub(in crate::net) fn exchange_preface(service: ServiceId) -> Preface {
    Preface { flags: preface::SEALED | preface::CODE, ..Preface::new(service) }
}

/// The first bytes of a client, as they were sent: its preface, and so many behind it.
pub(in crate::net) fn split_first<const N: usize>(front: &[u8]) -> Option<([u8; preface::SIZE], [u8; N])> {
    let (client, rest) = front.split_first_chunk()?;
    Some((*client, *rest.first_chunk()?))
}
