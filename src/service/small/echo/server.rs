//! The server: what comes is its own answer.

use std::sync::Arc;

use crate::language::Arguments;
use crate::net::raw::RawConnection;
use crate::report::Failure;
use crate::service::contract::conversation::{next_bytes, received, sent};
use crate::service::listen::options::ListenOptions;
use crate::service::{ByteServer, Context, Job};
use crate::session::{ClientEntry, Handle};

struct Echo;

pub(super) fn make(
    _: &Handle,
    _: &ListenOptions,
    _: &Arguments,
    _: &Context,
) -> Result<Arc<dyn ByteServer>, Failure> {
    Ok(Arc::new(Echo))
}

impl ByteServer for Echo {
    fn serve(self: Arc<Self>, session: Handle, connection: RawConnection, client: ClientEntry) -> Job<()> {
        Box::pin(async move {
            client.does("echoes");
            converse(session, connection).await
        })
    }

    fn describe(&self) -> String {
        "an echo".into()
    }
}

/// Sends back what comes.
async fn converse(session: Handle, mut connection: RawConnection) -> Result<(), Failure> {
    while let Some(bytes) = next_bytes(&session, &mut connection.reader, &mut connection.place).await? {
        received(&session, bytes.len() as u64).await;
        connection.writer.send(&bytes).await?;
        sent(&session, bytes.len() as u64).await;
    }
    Ok(())
}
