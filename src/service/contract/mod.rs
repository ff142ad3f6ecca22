//! What a service gives to the shell, and what it gets: rows, servers, jobs.
//!
//! | file | holds |
//! |---|---|
//! | `conversation` | what every server does with a client |
//! | `keys` | the keys that a user has, and those that a command names |
//! | `idle` | connections that wait for the next question |
//! | `transcript` | a conversation written to a file |
//! | `errors` | the errors of `listen` and `link`, and those that several services share |

pub(crate) mod conversation;
pub(crate) mod errors;
pub mod idle;
pub mod keys;
pub(crate) mod transcript;

use crate::base::{Carrier, Secrets, Transport, Value};
use crate::language::Arguments;
use crate::language::Service;
use crate::language::Target;
use crate::language::Verb;
use crate::net;
use crate::net::accept::admission::Lines;
use crate::net::accept::foreign::ForeignStream;
use crate::net::accept::silent::SilentClient;
use crate::net::raw::RawConnection;
use crate::net::udp;
use crate::net::udp::ForeignDatagram;
use crate::net::{Connection, Driver};
use crate::report::Failure;
use crate::report::Outcome;
use crate::session::ClientEntry;
use crate::session::Handle;
use crate::session::Registry;
use crate::wire::dialect::Dialect;
use crate::wire::{Code, ServiceId};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use self::errors::server_missing;
use self::idle::IdleConnections;
use self::keys::{ClientChoice, Credentials, NamedKey, UsedCodes};
use super::listen::options::ListenOptions;

/// A command or other task as a boxed future.
pub type Job<T = Outcome> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What the shell gives to every command.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seed of random decisions, unless a command gives its own.
    pub seed: u64,
    /// Relative paths are relative to this.
    pub directory: PathBuf,
    pub registry: Arc<Registry>,
    /// The services that can be started.
    pub providers: &'static [&'static Provider],
    /// Connections for the next question.
    pub idle: Arc<IdleConnections>,
    /// What services keep between commands.
    pub kept: Kept,
    /// No system command is run, and no program except known media players.
    pub no_shell: bool,
    pub streams: StandardStreams,
    /// Masked in all output: keys that a command reads are added.
    pub secrets: Secrets,
}

/// The standard streams, as far as commands may use them.
#[derive(Clone, Default)]
pub struct StandardStreams {
    /// `None` if a terminal or results in JSON use it.
    pub output: Option<Arc<dyn StandardOutput>>,
    /// Standard input is free: commands do not come from it.
    pub input: bool,
    /// Both are the other side of the connection that the one command makes.
    pub is_peer: bool,
}

/// Standard output, for a command that writes bytes to it. Everything blocks.
pub trait StandardOutput: Send + Sync {
    /// Queues bytes; false if nobody reads it any more.
    fn write(&self, bytes: Vec<u8>) -> bool;
    /// Waits for a moment until what is queued is written; an error says why that failed.
    fn flush(&self) -> Result<(), String>;
}

impl std::fmt::Debug for StandardStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandardStreams").field("input", &self.input).finish_non_exhaustive()
    }
}

/// The results of several commands, in order.
pub type Answers = Vec<Result<Outcome, Failure>>;

/// A verb that talks to a server.
pub struct Client {
    pub verb: &'static Verb,
    /// The argument that names the server, and the service there: for the default when the argument is left out.
    pub place: Option<(&'static str, ServiceId)>,
    /// The default.
    pub transport: Transport,
    pub run: Run,
}

/// How a verb runs.
pub enum Run {
    /// As a session; `kind` describes it in `sessions`.
    Session { kind: fn(&Arguments) -> String, start: fn(Handle, Arguments, Context) -> Job },
    /// Without a session: it answers at once. Several commands for the same server are sent together, and answered in
    /// order.
    Direct(fn(Vec<Arguments>, Context) -> Job<Answers>),
}

/// Creates the server of a service: of messages ([`Server`]) or of bytes ([`ByteServer`]).
pub type Make<S> = fn(&Handle, &ListenOptions, &Arguments, &Context) -> Result<Arc<S>, Failure>;

/// A service that `listen` can start.
pub struct Provider {
    pub row: Service,
    pub id: ServiceId,
    /// Default of `max`, the most clients at once.
    pub max: fn(Carrier) -> u64,
    pub serves: Serves,
}

/// What a service exchanges with its clients.
pub enum Serves {
    /// Messages of our protocol, and lines of text.
    Messages(MessageService),
    /// Bytes as they come, with any client.
    Bytes(Make<dyn ByteServer>),
}

/// A service that speaks our protocol.
pub struct MessageService {
    /// It answers LIST: `ls` works, and its names are completed.
    pub lists: bool,
    /// What lines of text from clients like `nc` mean to it.
    pub lines: Lines,
    /// What it speaks, its own protocol among it.
    pub dialects: &'static [Dialect],
    /// What a client is told over TCP that waits to be spoken to; empty: nothing.
    pub greeting: &'static str,
    /// Its options for UDP.
    pub options: udp::Options,
    pub make: Make<dyn Server>,
}

impl Provider {
    /// True if it answers LIST.
    pub const fn lists(&self) -> bool {
        matches!(&self.serves, Serves::Messages(service) if service.lists)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.row.name)
    }
}

/// A client that speaks another protocol than ours.
pub enum ForeignClient {
    /// Over TCP.
    Stream(Dialect, ForeignStream),
    /// Over TCP, to a conversation: it may only listen, or say something later.
    Silent(Box<SilentClient>),
    /// Over UDP: its first datagram.
    Datagram(ForeignDatagram),
}

/// One running service.
pub trait Server: Send + Sync + 'static {
    /// Serves one client, from its first message to its last. `client` shows it in lists and in the log.
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()>;

    /// Serves one client that speaks one of the other dialects in the service's row, from its first byte to its last.
    fn serve_foreign(
        self: Arc<Self>,
        _session: Handle,
        client: ForeignClient,
        _entry: ClientEntry,
    ) -> Job<()> {
        Box::pin(async move { Err(errors::dialect_unknown(client.dialect())) })
    }

    /// A task besides the clients, such as the server's own side of a chat; `None` if there is none.
    fn host(self: Arc<Self>, _session: Handle) -> Option<Job<()>> {
        None
    }

    /// True if it serves only the user who started it, where no word of `listen` opens it.
    fn is_private(&self) -> bool {
        false
    }

    /// What is served, for people: reported when it starts.
    fn describe(&self) -> String;

    /// A command that uses the server: `{place}` is its address for others, with `udp` before it where that is needed;
    /// `{transport}` and `{at}` are the two parts.
    fn invitation(&self) -> &'static str;
}

impl ForeignClient {
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Stream(dialect, _) => *dialect,
            Self::Silent(_) => Dialect::Text,
            Self::Datagram(datagram) => datagram.dialect,
        }
    }

    pub fn peer(&self) -> SocketAddr {
        match self {
            Self::Stream(_, stream) => stream.peer,
            Self::Silent(client) => client.peer(),
            Self::Datagram(datagram) => datagram.peer,
        }
    }
}

/// One running service whose clients speak a protocol that is not ours.
pub trait ByteServer: Send + Sync + 'static {
    /// Serves one client, from its first byte to its last. `client` shows it in lists and in the log.
    fn serve(self: Arc<Self>, session: Handle, connection: RawConnection, client: ClientEntry) -> Job<()>;

    /// What is served, for people: reported when it starts.
    fn describe(&self) -> String;

    /// True if each client is a session of its own, which notes its packets itself.
    fn has_sessions(&self) -> bool {
        false
    }
}

impl Context {
    /// What a command connects with, read from where it is.
    pub(crate) fn key(&self, choice: &ClientChoice) -> Result<Credentials, Failure> {
        Credentials::of(choice, &self.directory, &self.secrets, &self.kept.get::<UsedCodes>())
    }
}

/// Connects to a server with a key, if there is one; its name is that of the connection. A server that asks a client
/// without key for one gets the user's default key.
pub(crate) async fn dial(
    target: &Target,
    service: ServiceId,
    options: udp::Options,
    key: &Credentials,
) -> Result<(Connection, Option<Driver>), Failure> {
    let Target { transport, endpoint } = target;
    let with = async |named: Option<&NamedKey>| {
        let key = named.map(|named| &named.key);
        let (connection, driver) = net::connect(*transport, endpoint, service, options, key).await?;
        let key = named.map(|named| named.name.as_str().into());
        Ok::<_, Failure>((Connection { key, ..connection }, driver))
    };
    match with(key.first(target, service).await?.as_ref()).await {
        Err(failure) if failure.code == Code::Key => match key.if_asked()? {
            Some(own) => with(Some(&own)).await,
            None => Err(key.refused(target, failure)),
        },
        Ok(connected) => {
            key.are_right(target);
            Ok(connected)
        }
        ended => ended,
    }
}

/// Connects for a session, encrypted with `key` if there is one, logs it, and spawns the driver that the connection needs.
pub(crate) async fn connect(
    session: &Handle,
    target: Option<&Target>,
    service: ServiceId,
    key: Credentials,
) -> Result<Connection, Failure> {
    connect_with(session, target, service, key, udp::Options::default()).await
}

/// The same, with options for UDP.
pub(crate) async fn connect_with(
    session: &Handle,
    target: Option<&Target>,
    service: ServiceId,
    key: Credentials,
    options: udp::Options,
) -> Result<Connection, Failure> {
    let target = target.ok_or_else(server_missing)?;
    let (mut connection, driver) = session.unless_cancelled(dial(target, service, options, &key)).await?;
    if let Some(driver) = driver {
        session.spawn(driver);
    }
    let peer = format!("{} {}", target.transport, net::show(connection.peer));
    match &connection.key {
        Some(name) => {
            session.log("connected", format!("with {peer}, encrypted with the key {name}"));
            session.set("key", Value::text(&**name));
        }
        None => session.log("connected", format!("with {peer}")),
    }
    session.set_peer(peer);
    session.measure(&mut connection);
    Ok(connection)
}

/// What services keep from one command to the next, one value of each type: connections for the next question, places to
/// come back to. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Kept {
    /// The value of this type; the first time, its default.
    pub fn get<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        drop(values);
        value.downcast().expect("each value is under its own type")
    }
}
