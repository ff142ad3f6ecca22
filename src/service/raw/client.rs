//! `connect`: a session to any server.

use std::path::PathBuf;

use super::options::ConnectOptions;
use super::pipe::pipe;
use super::talk::{Manner, talk};
use crate::base::Carrier;
use crate::net::raw::{RawConnection, connect};
use crate::report::Failure;
use crate::service::contract::transcript::Transcript;
use crate::service::{Context, Job};
use crate::session::Handle;

pub(super) fn connect(session: Handle, options: ConnectOptions, context: Context) -> Job {
    Box::pin(async move {
        let what = options.what();
        run(&session, options, context).await.map_err(|failure| failure.of(what))
    })
}

async fn run(
    session: &Handle,
    options: ConnectOptions,
    context: Context,
) -> Result<crate::report::Outcome, Failure> {
    if context.streams.is_peer {
        return pipe(session, &options, &context.directory).await;
    }
    let transcript = options.to.as_ref().map(|path| Transcript::open(&context.directory.join(path)));
    let transcript = transcript.transpose()?;
    let connection = session.unless_cancelled(dial(&options, &context.directory)).await?;
    session.log("connected", format!("connected to {} {}", connection.carrier, connection.peer));
    let manner = Manner { eol: options.eol, transcript, stays: false, server: None };
    talk(session, connection, manner).await
}

async fn dial(options: &ConnectOptions, directory: &std::path::Path) -> Result<RawConnection, Failure> {
    match options.carrier {
        Carrier::Unix => connect::unix(&PathBuf::from(directory).join(&options.path)).await,
        Carrier::UDP => connect::udp(options.endpoint()?).await,
        Carrier::TCP | Carrier::Tls => connect::tcp(options.endpoint()?).await,
    }
}
