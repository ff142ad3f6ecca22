//! The calculator server: answers questions in order. While a client does not read its answers, the server reads no
//! further questions from it (faults.md row 72): the connection's own backpressure does that.

use crate::net::errors::unexpected;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::errors::answer_instead_of_question;
use super::evaluation::compute;
use super::protocol::Message;
use super::web;
use crate::language::Arguments;
use crate::net::errors::malformed;
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::service::contract::conversation::{bytes_of_frame, next_message, part, received, sent};
use crate::service::contract::errors::dialect_unknown;
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, ForeignClient, Job, Server};
use crate::session::{ClientEntry, Handle};
use crate::wire::dialect::Dialect;
use crate::wire::{Frame, frame};

/// A client that asks nothing for this long is disconnected. The limit is long: a person at `nc` thinks slowly.
const IDLE_LIMIT: Duration = Duration::from_mins(10);

/// While a client asks one question behind another, answers leave at least this often: one that has gone is noticed by
/// them, and what it has asked is computed no further.
const ANSWERS_LEAVE: Duration = Duration::from_millis(20);

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

    fn serve_foreign(self: Arc<Self>, session: Handle, client: ForeignClient, entry: ClientEntry) -> Job<()> {
        Box::pin(async move {
            entry.does("asks");
            match client {
                ForeignClient::Stream(Dialect::Http, stream) => web::serve(&session, stream).await,
                other => Err(dialect_unknown(other.dialect())),
            }
        })
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
    let mut left = Instant::now();
    while let Some(message) = next_message(session, connection, IDLE_LIMIT).await? {
        let Wire::Frame(frame) = message else { return Err(unexpected("the client")) };
        received(session, bytes_of_frame(&frame)).await;
        let answer = answer(session, &frame).await?;
        let bytes = bytes_of_frame(&answer);
        connection.outgoing.send(answer).await?;
        sent(session, bytes).await;
        if left.elapsed() >= ANSWERS_LEAVE {
            connection.outgoing.flush().await?;
            left = Instant::now();
        }
    }
    Ok(())
}

async fn answer(session: &Handle, frame: &Frame) -> Result<Frame, Failure> {
    if frame.kind == frame::LINE {
        let text = String::from_utf8_lossy(&frame.body).into_owned();
        let line = compute(session, text).await?.unwrap_or_else(|trouble| format!("error: {trouble}"));
        return Ok(Frame::new(frame::LINE, line));
    }
    match Message::decode(frame).map_err(malformed)? {
        Message::Ask { id, expression } => {
            let result = compute(session, expression).await?.map_err(|trouble| trouble.to_string());
            Ok(Message::Answer { id, result }.encode())
        }
        Message::Answer { .. } => Err(answer_instead_of_question()),
    }
}
