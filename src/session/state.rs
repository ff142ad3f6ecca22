//! One session, as seen from outside.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::LOG_LIMIT;
use super::byte_inbox::{ByteInbox, CLIENT_KEPT_LIMIT, KEPT_LIMIT, Taken};
use super::clients::{ClientList, ClientState};
use super::conversation::{Inbox, Outgoing, Speech, Utterance};
use super::errors;
use super::handlers::{Handler, HandlerSet, Handlers};
use super::measure::{Meter, PacketCursor, Packets, Sample};
use super::rate_limiter::RateLimiter;
use crate::base::pattern::PatternSet;
use crate::base::{Carrier, Fields, Time, Value};
use crate::net::connection::tap::{Depth, Tapped};
use crate::record::PacketEvent;
use crate::report::{Failure, Outcome, Progress};
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
    pub(super) began: Instant,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) shared: Mutex<Shared>,
    /// A version number that grows with each change.
    pub(super) changed: watch::Sender<u64>,
    /// Wakes those who look at the counted bytes.
    pub(super) counted: watch::Sender<()>,
    /// Set once, by a server.
    pub(super) listening: OnceLock<Listening>,
    /// Set once, by a conversation: it accepts lines with `say`.
    pub(super) outgoing: OnceLock<Outgoing>,
    /// Of the sent bytes, those that have not arrived yet.
    pub(super) on_way: AtomicU64,
    /// No command waits for it, so its end is shown.
    pub(super) background: AtomicBool,
    /// A person watches it: all its events are shown.
    pub(super) watched: AtomicBool,
    /// What passes is shown in hexadecimal.
    pub(super) hexadecimal: AtomicBool,
    pub(super) pacer: RateLimiter,
    pub(super) guests: ClientList,
    pub(super) handlers: Handlers,
    /// Its service looks for what handlers wait for.
    pub(super) reacts: AtomicBool,
    pub(super) meter: Mutex<Meter>,
    pub(super) packets: Packets,
}

/// A control that only the session's service knows the type of, for `set`.
pub type ControlHandle = Arc<dyn std::any::Any + Send + Sync>;

/// The mutable part of a session.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) peer: String,
    pub(super) fields: Fields,
    pub(super) progress: Option<Progress>,
    /// A short remark, shown beside the progress.
    pub(super) note: String,
    /// A command line to suggest to the user.
    pub(super) suggestion: &'static str,
    /// When it ended, counted from its start; `None` while it is alive.
    pub(super) ended: Option<Duration>,
    pub(super) control: Option<ControlHandle>,
    /// `None`: it has received no line yet.
    inbox: Option<Inbox>,
    /// `None`: it has received no bytes, or is no raw session.
    bytes: Option<Box<ByteInbox>>,
    /// The peer has sent its last byte.
    peer_ended: bool,
    /// How often something was received.
    heard: u64,
    log: Log,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: State::Starting,
            peer: String::new(),
            fields: Fields::new(),
            progress: None,
            note: String::new(),
            suggestion: "",
            ended: None,
            control: None,
            inbox: None,
            bytes: None,
            peer_ended: false,
            heard: 0,
            log: Log::default(),
        }
    }
}

impl Session {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere must not affect this session: the data is still consistent.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample of the counts and the path; `last`: the session has ended.
    pub(super) fn sample(&self, last: bool) {
        let (at, bytes_in, bytes_out) = (self.began.elapsed(), self.bytes_in(), self.bytes_arrived());
        self.lock_meter().take(at, bytes_in, bytes_out, last);
    }

    /// Sent bytes without those that a transfer knows to be on their way.
    fn bytes_arrived(&self) -> u64 {
        self.bytes_out().saturating_sub(self.on_way.load(Ordering::Relaxed))
    }

    /// The samples over its life; for a live session the last one is taken now.
    pub fn samples(&self) -> Vec<Sample> {
        let has_ended = self.has_ended();
        let mut meter = self.lock_meter();
        let mut samples = meter.samples().to_vec();
        if !has_ended {
            samples.push(meter.read(self.began.elapsed(), self.bytes_in(), self.bytes_arrived()));
        }
        samples
    }

    /// What happened to its packets, by time, and how many older events are kept no more.
    pub fn packets(&self) -> (Vec<PacketEvent>, u64) {
        self.packets.events(usize::MAX)
    }

    /// The events since the cursor, by time, which moves behind them, and how many of them are kept no more.
    pub fn packets_since(&self, cursor: &mut PacketCursor) -> (Vec<PacketEvent>, u64) {
        self.packets.since(cursor)
    }

    /// The newest of them, this number at most, and how many older ones there were.
    pub fn recent_packets(&self, most: usize) -> (Vec<PacketEvent>, u64) {
        self.packets.events(most)
    }

    /// When the first packet of its record passed; `None`: none has.
    pub fn first_packet(&self) -> Option<Time> {
        self.packets.began()
    }

    /// Number of events in its record so far, those that are kept no more included.
    pub fn packet_count(&self) -> u64 {
        self.packets.count()
    }

    /// From now on `look` is shown all packets that pass, until [`Self::look_away`]; false if somebody looks already.
    pub fn look(&self, depth: Depth, look: impl Fn(&Tapped<'_>) + Send + Sync + 'static) -> bool {
        self.packets.look(Some((Arc::new(look), depth)))
    }

    /// True while somebody looks at its packets.
    pub fn is_looked_at(&self) -> bool {
        self.packets.is_looked_at()
    }

    /// Nobody looks any more.
    pub fn look_away(&self) {
        self.packets.look(None);
    }

    /// Keeps this number of events for each socket from now on.
    pub fn keep_packets(&self, limit: usize) {
        self.packets.set_limit(limit);
    }

    /// Datagrams or segments retransmitted so far.
    pub fn retransmitted(&self) -> u64 {
        self.lock_meter().retransmitted()
    }

    /// Receiving and sending rate over the last second, in bytes/s; zero for an ended session.
    pub fn rates(&self) -> (f64, f64) {
        if self.has_ended() { (0.0, 0.0) } else { self.lock_meter().rates() }
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
    pub(super) fn touch(&self) {
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

    /// Adds an entry to the log; beyond [`LOG_LIMIT`] the oldest is dropped.
    pub(super) fn record(&self, kind: &'static str, text: &str) {
        let at = self.began.elapsed();
        let mut shared = self.lock();
        if shared.log.entries.len() == LOG_LIMIT {
            shared.log.entries.pop_front();
            shared.log.forgotten += 1;
        }
        shared.log.entries.push_back(LogEntry { at, kind, text: text.into() });
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

    /// Logs a change made to the session from outside.
    pub fn note_change(&self, kind: &'static str, text: &str) {
        self.record(kind, text);
        self.touch();
    }

    /// The newest `most` events, and how many older ones are not included.
    pub fn log(&self, most: usize) -> (Vec<LogEntry>, u64) {
        let shared = self.lock();
        let skip = shared.log.entries.len().saturating_sub(most);
        (shared.log.entries.iter().skip(skip).cloned().collect(), shared.log.forgotten + skip as u64)
    }

    /// Keeps a received line for `says`.
    pub(super) fn hear(&self, text: &str) {
        let mut shared = self.lock();
        shared.heard += 1;
        shared.inbox.get_or_insert_default().push(text);
    }

    /// From now on bytes are received, not lines.
    pub(super) fn expect_bytes(&self) {
        let limit = if self.parent.is_some() { CLIENT_KEPT_LIMIT } else { KEPT_LIMIT };
        self.lock().bytes.get_or_insert_with(|| Box::new(ByteInbox::new(limit)));
    }

    /// Keeps received bytes for expectations.
    pub(super) fn hear_bytes(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        shared.heard += 1;
        shared.bytes.get_or_insert_default().push(bytes);
    }

    /// The peer has sent its last byte.
    pub(super) fn hear_end(&self) {
        let mut shared = self.lock();
        shared.peer_ended = true;
        if let Some(bytes) = &mut shared.bytes {
            bytes.end();
        }
    }

    /// True if nothing more will come: the peer has sent its last byte, or the session is over.
    pub fn peer_has_ended(&self) -> bool {
        let shared = self.lock();
        shared.peer_ended || shared.state.has_ended()
    }

    /// How often something was received so far.
    pub fn heard_count(&self) -> u64 {
        self.lock().heard
    }

    /// Consumes what was received up to the first match: bytes of a raw session, else a line. `now`: a match that could
    /// still become longer counts as it is.
    pub fn take_match(&self, patterns: &PatternSet, now: bool) -> Option<Taken> {
        let mut shared = self.lock();
        let now = now || shared.peer_ended || shared.state.has_ended();
        match &mut shared.bytes {
            Some(bytes) => bytes.take(patterns, now),
            None => shared.inbox.as_mut()?.consume(|line| {
                let mut alone = ByteInbox::default();
                alone.push(line.as_bytes());
                alone.end();
                alone.take(patterns, true)
            }),
        }
    }

    /// The last `most` bytes that were received and not consumed; `None`: it is no raw session.
    pub fn unheard_bytes(&self, most: usize) -> Option<Vec<u8>> {
        let shared = self.lock();
        let rest = shared.bytes.as_ref()?.rest();
        Some(rest[..rest.len().min(most)].to_vec())
    }

    /// From now on, a copy of what a raw session receives is kept for a recording.
    pub fn tap(&self) {
        if let Some(bytes) = &mut self.lock().bytes {
            bytes.tap();
        }
    }

    /// What a raw session received from this byte on, as far as it was copied for a recording, and where in the whole stream
    /// the last match of an expectation stands. `None`: nothing is copied.
    pub fn tapped(&self, from: usize) -> Option<(Vec<u8>, Range<u64>)> {
        let shared = self.lock();
        let bytes = shared.bytes.as_ref()?;
        Some((bytes.tapped()?.get(from..).unwrap_or_default().to_vec(), bytes.matched()))
    }

    /// Consumes this number of received bytes, or as many as there are.
    pub fn take_bytes(&self, count: usize) {
        if let Some(bytes) = &mut self.lock().bytes {
            bytes.skip(count);
        }
    }

    /// Received bytes that were dropped before anybody consumed them.
    pub fn forgotten_bytes(&self) -> u64 {
        self.lock().bytes.as_ref().map_or(0, |bytes| bytes.forgotten())
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

    /// Lines received since [`Self::read`]: what the user has not seen yet.
    pub fn unread(&self) -> u64 {
        self.lock().inbox.as_ref().map_or(0, Inbox::unread)
    }

    /// The user has seen this session: nothing is unread.
    pub fn read(&self) {
        if let Some(inbox) = &mut self.lock().inbox {
            inbox.read();
        }
    }

    /// The last `most` received lines that `says` has not consumed, newest last.
    pub fn unheard(&self, most: usize) -> Vec<String> {
        self.lock().inbox.as_ref().map_or_else(Vec::new, |inbox| inbox.last(most))
    }

    /// Limits the rate of sending and receiving, in bytes/s, from now on; `None` removes the limit.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.pacer.set(rate);
    }

    /// Adds a handler.
    ///
    /// # Errors
    /// There are too many, or their patterns are too large; the text says which.
    pub fn add_handler(&self, handler: Handler) -> Result<(), String> {
        self.handlers.add(handler)?;
        self.touch();
        Ok(())
    }

    /// True if handlers can react to what it hears.
    pub fn reacts(&self) -> bool {
        self.reacts.load(Ordering::Relaxed)
    }

    /// Its handlers now.
    pub fn handlers(&self) -> std::sync::Arc<HandlerSet> {
        self.handlers.now()
    }

    /// Tells that handlers were added.
    pub fn handler_changes(&self) -> watch::Receiver<u64> {
        self.handlers.changes()
    }

    /// Drops handlers that have reacted as often as they may.
    pub fn forget_spent_handlers(&self) {
        self.handlers.forget_spent();
    }

    /// Removes all handlers; returns their number.
    pub fn remove_handlers(&self) -> usize {
        self.handlers.clear()
    }

    /// True if it accepts lines with `say`.
    pub fn listens(&self) -> bool {
        self.outgoing.get().is_some()
    }

    /// What it can be told to send; `None`: nothing.
    pub fn speech(&self) -> Option<Speech> {
        self.outgoing.get().map(|outgoing| outgoing.speech)
    }

    /// Gives a line to the session and waits until its service accepts or refuses it.
    pub async fn say(&self, text: String) -> Result<(), Failure> {
        self.utter(Utterance::Line(text)).await
    }

    /// Gives something to send to the session and waits until its service accepts or refuses it.
    pub async fn utter(&self, what: Utterance) -> Result<(), Failure> {
        let ended = || errors::session_ended(&self.label());
        let deaf = || errors::no_conversation(&self.label());
        if self.has_ended() {
            return Err(ended());
        }
        let outgoing = self.outgoing.get().ok_or_else(deaf)?;
        if outgoing.speech == Speech::Lines && !matches!(what, Utterance::Line(_)) {
            return Err(errors::only_lines(&self.label()));
        }
        let answer = outgoing.send(what).await.ok_or_else(deaf)?;
        tokio::select! {
            // An answer that came holds, even if the session has ended since.
            biased;
            taken = answer => taken.unwrap_or_else(|_| Err(deaf())),
            _ = self.ended() => Err(ended()),
        }
    }
}
