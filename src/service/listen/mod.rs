//! `listen`: binds, accepts clients, and gives each a task of its own. The service handles what they ask for.

pub mod options;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::options::ListenOptions;
use super::contract::{Client, Context, Job, Provider, Run, Server};
use super::errors;
use crate::base::Transport;
use crate::language::verb::Lasting;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::Arrival;
use crate::net::accept::admission::Admission;
use crate::net::accept::bind::bind;
use crate::net::{Connection, Listener, has_address, show};
use crate::report::{Failure, Outcome};
use crate::session::{CLOSING_LIMIT, ClientEntry, Handle, Listening};
use crate::wire::Code;

/// How often `listen` checks that its address still exists.
const ADDRESS_CHECK: Duration = Duration::from_secs(2);
/// Most clients that `max` can ask for.
const CLIENT_LIMIT: u64 = 100_000;

pub static LISTEN: Client = Client {
    verb: &Verb {
        name: "listen",
        aliases: &[],
        summary: "start a server",
        details: "PORT 0 takes any free port; the answer and `$name.port` say which. Without `on`, only this machine is served; `ftp` serves only you there, and every user with `open`.",
        params: &[
            Param::required("transport", Kind::Transport, "what carries the bytes"),
            Param::required("port", Kind::Port, "where to listen; 0 is any free port"),
            Param::required("service", Kind::Service, "what to serve"),
        ],
        keywords: &[
            Keyword::new("on", Kind::BindAddress, "the address to bind; `any` serves the network")
                .default("this machine only"),
            Keyword::new("max", Kind::Count(1, CLIENT_LIMIT), "most clients at once")
                .default("256; chat over udp 1"),
            Keyword::new("rate", Kind::Rate, "the most that all clients together send or receive")
                .default("no limit"),
        ],
        fields: &[
            Field::text("addr", "the address it listens on, as `127.0.0.1:41234`"),
            Field::count("port", "the port"),
            Field::text("transport", "tcp or udp"),
            Field::text("service", "what it serves"),
            Field::count("clients", "connected now"),
            Field::count("served", "connected so far"),
            Field::size("bytes_in", "bytes received"),
            Field::size("bytes_out", "bytes sent"),
            Field::state("state", "listening, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "listen tcp 0 ftp root $tmp as files",
        next: "",
        lasting: Lasting::Service,
        capabilities: &[],
    },
    place: None,
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |arguments| format!("{} server", ListenOptions::from_arguments(arguments).service),
        start,
    },
};

/// The service that the name means, if it takes every option that was given.
fn provider(
    options: &ListenOptions,
    arguments: &Arguments,
    providers: &'static [&'static Provider],
) -> Result<&'static Provider, Failure> {
    let name = &options.service;
    let Some(provider) = providers.iter().find(|provider| provider.row.name == name) else {
        let known: Vec<&str> = providers.iter().map(|provider| provider.row.name).collect();
        return Err(errors::not_a_service(name, &known));
    };
    let Service { transports, .. } = &provider.row;
    if !transports.contains(&options.transport) {
        return Err(errors::transport_unsupported(name, options.transport, transports));
    }
    let known = |word: &str| {
        LISTEN.verb.params.iter().any(|param| param.name == word)
            || LISTEN.verb.keyword(word).or(provider.row.keyword(word)).is_some()
    };
    match arguments.0.iter().find(|(word, _)| !known(word)) {
        Some((word, _)) => Err(errors::unknown_option(name, word)),
        None => Ok(provider),
    }
}

fn start(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move { run(session, &arguments, &context).await })
}

async fn run(session: Handle, arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let options = ListenOptions::from_arguments(arguments);
    let provider = self::provider(&options, arguments, context.providers)?;
    let (transport, port) = (options.transport, options.port);
    let bound = bind(transport, options.bind()?, port)
        .map_err(|failure| held_by_us(failure, context, transport, port))?;
    let address =
        bound.address().map_err(|error| Failure::io(&error, format!("listen {transport} {port}")))?;
    session.set_rate(options.rate);
    let server = (provider.make)(&session, &options, arguments, context)?;
    let max = options.max(provider.max) as usize;
    let admission = Admission {
        service: provider.id,
        name: provider.row.name,
        lists: provider.lists,
        max,
        lines: provider.lines,
        options: provider.options,
    };
    let (listener, driver) = Listener::new(bound, admission);
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    let listening = Listening { address, transport, service: Some(provider.id) };
    session.listens_at(listening, provider.row.name);
    announce(&session, &options, address, &*server);
    if let Some(host) = server.clone().host(session.clone()) {
        let told = session.clone();
        session.spawn(async move {
            if let Err(failure) = told.unless_cancelled(host).await
                && !told.is_cancelled()
            {
                told.log("host", failure.to_string());
            }
        });
    }
    serve(&session, listener, &server, address).await?;
    Ok(Outcome::new(format!("closed {transport} {}", show(address)), Vec::new()))
}

/// The server is ready: says where, what it serves, and to whom.
fn announce(session: &Handle, options: &ListenOptions, address: SocketAddr, server: &dyn Server) {
    let reach = match (options.is_public(), server.is_private()) {
        (true, _) => "everyone who can reach this machine",
        (false, true) => "you on this machine only; `on any` serves the network",
        (false, false) => "this machine only; `on any` serves the network",
    };
    let place = format!("{} {}", options.transport, show(address));
    session.log("listening", format!("listening on {place}: {} ({reach})", server.describe()));
    session.suggest(server.invitation());
    session.running("listening");
}

/// Row 64: if a session of this shell holds the port, the failure names it.
pub(super) fn held_by_us(failure: Failure, context: &Context, transport: Transport, port: u16) -> Failure {
    let holder = context.registry.live().into_iter().find(|session| {
        let held = session.listening().map(|held| (held.address.port(), held.transport));
        held == Some((port, transport))
    });
    match holder {
        Some(session) if failure.code == Code::Exists => {
            errors::port_in_use(port, &session.label(), &session.kind).of(failure.what)
        }
        _ => failure,
    }
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
        let (session, server) = (session.clone(), server.clone());
        session.clone().spawn(async move {
            match arrival {
                Arrival::Client(connection, _place) => one(&session, server, *connection).await,
                Arrival::Trouble(_) => {}
                Arrival::Knocking(knock) => match knock.answer().await {
                    Ok((connection, _place)) => one(&session, server, connection).await,
                    Err(failure) => session.log("refused", failure.to_string()),
                },
            }
        });
    }
}

/// Resolves when the machine no longer has the address (faults.md row 65): the system keeps listening there and reports
/// nothing. Never resolves for loopback and unspecified addresses.
async fn is_gone(address: SocketAddr) {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return std::future::pending().await;
    }
    let mut look = tokio::time::interval(ADDRESS_CHECK);
    loop {
        look.tick().await;
        if !has_address(address.ip()) {
            return;
        }
    }
}

/// Serves one client, counted and logged. Its failure ends nothing else.
async fn one(session: &Handle, server: Arc<dyn Server>, connection: Connection) {
    let client = show(connection.peer);
    let guest = ClientEntry::new(session, client.clone());
    session.measure(&connection);
    session.log("client", format!("{client} connected"));
    let result = tokio::select! {
        result = server.serve(session.clone(), connection, guest) => result,
        // A service that can say goodbye has this long to do so.
        () = async { session.cancelled().await; tokio::time::sleep(CLOSING_LIMIT / 2).await; } => Ok(()),
    };
    match result {
        Ok(()) => session.log("client", format!("{client} left")),
        Err(failure) => session.inform("error", format!("{client}: {failure}")),
    }
}
