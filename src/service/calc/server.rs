//! The calculator server: answers questions in order. While a client does not read its answers, the server reads no
//! further questions from it (FAULTS row 72): the connection's own backpressure does that.

use std::sync::Arc;
use std::time::Duration;

use super::expression::evaluate;
use super::protocol::Message;
use crate::language::Arguments;
use crate::net::failure::malformed;
use crate::net::{Connection, Message as Wire, clock};
use crate::report::Failure;
use crate::service::listen_options::ListenOptions;
use crate::service::{Context, Job, Server};
use crate::session::{Guest, Handle};
use crate::wire::{Code, Frame, frame};

/// Maximum CPU time of one computation (FAULTS row 67).
const TIME_LIMIT: Duration = Duration::from_millis(100);
/// Expressions of more bytes than this are computed on a blocking thread, not on the network's threads.
const SHORT: usize = 256;
/// A client that asks nothing for this long is disconnected. The limit is long: a person at `nc` thinks slowly.
const IDLE_LIMIT: Duration = Duration::from_mins(10);

struct Calculator;

pub(super) fn make(
    _: &Handle,
    _: &ListenOptions,
    _: &Arguments,
    _: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    Ok(Arc::new(Calculator))
}

impl Server for Calculator {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: Guest) -> Job<()> {
        Box::pin(serve(session, connection, client))
    }

    fn describe(&self) -> String {
        "a calculator".into()
    }

    fn invitation(&self) -> &'static str {
        "calc 7 % 3 at {place}"
    }
}

async fn serve(session: Handle, mut connection: Connection, client: Guest) -> Result<(), Failure> {
    client.does("asks");
    let result = converse(&session, &mut connection).await;
    if let Err(failure) = &result
        && !failure.told
    {
        let words = if connection.plain {
            Frame::new(frame::LINE, format!("error: {failure}"))
        } else {
            Frame::error(failure.code, &failure.why)
        };
        // The client may be gone already: then there is nobody to tell.
        drop(connection.outgoing.send_now(words).await);
    }
    connection.outgoing.close(Code::Other, "").await;
    result
}

/// Answers questions until the client closes, stays idle for too long, or the session is cancelled.
async fn converse(session: &Handle, connection: &mut Connection) -> Result<(), Failure> {
    loop {
        let message = tokio::select! {
            () = session.cancelled() => return Ok(()),
            message = tokio::time::timeout(IDLE_LIMIT, next(connection)) => message,
        };
        // Reaching the idle limit is a normal end.
        let Ok(asked) = message else { return Ok(()) };
        let frame = match asked? {
            Some(Wire::Frame(frame)) => frame,
            Some(Wire::Block { .. }) => {
                return Err(Failure::new(Code::Misbehaved, "unexpected data block from the client"));
            }
            None => return Ok(()),
        };
        session.count_in(frame.body.len() as u64);
        let answer = answer(session, &frame).await?;
        session.count_out(answer.body.len() as u64);
        connection.outgoing.send(answer).await?;
    }
}

/// The next question. Answers are flushed together, only when no further question is ready.
async fn next(connection: &mut Connection) -> Result<Option<Wire>, Failure> {
    tokio::select! {
        biased;
        message = connection.incoming.next() => return message,
        () = std::future::ready(()) => {}
    }
    connection.outgoing.flush().await?;
    connection.incoming.next().await
}

async fn answer(session: &Handle, frame: &Frame) -> Result<Frame, Failure> {
    if frame.kind == frame::LINE {
        let text = String::from_utf8_lossy(&frame.body).into_owned();
        let line = compute(session, text).await?.unwrap_or_else(|error| format!("error: {error}"));
        return Ok(Frame::new(frame::LINE, line));
    }
    match Message::decode(frame).map_err(malformed)? {
        Message::Ask { id, expression } => {
            Ok(Message::Answer { id, result: compute(session, expression).await? }.encode())
        }
        Message::Answer { .. } => Err(Failure::new(
            Code::Misbehaved,
            "unexpected message from the client: an answer instead of a question",
        )),
    }
}

async fn compute(session: &Handle, text: String) -> Result<Result<String, String>, Failure> {
    let short = text.len() <= SHORT;
    let work = move || {
        // CPU time, not wall time: on a busy machine even a short computation may have to wait.
        let began = clock::thread_time();
        evaluate(&text, &|| clock::thread_time().saturating_sub(began) > TIME_LIMIT)
            .map_err(|trouble| trouble.to_string())
    };
    if short { Ok(work()) } else { session.block(work).await }
}
