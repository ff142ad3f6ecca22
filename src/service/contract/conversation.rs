//! What every server does with a client: the next message within the idle limit, the rate that all clients together may
//! have, and a goodbye with the reason.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors::idle_client_replaced;
use crate::net::raw::{READ_SIZE, Reader};
use crate::net::{Connection, GIVES_WAY_AFTER, Incoming, Message, Outgoing, take_turns};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::{Code, Frame, frame};

/// Time limit for the last words to a client.
const PARTING_LIMIT: Duration = Duration::from_secs(1);

/// A client's next message; `None` if it left, sent nothing for `idle`, or the server stops.
///
/// # Errors
/// The connection broke, another client has got the place of this idle one, or its key was revoked.
pub(crate) async fn next_message(
    session: &Handle,
    connection: &mut Connection,
    idle: Duration,
) -> Result<Option<Message>, Failure> {
    let Connection { incoming, outgoing, place, .. } = connection;
    tokio::select! {
        // In this order: a message that is there already starts no timer.
        biased;
        () = session.cancelled() => session.cut_off().map_or(Ok(None), Err),
        // Nothing for so long is an end like any other.
        message = tokio::time::timeout(idle, next(incoming, outgoing)) => message.unwrap_or(Ok(None)),
        () = place.given_away(Instant::now() + GIVES_WAY_AFTER) => Err(idle_client_replaced()),
    }
}

/// A client of a byte service that sends nothing for this long is disconnected.
const BYTES_IDLE_LIMIT: Duration = Duration::from_mins(10);

/// A client's next bytes, or its next datagram; `None` if it has ended, sent nothing for too long, or the server stops.
///
/// # Errors
/// The connection broke, or another client has got the place of this idle one.
pub(crate) async fn next_bytes(
    session: &Handle,
    reader: &mut Reader,
    place: &mut ConnectionPermit,
) -> Result<Option<Bytes>, Failure> {
    reader.set_step(session.limit_step(READ_SIZE as u64, 1) as usize);
    tokio::select! {
        biased;
        () = session.cancelled() => Ok(None),
        bytes = tokio::time::timeout(BYTES_IDLE_LIMIT, reader.next()) => bytes.unwrap_or(Ok(None)),
        () = place.given_away(Instant::now() + GIVES_WAY_AFTER) => Err(idle_client_replaced()),
    }
}

/// Counts what a client sent, and waits until the server's limit allows more.
pub(crate) async fn received(session: &Handle, bytes: u64) {
    session.count_in(bytes);
    session.pace(bytes);
    take_turns(bytes).await;
    within_limit(session).await;
}

/// Counts what a client was sent, and waits until the server's limit allows more.
pub(crate) async fn sent(session: &Handle, bytes: u64) {
    session.count_out(bytes);
    session.pace(bytes);
    take_turns(bytes).await;
    within_limit(session).await;
}

/// Waits until everything so far is within the server's limit, or the server stops.
async fn within_limit(session: &Handle) {
    if let Some(until) = session.owed() {
        tokio::select! {
            () = session.cancelled() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }
}

/// The bytes of a frame as its sender counts them: a line has its end, too.
pub(crate) fn bytes_of_frame(frame: &Frame) -> u64 {
    (frame.body.len() + usize::from(frame.kind == frame::LINE)) as u64
}

/// The next message. Answers leave together, before it has to wait for one.
async fn next(incoming: &mut Incoming, outgoing: &mut Outgoing) -> Result<Option<Message>, Failure> {
    tokio::select! {
        biased;
        message = incoming.next() => return message,
        () = std::future::ready(()) => {}
    }
    outgoing.flush().await?;
    incoming.next().await
}

/// Tells the client why it is disconnected, unless it was the one that said so, and closes.
pub(crate) async fn part(connection: &mut Connection, failure: Option<&Failure>) {
    if let Some(failure) = failure.filter(|failure| !failure.told) {
        let words = if connection.is_text {
            Frame::new(frame::LINE, format!("error: {failure}"))
        } else {
            Frame::error(failure.code, &failure.why)
        };
        // It may be gone, or not read: then there is nobody to tell.
        if tokio::time::timeout(PARTING_LIMIT, connection.outgoing.send_now(words)).await.is_err() {
            return connection.outgoing.close_at_once(failure);
        }
    }
    connection.outgoing.close(Code::Other, "").await;
}
