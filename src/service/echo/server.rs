//! The server: each message is its own answer.

use std::sync::Arc;
use std::time::Duration;

use crate::language::Arguments;
use crate::net::{Connection, Message};
use crate::report::Failure;
use crate::service::conversation::{bytes_of, next_message, part, received, sent};
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, Job, Server};
use crate::session::{ClientEntry, Handle};

/// A client that sends nothing for this long is disconnected.
const IDLE_LIMIT: Duration = Duration::from_mins(10);

struct Echo;

pub(super) fn make(
    _: &Handle,
    _: &ListenOptions,
    _: &Arguments,
    _: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    Ok(Arc::new(Echo))
}

impl Server for Echo {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        Box::pin(serve(session, connection, client))
    }

    fn describe(&self) -> String {
        "an echo".into()
    }

    fn invitation(&self) -> &'static str {
        ""
    }
}

async fn serve(session: Handle, mut connection: Connection, client: ClientEntry) -> Result<(), Failure> {
    client.does("echoes");
    let result = converse(&session, &mut connection).await;
    part(&mut connection, result.as_ref().err()).await;
    result
}

/// Sends back what comes, in the same form.
async fn converse(session: &Handle, connection: &mut Connection) -> Result<(), Failure> {
    while let Some(message) = next_message(session, connection, IDLE_LIMIT).await? {
        let bytes = bytes_of(&message);
        received(session, bytes).await;
        match message {
            Message::Frame(frame) => connection.outgoing.send(frame).await?,
            Message::Block { offset, bytes } => {
                let length = bytes.len();
                connection.outgoing.send_blocks(offset, bytes, length).await?;
            }
        }
        sent(session, bytes).await;
    }
    Ok(())
}
