//! What every server does with a client: the next message within the idle limit, and a goodbye with the reason.

use std::time::Duration;

use crate::net::{Connection, Message};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::{Code, Frame, frame};

/// Time limit for the last words to a client.
const PARTING_LIMIT: Duration = Duration::from_secs(1);

/// A client's next message; `None` if it left, sent nothing for `idle`, or the server stops.
///
/// # Errors
/// The connection broke.
pub(crate) async fn next_message(
    session: &Handle,
    connection: &mut Connection,
    idle: Duration,
) -> Result<Option<Message>, Failure> {
    tokio::select! {
        () = session.cancelled() => Ok(None),
        // Nothing for so long is an end like any other.
        message = tokio::time::timeout(idle, next(connection)) => message.unwrap_or(Ok(None)),
    }
}

/// The next message. Answers leave together, before it has to wait for one.
async fn next(connection: &mut Connection) -> Result<Option<Message>, Failure> {
    tokio::select! {
        biased;
        message = connection.incoming.next() => return message,
        () = std::future::ready(()) => {}
    }
    connection.outgoing.flush().await?;
    connection.incoming.next().await
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
        drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.send_now(words)).await);
    }
    connection.outgoing.close(Code::Other, "").await;
}
