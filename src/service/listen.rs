//! `listen`: binds, accepts clients, and gives each a task of its own. The service handles what they ask for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Client, Context, Job, PROVIDERS, Provider, Run, Server};
use crate::base::{Transport, Value};
use crate::language::verb::Lasting;
use crate::language::{Arguments, Field, Keyword, Kind, Param, Verb};
use crate::net::listen::{Admission, Arrival, Bind, bind};
use crate::net::{Connection, Listener, has_address, show};
use crate::report::{Failure, Outcome};
use crate::session::{CLOSING_LIMIT, Guest, Handle};
use crate::wire::{Code, ServiceId};

/// How often `listen` checks that its address still exists.
const ADDRESS_CHECK: Duration = Duration::from_secs(2);
/// Smallest `mtu`, in bytes: the size of packet that every IPv4 host must accept (RFC 791).
const MTU_LEAST: u64 = 576;
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
            Keyword::new("root", Kind::Path, "the folder to serve").default("the current folder"),
            Keyword::new("max", Kind::Count(1, CLIENT_LIMIT), "most clients at once")
                .default("256; chat over udp 1"),
            Keyword::new("rate", Kind::Rate, "the most that all clients together send or receive")
                .default("no limit"),
            Keyword::new("quota", Kind::Size(0, u64::MAX), "ftp: most bytes that clients may upload in all")
                .default("what is free"),
            Keyword::new(
                "turns",
                Kind::Choice(&["on", "off"]),
                "chat: a message must be answered before the next",
            )
            .default("on"),
            Keyword::new(
                "mtu",
                Kind::Size(MTU_LEAST, u16::MAX as u64),
                "stream: no packet is larger; 1500 suits most paths",
            )
            .default("chunks of up to 2000 bytes"),
            Keyword::flag("relay", "chat: clients hear each other, too"),
            Keyword::flag("hidden", "ftp: serve and accept hidden files too"),
            Keyword::flag("portable", "ftp: accept only names that are valid on every system"),
            Keyword::flag("readonly", "serve files, accept none"),
            Keyword::flag(
                "open",
                "accept files and relay chat from anybody, although `on` opens the port to the network; without `on`, serve files to all users of this machine",
            ),
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
            Field::count(
                "kernel_drops",
                "ftp over udp: datagrams that the system dropped, because its buffer was full",
            ),
            Field::state("state", "listening, done, failed or cancelled"),
            Field::count("sent", "chat: messages sent"),
            Field::count("received", "chat: messages received"),
            Field::text("last", "chat: the last message received"),
            Field::text("peer", "chat: who is there"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "listen tcp 0 ftp root $tmp as files",
        next: "",
        lasting: Lasting::Service,
    },
    place: None,
    transport: Transport::Tcp,
    run: Run::Session { kind, start },
};

fn kind(arguments: &Arguments) -> String {
    format!("{} server", arguments.text("service").unwrap_or_default())
}

fn start(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let name = arguments.text("service").unwrap_or_default();
        let provider = *PROVIDERS
            .iter()
            .find(|provider| provider.row.name == name)
            .ok_or_else(|| Failure::new(Code::Usage, format!("`{name}` is not a service")))?;
        run(session, &arguments, &context, provider).await
    })
}

/// Where to bind, as `on` says.
fn place(arguments: &Arguments) -> Result<Bind, Failure> {
    match arguments.text("on") {
        None => Ok(Bind::Loopback),
        Some("any") => Ok(Bind::Any),
        Some(address) => address
            .parse()
            .map(Bind::Address)
            .map_err(|_| Failure::new(Code::Usage, format!("`{address}` is not an address"))),
    }
}

/// True if others than this machine can connect and `open` is missing: then nothing is accepted from them.
pub fn is_guarded(arguments: &Arguments) -> bool {
    is_public(arguments) && !arguments.flag("open")
}

/// True if others than this machine can connect.
fn is_public(arguments: &Arguments) -> bool {
    match place(arguments) {
        Ok(Bind::Loopback) | Err(_) => false,
        Ok(Bind::Any) => true,
        Ok(Bind::Address(address)) => !address.is_loopback(),
    }
}

async fn run(
    session: Handle,
    arguments: &Arguments,
    context: &Context,
    provider: &'static Provider,
) -> Result<Outcome, Failure> {
    let transport = arguments.transport("transport").unwrap_or(Transport::Tcp);
    if !provider.row.transports.contains(&transport) {
        let able: Vec<&str> = provider.row.transports.iter().map(|t| t.word()).collect();
        let failure =
            Failure::new(Code::Usage, format!("`{}` is not served over {transport}", provider.row.name));
        return Err(failure.fix(format!("use {}", able.join(" or "))));
    }
    let port = arguments.number("port").unwrap_or(0) as u16;
    let bound = bind(transport, place(arguments)?, port)
        .map_err(|failure| held_by_us(failure, context, transport, port))?;
    let address =
        bound.address().map_err(|error| Failure::io(&error, format!("listen {transport} {port}")))?;
    let max = arguments.number("max").unwrap_or((provider.max)(transport)) as usize;
    session.set_rate(arguments.rate("rate"));
    let server = (provider.make)(&session, arguments, context)?;
    let admission = Admission { service: provider.id, max, lines: provider.lines, options: provider.options };
    let (listener, driver) = Listener::new(bound, admission);
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    session.set_all([
        ("addr", Value::text(show(address))),
        ("port", Value::count(u64::from(address.port()))),
        ("transport", Value::text(transport.word())),
        ("service", Value::text(provider.row.name)),
        ("clients", Value::count(0)),
        ("served", Value::count(0)),
    ]);
    let reach = if is_public(arguments) {
        "everyone who can reach this machine"
    } else {
        match (provider.id, arguments.flag("open")) {
            (ServiceId::Ftp, false) => "you on this machine only; `on any` serves the network",
            _ => "this machine only; `on any` serves the network",
        }
    };
    session.log(
        "listening",
        format!("listening on {transport} {}: {} ({reach})", show(address), server.describe()),
    );
    session.suggest(server.invitation());
    session.running("listening");
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

/// Row 64: if a session of this shell holds the port, the failure names it.
pub(super) fn held_by_us(failure: Failure, context: &Context, transport: Transport, port: u16) -> Failure {
    let holder = context.registry.live().into_iter().find(|session| {
        matches!(session.verb, "listen" | "link")
            && session.field("port") == Some(Value::count(u64::from(port)))
            && session.field("transport") == Some(Value::text(transport.word()))
    });
    match holder {
        Some(session) if failure.code == Code::Exists => {
            let why = format!("port {port} is held by session {} ({})", session.label(), session.kind);
            Failure::new(Code::Exists, why)
                .fix(format!("stop {}, or use port 0 for any free port", session.label()))
                .of(failure.what)
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
                let why = format!("the address {} is gone from this machine", address.ip());
                return Err(Failure::new(Code::Missing, why).fix("`retry 10 every 5s: listen …` binds it again"));
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

/// Resolves when the machine no longer has the address (FAULTS row 65): the system keeps listening there and reports
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
    let guest = Guest::new(session, client.clone());
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
