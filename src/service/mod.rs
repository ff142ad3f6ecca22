//! The services and their rows in the catalogue. Adding one touches its own folder, one `mod` line and one row
//! in [`PROVIDERS`] or [`CLIENTS`].

pub mod calc;
pub mod chat;
#[doc(hidden)]
pub mod foreign;
pub mod ftp;
pub mod link;
pub mod listen;
pub mod stream;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::base::Transport;
use crate::language::{Arguments, Service, Verb};
use crate::net::listen::Lines;
use crate::net::{self, Connection, udp};
use crate::report::{Failure, Outcome};
use crate::session::{Guest, Handle, Registry};
use crate::wire::{Code, ServiceId};

/// What a command runs as.
pub type Job<T = Outcome> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What the shell gives to every command.
#[derive(Clone, Debug)]
pub struct Context {
    pub seed: u64,
    /// Relative paths are relative to this.
    pub directory: PathBuf,
    pub registry: Arc<Registry>,
    /// Connections that wait for the next question.
    pub idle: Arc<calc::Idle>,
    /// Places in rooms that were not left.
    pub tickets: Arc<chat::Tickets>,
    /// No command of the system runs, and no program but known players.
    pub no_shell: bool,
    pub streams: StandardStreams,
}

/// The standard streams, as far as commands may have them.
#[derive(Clone, Default)]
pub struct StandardStreams {
    /// Takes bytes, unless a person or a program reads results there; false: nobody reads any more.
    pub output: Option<Arc<dyn Fn(Vec<u8>) -> bool + Send + Sync>>,
    /// Standard input is not where the commands come from.
    pub input: bool,
}

impl std::fmt::Debug for StandardStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandardStreams").field("input", &self.input).finish_non_exhaustive()
    }
}

/// What each of several commands came to.
pub type Answers = Vec<Result<Outcome, Failure>>;

/// A verb that talks to a server.
pub struct Client {
    pub verb: &'static Verb,
    /// The argument that says where, and what serves there: for the default when it is left out.
    pub place: Option<(&'static str, ServiceId)>,
    /// If nothing says otherwise.
    pub transport: Transport,
    pub run: Run,
}

/// How a verb runs.
pub enum Run {
    /// As a session; the name says what it is in `sessions`.
    Session { kind: fn(&Arguments) -> String, start: fn(Handle, Arguments, Context) -> Job },
    /// Without a session: it answers at once. Several that go to the same place are asked together, and answered in
    /// order.
    Direct(fn(Vec<Arguments>, Context) -> Job<Answers>),
}

/// Makes a service ready to serve.
pub type Make = fn(&Handle, &Arguments, &Context) -> Result<Arc<dyn Server>, Failure>;

/// A service that `listen` can start.
pub struct Provider {
    pub row: Service,
    pub id: ServiceId,
    /// What lines of plain clients are to it.
    pub lines: Lines,
    /// What it wants of UDP.
    pub options: udp::Options,
    /// Clients at once, unless `max` says otherwise.
    pub max: fn(Transport) -> u64,
    pub make: Make,
}

/// One running service.
pub trait Server: Send + Sync + 'static {
    /// One client, from its first message to its last. The client's name is for the log.
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: Guest) -> Job<()>;

    /// What runs beside the clients: a chat's own side.
    fn host(self: Arc<Self>, _session: Handle) -> Option<Job<()>> {
        None
    }

    /// Said when it starts: what is served.
    fn describe(&self) -> String;

    /// What one would type to use it: `{place}` is where others reach it, with `udp` before it where that is needed,
    /// `{transport}` and `{at}` the two parts.
    fn invitation(&self) -> &'static str;
}

/// All services.
pub static PROVIDERS: &[&Provider] = &[&ftp::PROVIDER, &calc::PROVIDER, &chat::PROVIDER, &stream::PROVIDER];

/// All verbs that talk to servers, and `listen`.
pub static CLIENTS: &[&Client] = &[
    &listen::LISTEN,
    &ftp::SEND,
    &ftp::GET,
    &ftp::LS,
    &calc::CALC,
    &chat::CHAT,
    &stream::STREAM,
    &link::LINK,
];

/// Connects for a session: says so, spawns what the connection needs.
async fn connect(
    session: &Handle,
    arguments: &Arguments,
    place: &str,
    service: ServiceId,
) -> Result<Connection, Failure> {
    connect_with(session, arguments, place, service, udp::Options::default()).await
}

/// The same, with wishes for datagrams.
async fn connect_with(
    session: &Handle,
    arguments: &Arguments,
    place: &str,
    service: ServiceId,
    options: udp::Options,
) -> Result<Connection, Failure> {
    let endpoint = arguments
        .endpoint(place)
        .ok_or_else(|| Failure::new(Code::Usage, format!("`{place}` is missing")))?;
    let transport = arguments.transport(place).unwrap_or(Transport::Tcp);
    let connecting = net::connect(transport, endpoint, service, options);
    let (connection, driver) = session.unless_cancelled(connecting).await?;
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    let peer = format!("{transport} {}", net::show(connection.peer));
    session.log("connected", format!("with {peer}"));
    session.set_peer(peer);
    session.measure(&connection);
    Ok(connection)
}
