//! `listen`: binds, accepts clients, and gives each a task of its own. The service handles what they ask for.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what every service takes |
//! | `messages` | services of our protocol |
//! | `code` | the code that lets one more client in |
//! | `bytes` | services whose clients speak anything |

mod bytes;
pub mod code;
mod messages;
pub mod options;

use std::net::SocketAddr;
use std::time::Duration;

use self::options::ListenOptions;
use super::contract::errors;
use super::contract::{Client, Context, Job, Provider, Run, Serves};
use crate::base::{Carrier, Transport, Value};
use crate::language::verb::Lasting;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::bind::{Bound, bind};
use crate::net::{has_address, reachable_addresses, show};
use crate::report::Failure;
use crate::session::{Handle, ListenAddress, Listening};
use crate::wire::Code;
use crate::wire::dialect::Dialect;

/// How often `listen` checks that its address still exists.
const ADDRESS_CHECK: Duration = Duration::from_secs(2);
/// How often a port is looked for that is free for both transports.
const PORT_ATTEMPTS: u32 = 16;
/// Addresses that the line of a server names.
const ADDRESSES_SHOWN: usize = 4;
/// Most clients that `max` can ask for.
const CLIENT_LIMIT: u64 = 100_000;

pub static LISTEN: Client = Client {
    verb: &Verb {
        name: "listen",
        aliases: &[],
        summary: "start a server",
        details: "PORT 0 takes any free port; the answer and `$name.port` say which. Without `on`, only this machine is served; `ftp` and `stream` serve only you there, and every user with `open`.",
        params: &[
            Param::required("transport", Kind::Carrier, "what carries the bytes"),
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
            Keyword::new(
                "dialects",
                Kind::Choices(&Dialect::WORDS),
                "the protocols that it may speak; `own` turns the others off",
            )
            .default("all that the service knows"),
        ],
        fields: &[
            Field::text("addr", "the address it listens on, as `127.0.0.1:41234`"),
            Field::count("port", "the port"),
            Field::text("url", "where a browser finds it, if it speaks HTTP"),
            Field::text(
                "addresses",
                "where other machines reach it, comma separated, the best first; empty: nowhere",
            ),
            Field::text("transport", "tcp or udp"),
            Field::text("service", "what it serves"),
            Field::text("key", "the names of the keys of those who may connect"),
            Field::text("code", "the words that let one more client in; empty: none, or no more"),
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
    let Service { carriers, .. } = &provider.row;
    if !carriers.contains(&options.carrier) {
        return Err(errors::carrier_unsupported(name, options.carrier, carriers));
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

pub(super) fn start(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let mut options = ListenOptions::from_arguments(&arguments);
        let provider = provider(&options, &arguments, context.providers)?;
        if matches!(provider.serves, Serves::Messages(_)) && options.take_default_key() {
            session.tell("key", "only who has your key `default`, too, is served; to serve all, name what may be spoken, such as `dialects own`");
        }
        session.set_rate(options.rate);
        let ask = Ask { provider, options: &options, arguments: &arguments, context: &context };
        match &provider.serves {
            Serves::Messages(service) => messages::run(&session, service, ask).await,
            Serves::Bytes(make) => bytes::run(&session, *make, ask).await,
        }
    })
}

/// What was asked for.
#[derive(Clone, Copy)]
struct Ask<'a> {
    provider: &'static Provider,
    options: &'a ListenOptions,
    arguments: &'a Arguments,
    context: &'a Context,
}

impl Ask<'_> {
    /// The most clients at once.
    fn max(&self) -> usize {
        self.options.max(self.provider.max) as usize
    }

    /// Binds the port; the address is as it is bound.
    fn bind(&self, transport: Transport) -> Result<(Bound, SocketAddr), Failure> {
        let port = self.options.port;
        let bound = bind(transport, self.options.bind()?, port)
            .map_err(|failure| held_by_us(failure, self.context, transport, port))?;
        let address =
            bound.address().map_err(|error| Failure::io(&error, format!("listen {transport} {port}")))?;
        Ok((bound, address))
    }

    /// Binds the port, and with `web` the same number of tcp beside it.
    fn bind_all(&self, transport: Transport) -> Result<(Bound, SocketAddr, Option<Bound>), Failure> {
        if !self.options.web {
            return self.bind(transport).map(|(bound, address)| (bound, address, None));
        }
        let mut left = PORT_ATTEMPTS;
        loop {
            let (bound, address) = self.bind(transport)?;
            let port = address.port();
            let web = bind(Transport::Tcp, self.options.bind()?, port)
                .map_err(|failure| held_by_us(failure, self.context, Transport::Tcp, port));
            left -= 1;
            match web {
                Ok(web) => return Ok((bound, address, Some(web))),
                // Any free port was wanted: another one may be free for both.
                Err(_) if self.options.port == 0 && left > 0 => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Browsers are served.
    fn speaks_http(&self) -> bool {
        let Serves::Messages(service) = &self.provider.serves else { return false };
        let is_tcp = self.options.carrier == Carrier::TCP || self.options.web;
        is_tcp && !self.options.is_keyed() && self.options.dialects(service.dialects).has(Dialect::Http)
    }

    /// The server is ready: says where, what it serves (`what`), and to whom.
    fn announce(&self, session: &Handle, address: ListenAddress, what: &str, is_private: bool) {
        let carrier = self.options.carrier;
        let addresses: Vec<String> =
            address.socket().map(reachable_addresses).unwrap_or_default().into_iter().map(show).collect();
        let reach = match (carrier, self.options.is_public(), is_private) {
            (Carrier::Unix, ..) => "you on this machine only".to_owned(),
            (_, is_public, _) if self.options.is_keyed() => {
                let by = match (self.options.keys.0.is_empty(), self.options.code) {
                    (true, _) => "with the code",
                    (false, true) => "with a key or the code",
                    (false, false) => "with a key",
                };
                let all =
                    if is_public { everyone(&address, &addresses) } else { "this machine only".to_owned() };
                format!("{all}, encrypted, {by}")
            }
            (_, true, _) => everyone(&address, &addresses),
            (_, false, true) => "you on this machine only; `on any` serves the network".to_owned(),
            (_, false, false) => "this machine only; `on any` serves the network".to_owned(),
        };
        session.set("addresses", Value::text(addresses.join(",")));
        if let Some(socket) = address.socket().filter(|_| self.speaks_http()) {
            let place = addresses.first().cloned().unwrap_or_else(|| show(socket));
            session.set("url", Value::text(format!("http://{place}/")));
        }
        session.log("listening", format!("listening on {carrier} {address}: {what} ({reach})"));
        let listening = Listening { address, carrier, service: Some(self.provider.id) };
        session.listens_at(listening, self.provider.row.name);
        session.running("listening");
    }
}

/// Whom a server in the network serves. Where it listens on all addresses, those that others reach are named.
fn everyone(bound: &ListenAddress, addresses: &[String]) -> String {
    let all = "everyone who can reach this machine";
    let is_named = bound.socket().is_some_and(|bound| !bound.ip().is_unspecified());
    if is_named || addresses.is_empty() {
        return all.to_owned();
    }
    format!("{all}: {}", addresses[..addresses.len().min(ADDRESSES_SHOWN)].join(", "))
}

/// Row 64: if a session of this shell holds the port, the failure names it.
pub(super) fn held_by_us(failure: Failure, context: &Context, transport: Transport, port: u16) -> Failure {
    let holder = context.registry.live().into_iter().find(|session| {
        let held = session
            .listening()
            .map(|held| (held.address.socket().map(|address| address.port()), held.carrier.transport()));
        held == Some((Some(port), Some(transport)))
    });
    match holder {
        Some(session) if failure.code == Code::Exists => {
            errors::port_in_use(port, &session.label(), &session.kind).of(failure.what)
        }
        _ => failure,
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

/// Tells the end of a client.
fn log_end(session: &Handle, client: &str, result: Result<(), Failure>) {
    match result {
        Ok(()) => session.log("client", format!("{client} left")),
        Err(failure) => session.inform("error", format!("{client}: {failure}")),
    }
}
