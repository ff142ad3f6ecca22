//! Services whose clients speak anything: over TCP, UDP, TLS or a Unix socket.

use std::sync::Arc;

use super::{Ask, errors, is_gone, log_end};
use crate::base::Carrier;
#[cfg(feature = "tls")]
use crate::base::Value;
use crate::net::accept::bind::Bound;
#[cfg(feature = "tls")]
use crate::net::connection::permits::ConnectionPermit;
use crate::net::raw::RawConnection;
#[cfg(feature = "tls")]
use crate::net::raw::listen::TlsHandshake;
use crate::net::raw::listen::{RawArrival, RawListener, bind_unix};
use crate::report::{Failure, Outcome};
use crate::service::{ByteServer, Make};
use crate::session::{CLOSING_LIMIT, ClientEntry, Handle, ListenAddress};

/// Serves until the session is stopped.
pub(super) async fn run(
    session: &Handle,
    make: Make<dyn ByteServer>,
    ask: Ask<'_>,
) -> Result<Outcome, Failure> {
    let (listener, address) = bind(session, &ask)?;
    let server = make(session, ask.options, ask.arguments, ask.context)?;
    ask.announce(session, address.clone(), &server.describe(), false);
    serve(session, listener, &server, &address).await?;
    Ok(Outcome::new(format!("closed {} {address}", ask.options.carrier), Vec::new()))
}

fn bind(session: &Handle, ask: &Ask<'_>) -> Result<(RawListener, ListenAddress), Failure> {
    let carrier = ask.options.carrier;
    if carrier == Carrier::Unix {
        let path = ask.context.directory.join(&ask.options.path);
        let listener = RawListener::unix(bind_unix(&path)?, ask.max());
        return Ok((listener, ListenAddress::Path(path)));
    }
    let Some(transport) = carrier.transport() else {
        return Err(errors::carrier_unsupported(ask.provider.row.name, carrier, ask.provider.row.carriers));
    };
    let (bound, address) = ask.bind(transport)?;
    if carrier == Carrier::Tls {
        return Ok((tls(session, ask, bound)?, ListenAddress::Socket(address)));
    }
    let (listener, driver) = RawListener::new(bound, ask.max());
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    Ok((listener, ListenAddress::Socket(address)))
}

#[cfg(feature = "tls")]
fn tls(session: &Handle, ask: &Ask<'_>, bound: Bound) -> Result<RawListener, Failure> {
    let cert = ask.options.cert.as_ref().map(|path| ask.context.directory.join(path));
    let server = crate::net::raw::tls::server::TlsServer::new(cert.as_deref())?;
    session.set("fingerprint", Value::text(server.fingerprint.clone()));
    Ok(RawListener::tls(bound, ask.max(), server))
}

#[cfg(not(feature = "tls"))]
fn tls(_: &Handle, _: &Ask<'_>, _: Bound) -> Result<RawListener, Failure> {
    Err(crate::net::raw::errors::no_tls_built_in())
}

/// Accepts clients until the session is stopped.
async fn serve(
    session: &Handle,
    mut listener: RawListener,
    server: &Arc<dyn ByteServer>,
    address: &ListenAddress,
) -> Result<(), Failure> {
    let gone = async {
        match address.socket() {
            Some(address) => {
                is_gone(address).await;
                address.ip()
            }
            None => std::future::pending().await,
        }
    };
    let mut gone = std::pin::pin!(gone);
    loop {
        let arrival = tokio::select! {
            () = session.cancelled() => return Ok(()),
            ip = &mut gone => return Err(errors::address_gone(ip)),
            arrival = listener.accept() => arrival,
        };
        match arrival {
            None => return Ok(()),
            Some(RawArrival::Trouble(why)) => session.tell("trouble", why),
            #[cfg(feature = "tls")]
            Some(RawArrival::Handshake(handshake, place)) => {
                let (session, server) = (session.clone(), server.clone());
                session.clone().spawn(async move { greet(&session, server, *handshake, place).await });
            }
            Some(RawArrival::Client(mut connection, place)) => {
                let (session, server) = (session.clone(), server.clone());
                connection.place = place;
                session.clone().spawn(async move { one(&session, server, *connection).await });
            }
        }
    }
}

/// Completes the handshake of a client, and serves it.
#[cfg(feature = "tls")]
async fn greet(
    session: &Handle,
    server: Arc<dyn ByteServer>,
    handshake: TlsHandshake,
    place: ConnectionPermit,
) {
    let peer = handshake.peer;
    match handshake.complete().await {
        Ok(connection) => one(session, server, RawConnection { place, ..connection }).await,
        Err(failure) => session.inform("refused", format!("{}: {failure}", crate::net::show(peer))),
    }
}

/// Serves one client, counted and logged. Its failure ends nothing else.
async fn one(session: &Handle, server: Arc<dyn ByteServer>, mut connection: RawConnection) {
    let client = connection.peer.clone();
    if !server.has_sessions() {
        session.measure_raw(&mut connection, true);
    }
    let entry = ClientEntry::new(session, client.clone());
    session.log("client", format!("{client} connected"));
    let result = tokio::select! {
        result = server.serve(session.clone(), connection, entry) => result,
        () = async { session.cancelled().await; tokio::time::sleep(CLOSING_LIMIT / 2).await; } => Ok(()),
    };
    log_end(session, &client, result);
}
