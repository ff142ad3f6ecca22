//! The calculator server: answers questions in order. While a client does not read its answers, the server reads no
//! further questions from it (faults.md row 72): the connection's own backpressure does that.

use crate::net::errors::unexpected;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::errors::answer_instead_of_question;
use super::expression::evaluate;
use super::protocol::Message;
use crate::language::Arguments;
use crate::net::errors::malformed;
use crate::net::{Connection, Message as Wire, clock};
use crate::report::Failure;
use crate::service::contract::conversation::{bytes_of_frame, next_message, part, received, sent};
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, Job, Server};
use crate::session::{ClientEntry, Handle};
use crate::wire::{Frame, frame};

/// Maximum CPU time of one computation (faults.md row 67).
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
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        Box::pin(serve(session, connection, client))
    }

    fn describe(&self) -> String {
        "a calculator".into()
    }

    fn invitation(&self) -> &'static str {
        "calc 7 % 3 at {place}"
    }
}

async fn serve(session: Handle, mut connection: Connection, client: ClientEntry) -> Result<(), Failure> {
    client.does("asks");
    let result = converse(&session, &mut connection).await;
    part(&mut connection, result.as_ref().err()).await;
    result
}

/// Until the client has asked enough.
async fn converse(session: &Handle, connection: &mut Connection) -> Result<(), Failure> {
    while let Some(message) = next_message(session, connection, IDLE_LIMIT).await? {
        let Wire::Frame(frame) = message else { return Err(unexpected("the client")) };
        received(session, bytes_of_frame(&frame)).await;
        let answer = answer(session, &frame).await?;
        let bytes = bytes_of_frame(&answer);
        connection.outgoing.send(answer).await?;
        sent(session, bytes).await;
    }
    Ok(())
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
        Message::Answer { .. } => Err(answer_instead_of_question()),
    }
}

async fn compute(session: &Handle, text: String) -> Result<Result<String, String>, Failure> {
    let short = text.len() <= SHORT;
    let work = move || {
        // CPU time, not wall time: on a busy machine even a short computation may have to wait. That clock is a system
        // call, so it is asked only after half of the limit has passed on the wall.
        let (began, busy) = (Instant::now(), OnceCell::new());
        let is_late = || {
            began.elapsed() > TIME_LIMIT / 2
                && clock::thread_time().saturating_sub(*busy.get_or_init(clock::thread_time)) > TIME_LIMIT / 2
        };
        evaluate(&text, &is_late).map_err(|trouble| trouble.to_string())
    };
    if short { Ok(work()) } else { session.block(work).await }
}
