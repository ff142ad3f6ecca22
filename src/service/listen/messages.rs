//! Services of our protocol: over TCP, UDP, and for lines of text.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Ask, code, errors, is_gone, log_end};
use crate::base::Value;
use crate::net::accept::admission::Admission;
use crate::net::accept::{Arrival, Greeted, Spoken};
use crate::net::connection::keys::{ClientKey, Keyring, is_built_in};
use crate::net::{Connection, Listener, show};
use crate::report::{Failure, Outcome};
use crate::service::contract::keys::{NamedKey, key_revoked};
use crate::service::{ForeignClient, Job, MessageService, Server};
use crate::session::{CLOSING_LIMIT, ClientEntry, Handle, ListenAddress};
use crate::wire::dialect::{Dialect, Dialects};

/// What is spoken on the port beside that of udp.
const WEB: Dialects = Dialects::of(&[Dialect::Http]);

/// How long the service of a client that is cut off has to end by itself.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(3);

/// Serves until the session is stopped.
pub(super) async fn run(
    session: &Handle,
    service: &MessageService,
    ask: Ask<'_>,
) -> Result<Outcome, Failure> {
    let Ask { provider, options, arguments, context } = ask;
    let carrier = options.carrier;
    let Some(transport) = carrier.transport() else {
        return Err(errors::carrier_unsupported(provider.row.name, carrier, provider.row.carriers));
    };
    let (bound, address, web) = ask.bind_all(transport)?;
    let server = (service.make)(session, options, arguments, context)?;
    let admission = admission(session, service, &ask)?;
    let code = admission.keys.as_ref().filter(|_| options.code).map(code::offer).transpose()?;
    if let Some(keys) = &admission.keys {
        code::show(keys, |fields| session.set_all(fields));
        session.spawn(code::attend(session.clone(), keys.clone()));
    }
    let for_web = Admission { dialects: admission.dialects.and(WEB), ..admission.clone() };
    let web = web.map(|bound| Listener::new(bound, for_web).0);
    let (listener, driver) = Listener::new(bound, admission);
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    session.suggest(server.invitation());
    code.inspect(|(code, _)| session.tell("code", code::said(code, address)));
    let beside = if web.is_some() { ", over HTTP on the same port, too" } else { "" };
    let what = format!("{}{beside}", server.describe());
    ask.announce(session, ListenAddress::Socket(address), &what, server.is_private());
    attend_host(session, &server);
    let beside = async {
        match web {
            Some(web) => serve(session, web, &server, address).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(serve(session, listener, &server, address), beside)?;
    Ok(Outcome::new(format!("closed {transport} {}", show(address)), Vec::new()))
}

/// Whom the port takes.
fn admission(session: &Handle, service: &MessageService, ask: &Ask<'_>) -> Result<Admission, Failure> {
    let keys = keys(session, ask)?;
    session.set_all([("key", Value::text("")), ("code", Value::text(""))]);
    if let Some(keys) = &keys {
        session.set_control(Arc::new(keys.clone()));
    }
    Ok(Admission {
        service: ask.provider.id,
        name: ask.provider.row.name,
        lists: service.lists,
        max: ask.max(),
        lines: service.lines,
        dialects: ask.options.dialects(service.dialects),
        greeting: service.greeting,
        keys,
        options: service.options,
        ring: session.ring(),
    })
}

/// Starts what the server does besides its clients.
fn attend_host(session: &Handle, server: &Arc<dyn Server>) {
    let Some(host) = server.clone().host(session.clone()) else { return };
    let told = session.clone();
    session.spawn(async move {
        if let Err(failure) = told.unless_cancelled(host).await
            && !told.is_cancelled()
        {
            told.log("host", failure.to_string());
        }
    });
}

/// The keys of those who may connect.
fn keys(session: &Handle, ask: &Ask<'_>) -> Result<Option<Keyring>, Failure> {
    if !ask.options.is_keyed() {
        return Ok(None);
    }
    is_built_in()?;
    if ask.options.carrier.transport().is_none() {
        return Err(errors::key_over(ask.options.carrier));
    }
    if ask.options.web {
        return Err(errors::key_and_web());
    }
    let read = ask.options.keys.resolve(&ask.context.directory, &ask.context.secrets)?;
    let keys = read.into_iter().map(|NamedKey { name, key }| ClientKey { name: name.into(), key });
    Ok(Some(Keyring::new(keys.collect(), session.token())))
}

/// Accepts clients until the session is stopped.
async fn serve(
    session: &Handle,
    mut listener: Listener,
    server: &Arc<dyn Server>,
    address: SocketAddr,
) -> Result<(), Failure> {
    let mut gone = std::pin::pin!(is_gone(address));
    loop {
        let arrival = tokio::select! {
            () = session.cancelled() => return Ok(()),
            () = &mut gone => {
                return Err(errors::address_gone(address.ip()));
            }
            arrival = listener.accept() => arrival,
        };
        let arrival = match arrival {
            None => return Ok(()),
            Some(Arrival::Trouble(why)) => {
                session.tell("trouble", why);
                continue;
            }
            Some(arrival) => arrival,
        };
        let (told, server) = (session.clone(), server.clone());
        session.spawn(async move { receive(&told, server, arrival).await });
    }
}

/// Serves whoever arrived.
async fn receive(session: &Handle, server: Arc<dyn Server>, arrival: Arrival) {
    match arrival {
        Arrival::Client(connection) => one(session, server, *connection).await,
        Arrival::Request(request) => {
            Box::pin(foreign(session, server, ForeignClient::Datagram(request))).await;
        }
        Arrival::Refused(client) => session.log("refused", format!("{}: {}", show(client.peer), client.why)),
        Arrival::Trouble(_) => {}
        // Boxed, as all that an idle client does not need.
        Arrival::Knocking(knock) => match Box::pin(knock.answer()).await {
            Ok((Greeted::Spoken(Spoken::Messages(connection)), place)) => {
                one(session, server, Connection { place, ..*connection }).await;
            }
            Ok((Greeted::Spoken(Spoken::Foreign(dialect, mut stream)), place)) => {
                session.measure_foreign(&mut stream);
                stream.place = place;
                Box::pin(foreign(session, server, ForeignClient::Stream(dialect, *stream))).await;
            }
            Ok((Greeted::Silent(client), _place)) => {
                Box::pin(foreign(session, server, ForeignClient::Silent(client))).await;
            }
            Err(failure) => session.log("refused", failure.to_string()),
        },
    }
}

/// Serves one client, counted and logged. Its failure ends nothing else. (Not `async`: what is returned need not hold the
/// connection, which `serve` has.)
fn one(
    session: &Handle,
    server: Arc<dyn Server>,
    mut connection: Connection,
) -> impl Future<Output = ()> + Send + use<'_> {
    let address = show(connection.peer);
    let client = match &connection.key {
        Some(key) => format!("{address} (key {key})"),
        None => address,
    };
    let guest = ClientEntry::new(session, client.clone());
    session.measure(&mut connection);
    session.log("client", format!("{client} connected"));
    let revoked = connection.key.as_ref().and_then(|key| Some(session.control::<Keyring>()?.end_of(key)));
    let (end, ender) = (revoked.unwrap_or_else(|| session.token()), connection.ender());
    let part = session.part(end, key_revoked);
    let served = server.serve(part.clone(), connection, guest);
    async move {
        let cut_off = async {
            part.cancelled().await;
            let Some(failure) = part.cut_off() else {
                // The server stops: there are goodbyes to be said.
                return std::future::pending().await;
            };
            session.log("revoked", format!("{client} is cut off: its key was revoked"));
            // Over TCP it is the service that says why.
            ender.inspect(|ender| ender.end(failure.code, &failure.why));
            tokio::time::sleep(LAST_WORDS_LIMIT).await;
        };
        tokio::select! {
            biased;
            () = cut_off => {}
            result = until_stopped(session, served) => if part.cut_off().is_none() {
                log_end(session, &client, result);
            },
        }
    }
}

/// Serves one client that speaks another protocol.
async fn foreign(session: &Handle, server: Arc<dyn Server>, stranger: ForeignClient) {
    let client = show(stranger.peer());
    let guest = ClientEntry::new(session, client.clone());
    session.log("client", format!("{client} connected, speaks {}", stranger.dialect().name()));
    let served = server.serve_foreign(session.clone(), stranger, guest);
    log_end(session, &client, until_stopped(session, served).await);
}

/// Until the client has been served, or the server stops.
async fn until_stopped(session: &Handle, served: Job<()>) -> Result<(), Failure> {
    tokio::select! {
        result = served => result,
        // A service that can say goodbye has this long to do so.
        () = async { session.cancelled().await; tokio::time::sleep(CLOSING_LIMIT / 2).await; } => Ok(()),
    }
}
