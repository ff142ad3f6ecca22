//! One session, as seen from outside.
//!
//! | file | holds |
//! |---|---|
//! | `heard` | what it has received |
//! | `speech` | what it is given to send |
//! | `log` | what happened to it |
//! | `measured` | samples of its traffic, and its packets |
//! | `reactions` | its handlers |

mod heard;
mod log;
mod measured;
mod reactions;
mod speech;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::{Carrier, Fields, Value};
use crate::report::{Failure, Outcome, Progress};
use crate::session::byte_inbox::ByteInbox;
use crate::session::clients::{ClientList, ClientState};
use crate::session::conversation::{Inbox, Outgoing};
use crate::session::handlers::Handlers;
use crate::session::measure::{Meter, Packets};
use crate::session::rate_limiter::RateLimiter;
use crate::wire::ServiceId;

/// The state of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Not ready yet: binding, connecting.
    Starting,
    /// Ready; the word says what it is doing: `listening`, `connected`, `transferring`, `playing`.
    Running(&'static str),
    Done(Outcome),
    Failed(Failure),
    /// It was stopped; what a transfer has kept, and where.
    Cancelled {
        kept: Option<String>,
    },
}

impl State {
    /// The state as shown in the field `state`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running(word) => word,
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// True for the final states: done, failed, cancelled.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_) | Self::Cancelled { .. })
    }
}

/// The states that `wait X STATE` accepts.
pub const STATE_WORDS: &[&str] =
    &["listening", "connected", "transferring", "playing", "done", "failed", "cancelled", "ended"];

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// As it is bound, with the real port.
    Socket(SocketAddr),
    /// The file of a Unix socket.
    Path(PathBuf),
}

impl ListenAddress {
    /// The address and port; `None` for a Unix socket.
    pub const fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(address) => Some(*address),
            Self::Path(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => f.write_str(&crate::net::show(*address)),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// Where a server of this shell listens, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Where its clients find it.
    pub address: ListenAddress,
    /// What carries it.
    pub carrier: Carrier,
    /// `None`: a link.
    pub service: Option<ServiceId>,
}

/// A line of a session's log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Since the session began.
    pub at: Duration,
    /// The kind of event, such as `message` or `done`.
    pub kind: &'static str,
    pub text: String,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<LogEntry>,
    forgotten: u64,
}

/// What a session has received, until an expectation consumes it or the user has seen it: the lines of a conversation, or
/// the bytes of a raw session.
#[derive(Debug, Default)]
struct Heard {
    /// `None`: it has received no line yet.
    inbox: Option<Inbox>,
    /// `None`: it has received no bytes, or is no raw session.
    bytes: Option<Box<ByteInbox>>,
    /// The peer has sent its last byte.
    peer_ended: bool,
    /// How often something was received.
    count: u64,
}

/// A session that is starting, running or has ended.
#[derive(Debug)]
pub struct Session {
    pub id: u64,
    pub name: Option<String>,
    /// The command that started it, such as `listen`.
    pub verb: &'static str,
    /// What it is, for people: `ftp server`, `send a.bin`.
    pub kind: String,
    /// The server whose client it is; `None`: it was started by a command.
    pub parent: Option<u64>,
    /// Fires when the session is stopped or has ended.
    pub cancel: CancellationToken,
    pub(in crate::session) began: Instant,
    pub(in crate::session) bytes_in: AtomicU64,
    pub(in crate::session) bytes_out: AtomicU64,
    pub(in crate::session) shared: Mutex<Shared>,
    /// A version number that grows with each change.
    pub(in crate::session) changed: watch::Sender<u64>,
    /// Wakes those who look at the counted bytes.
    pub(in crate::session) counted: watch::Sender<()>,
    /// Set once, by a server.
    pub(in crate::session) listening: OnceLock<Listening>,
    /// Set once, by a conversation: it accepts lines with `say`.
    pub(in crate::session) outgoing: OnceLock<Outgoing>,
    /// Of the sent bytes, those that have not arrived yet.
    pub(in crate::session) on_way: AtomicU64,
    /// No command waits for it, so its end is shown.
    pub(in crate::session) background: AtomicBool,
    /// A person watches it: all its events are shown.
    pub(in crate::session) watched: AtomicBool,
    /// What passes is shown in hexadecimal.
    pub(in crate::session) hexadecimal: AtomicBool,
    pub(in crate::session) pacer: RateLimiter,
    pub(in crate::session) guests: ClientList,
    pub(in crate::session) handlers: Handlers,
    /// Its service looks for what handlers wait for.
    pub(in crate::session) reacts: AtomicBool,
    pub(in crate::session) meter: Mutex<Meter>,
    pub(in crate::session) packets: Packets,
}

/// A control that only the session's service knows the type of, for `set`.
pub type ControlHandle = Arc<dyn std::any::Any + Send + Sync>;

/// The mutable part of a session.
#[derive(Debug)]
pub(in crate::session) struct Shared {
    pub(in crate::session) state: State,
    pub(in crate::session) peer: String,
    pub(in crate::session) fields: Fields,
    pub(in crate::session) progress: Option<Progress>,
    /// A short remark, shown beside the progress.
    pub(in crate::session) note: String,
    /// A command line to suggest to the user.
    pub(in crate::session) suggestion: &'static str,
    /// When it ended, counted from its start; `None` while it is alive.
    pub(in crate::session) ended: Option<Duration>,
    pub(in crate::session) control: Option<ControlHandle>,
    heard: Heard,
    log: Log,
}

impl Shared {
    pub(in crate::session) fn new() -> Self {
        Self {
            state: State::Starting,
            peer: String::new(),
            fields: Fields::new(),
            progress: None,
            note: String::new(),
            suggestion: "",
            ended: None,
            control: None,
            heard: Heard::default(),
            log: Log::default(),
        }
    }
}

impl Session {
    pub(in crate::session) fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere must not affect this session: the data is still consistent.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name, or `%id` if it has none.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("%{}", self.id))
    }

    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    pub fn has_ended(&self) -> bool {
        self.lock().state.has_ended()
    }

    /// The control set by its service, if there is one of type `T`.
    pub fn control<T: Send + Sync + 'static>(&self) -> Option<std::sync::Arc<T>> {
        self.lock().control.clone()?.downcast().ok()
    }

    /// Where it listens; `None`: it is no server, or not yet bound.
    pub fn listening(&self) -> Option<Listening> {
        self.listening.get().cloned()
    }

    /// The peer's address; empty if there is none.
    pub fn peer(&self) -> String {
        self.lock().peer.clone()
    }

    pub fn progress(&self) -> Option<Progress> {
        self.lock().progress
    }

    /// A short remark for the progress line; empty if there is none.
    pub fn note(&self) -> String {
        self.lock().note.clone()
    }

    /// A command line to suggest to the user; empty if there is none.
    pub fn suggestion(&self) -> &'static str {
        self.lock().suggestion
    }

    /// Bytes received so far.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Bytes sent so far.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// How long it has been alive, or was when it ended.
    pub fn age(&self) -> Duration {
        self.lock().ended.unwrap_or_else(|| self.began.elapsed())
    }

    /// How long ago it ended; `None` while it is alive.
    pub fn ended_ago(&self) -> Option<Duration> {
        let ended = self.lock().ended?;
        Some(self.began.elapsed().saturating_sub(ended))
    }

    /// The current value of a field.
    pub fn field(&self, name: &str) -> Option<Value> {
        let shared = self.lock();
        match name {
            "state" => Some(Value::text(shared.state.word())),
            "id" => Some(Value::count(self.id)),
            "peer" if !shared.peer.is_empty() => Some(Value::text(shared.peer.clone())),
            "bytes_in" => Some(Value::count(self.bytes_in())),
            "bytes_out" => Some(Value::count(self.bytes_out())),
            "error" => match &shared.state {
                State::Failed(failure) => Some(Value::text(failure.to_string())),
                _ => Some(Value::text("")),
            },
            _ => shared.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()),
        }
    }

    /// The current values of all fields.
    pub fn fields(&self) -> Fields {
        let mut fields = self.lock().fields.clone();
        for name in ["state", "id", "peer", "bytes_in", "bytes_out", "error"] {
            let known = fields.iter().any(|(n, _)| *n == name);
            fields.extend(self.field(name).filter(|_| !known).map(|value| (name, value)));
        }
        fields
    }

    /// The first `most` clients of a server, and their total number.
    pub fn guests(&self, most: usize) -> (Vec<ClientState>, usize) {
        self.guests.show(most)
    }

    /// Notifies of each change from now on. Call `borrow_and_update` before reading the session, so that no change is
    /// missed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Notifies of each change as [`Self::changes`] does not: of all bytes that are counted. It costs the session a wake
    /// for each step, as long as somebody has it.
    pub fn counts(&self) -> watch::Receiver<()> {
        self.counted.subscribe()
    }

    /// Wakes all who wait for a change.
    pub(in crate::session) fn touch(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Waits until the session has ended; returns its final state.
    pub async fn ended(&self) -> State {
        self.until(State::has_ended).await
    }

    /// Waits until `wanted` is true of its state; returns that state.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) -> State {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let state = self.state();
            if wanted(&state) || changes.changed().await.is_err() {
                return state;
            }
        }
    }

    /// Sets fields as one change.
    pub fn set_all(&self, values: impl IntoIterator<Item = (&'static str, Value)>) {
        {
            let mut shared = self.lock();
            for (name, value) in values {
                match shared.fields.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, known)) => *known = value,
                    None => shared.fields.push((name, value)),
                }
            }
        }
        self.touch();
    }

    /// No command waits for it any more, so its end will be shown.
    pub fn to_background(&self) {
        self.background.store(true, Ordering::Relaxed);
    }

    /// A command waits for it, and shows its end.
    pub fn to_foreground(&self) {
        self.background.store(false, Ordering::Relaxed);
    }

    /// Whether all of its events are shown from now on, or only the notable ones.
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    /// Shows what passes in hexadecimal, or as text again. True if it is hexadecimal now.
    pub fn toggle_hexadecimal(&self) -> bool {
        !self.hexadecimal.fetch_xor(true, Ordering::Relaxed)
    }

    /// True if what passes is to be shown in hexadecimal.
    pub fn shows_hexadecimal(&self) -> bool {
        self.hexadecimal.load(Ordering::Relaxed)
    }

    /// Limits the rate of sending and receiving, in bytes/s, from now on; `None` removes the limit.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.pacer.set(rate);
    }
}
