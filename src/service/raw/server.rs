//! `listen … raw`: each client is a session of its own, named after the server: `srv.1`, `srv.2` …

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::options::{Eol, VERB};
use super::talk::{Manner, talk};
use crate::base::{Secrets, Value};
use crate::language::Arguments;
use crate::net::raw::RawConnection;
use crate::report::Failure;
use crate::service::contract::transcript::Transcript;
use crate::service::listen::options::ListenOptions;
use crate::service::{ByteServer, Context, Job};
use crate::session::{ClientEntry, Handle, Registry, Request, State};

struct Raw {
    registry: Arc<Registry>,
    /// The number of the next client, from 1.
    next: AtomicU64,
    eol: Eol,
    /// The file to which all conversations are added.
    transcript: Option<std::path::PathBuf>,
    /// What is masked in it, and in what is shown.
    secrets: Secrets,
}

pub(super) fn make(
    session: &Handle,
    _: &ListenOptions,
    arguments: &Arguments,
    context: &Context,
) -> Result<Arc<dyn ByteServer>, Failure> {
    session.reacts();
    session.set_all([("newest", Value::text("")), ("answers", Value::count(0))]);
    Ok(Arc::new(Raw {
        registry: context.registry.clone(),
        next: AtomicU64::new(1),
        eol: Eol::from_arguments(arguments),
        transcript: arguments.text("to").map(|path| context.directory.join(path)),
        secrets: context.secrets.clone(),
    }))
}

impl ByteServer for Raw {
    fn serve(
        self: Arc<Self>,
        session: Handle,
        mut connection: RawConnection,
        client: ClientEntry,
    ) -> Job<()> {
        Box::pin(async move {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}.{number}", session.label());
            client.does(name.clone());
            let transcript = self.transcript.as_ref().map(|path| Transcript::open(path, &self.secrets));
            let transcript = transcript.transpose()?;
            let (server, secrets) = (Some(session.clone()), self.secrets.clone());
            let manner = Manner { eol: self.eol, transcript, stays: true, server, secrets };
            let request = Request {
                verb: VERB,
                kind: format!("client {}", connection.peer),
                name: Some(name),
                background: false,
                parent: Some(session.id()),
            };
            let server = session.clone();
            let child = self.registry.start(request, move |handle| async move {
                handle.measure_raw(&mut connection, true);
                server.include(&handle);
                talk(&handle, connection, manner).await
            })?;
            child.until(|state| *state != State::Starting).await;
            // Wakes whoever waits for this client.
            session.set("newest", Value::text(child.label()));
            // The server's clients end with it.
            tokio::select! {
                () = session.cancelled() => child.cancel.cancel(),
                _ = child.ended() => {}
            }
            child.ended().await;
            Ok(())
        })
    }

    fn describe(&self) -> String {
        "raw bytes; each client is a session".into()
    }

    fn has_sessions(&self) -> bool {
        true
    }
}
