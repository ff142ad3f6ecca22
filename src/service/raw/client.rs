//! `connect`: a session to any server.

use std::path::PathBuf;

use super::options::ConnectOptions;
#[cfg(feature = "tls")]
use super::options::TlsArguments;
use super::pipe::{pipe, pipe_through};
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
    if context.streams.is_peer && options.carrier == Carrier::Tls {
        let connection = session.unless_cancelled(dial(&options, &context.directory)).await?;
        return pipe_through(session, connection).await;
    }
    if context.streams.is_peer {
        return pipe(session, &options, &context.directory).await;
    }
    session.reacts();
    let transcript =
        options.to.as_ref().map(|path| Transcript::open(&context.directory.join(path), &context.secrets));
    let transcript = transcript.transpose()?;
    let mut connection = session.unless_cancelled(dial(&options, &context.directory)).await?;
    session.measure_raw(&mut connection, false);
    if options.tls.insecure && options.carrier == Carrier::Tls {
        session
            .warn("insecure", "INSECURE: the certificate was not checked; anybody may be on the other side");
    }
    session.log("connected", format!("connected to {} {}", connection.carrier, connection.peer));
    let secrets = context.secrets;
    let manner = Manner { eol: options.eol, transcript, stays: false, server: None, secrets };
    talk(session, connection, manner).await
}

async fn dial(options: &ConnectOptions, directory: &std::path::Path) -> Result<RawConnection, Failure> {
    match options.carrier {
        Carrier::Unix => connect::unix(&PathBuf::from(directory).join(&options.path)).await,
        Carrier::UDP => connect::udp(options.endpoint()?).await,
        Carrier::TCP => connect::tcp(options.endpoint()?).await,
        Carrier::Tls => tls(options, directory).await,
    }
}

#[cfg(feature = "tls")]
async fn tls(options: &ConnectOptions, directory: &std::path::Path) -> Result<RawConnection, Failure> {
    use crate::net::raw::tls::client::{TlsOptions, connect};
    let TlsArguments { name, ca, cert, pin, insecure, alpn } = options.tls.clone();
    let path = |path: String| directory.join(path);
    let options_of_tls = TlsOptions { name, ca: ca.map(path), cert: cert.map(path), pin, insecure, alpn };
    connect(options.endpoint()?, &options_of_tls).await
}

#[cfg(not(feature = "tls"))]
fn tls(_: &ConnectOptions, _: &std::path::Path) -> std::future::Ready<Result<RawConnection, Failure>> {
    std::future::ready(Err(crate::net::raw::errors::no_tls_built_in()))
}
