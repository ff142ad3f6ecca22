//! Discard (RFC 863): what comes is counted and thrown away.

use std::sync::Arc;

use crate::base::Carrier;
use crate::language::Service;
use crate::net::raw::RawConnection;
use crate::report::Failure;
use crate::service::contract::conversation::{next_bytes, received};
use crate::service::{ByteServer, Job, Provider, Serves};
use crate::session::{ClientEntry, Handle};
use crate::wire::ServiceId;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "discard",
        carriers: &[Carrier::TCP, Carrier::UDP, Carrier::Tls, Carrier::Unix],
        summary: "what comes is counted and thrown away (RFC 863)",
        keywords: &[],
        fields: &[],
    },
    id: ServiceId::new(7),
    max: |_| 256,
    serves: Serves::Bytes(|_, _, _, _| Ok(Arc::new(Discard))),
};

struct Discard;

impl ByteServer for Discard {
    fn serve(self: Arc<Self>, session: Handle, connection: RawConnection, client: ClientEntry) -> Job<()> {
        Box::pin(async move {
            client.does("is discarded");
            discard(session, connection).await
        })
    }

    fn describe(&self) -> String {
        "a sink".into()
    }
}

async fn discard(session: Handle, mut connection: RawConnection) -> Result<(), Failure> {
    while let Some(bytes) = next_bytes(&session, &mut connection.reader, &mut connection.place).await? {
        received(&session, bytes.len() as u64).await;
    }
    Ok(())
}
