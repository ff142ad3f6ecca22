//! One session, as everybody else sees it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::guests::{GuestState, Guests};
use super::meter::{Meter, Sample};
use super::pace::Pacer;
use super::{HEARD_LIMIT, LOG_LIMIT};
use crate::base::{Fields, Value};
use crate::report::{Failure, Outcome, Progress};

/// How far a session is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Not ready yet: binding, connecting.
    Starting,
    /// Ready; the word says what it does: `listening`, `connected`, `transferring`, `playing`.
    Running(&'static str),
    Done(Outcome),
    Failed(Failure),
    Cancelled,
}

impl State {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running(word) => word,
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_) | Self::Cancelled)
    }
}

/// The states that `wait X STATE` can name.
pub const STATE_WORDS: &[&str] =
    &["listening", "connected", "transferring", "playing", "done", "failed", "cancelled", "ended"];

/// Something said to a session with `say`, and whether it was taken.
pub type Saying = (String, oneshot::Sender<Result<(), Failure>>);

/// A line of a session's log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Duration,
    pub kind: &'static str,
    pub text: String,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Entry>,
    forgotten: u64,
}

/// What runs, ran, or is about to.
#[derive(Debug)]
pub struct Session {
    pub id: u64,
    pub name: Option<String>,
    pub verb: &'static str,
    /// `ftp server`, `send a.bin`.
    pub kind: String,
    pub cancel: CancellationToken,
    pub(super) began: Instant,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) shared: Mutex<Shared>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) sayings: mpsc::Sender<Saying>,
    /// It is a conversation: `say` reaches it.
    pub(super) listens: AtomicBool,
    /// Nobody waits for it: its end is told.
    pub(super) background: AtomicBool,
    /// A person looks at everything that happens in it.
    pub(super) watched: AtomicBool,
    pub(super) pacer: Pacer,
    pub(super) guests: Guests,
    pub(super) meter: Mutex<Meter>,
}

/// What only a session's service knows how to turn.
pub type Knob = std::sync::Arc<dyn std::any::Any + Send + Sync>;

/// What changes while a session lives.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) peer: String,
    pub(super) fields: Fields,
    pub(super) progress: Option<Progress>,
    /// Beside the progress: how it goes.
    pub(super) note: String,
    /// What one would type to use it.
    pub(super) suggestion: &'static str,
    pub(super) ended: Option<Duration>,
    pub(super) knob: Option<Knob>,
    /// Lines received and not yet matched by `says`.
    heard: VecDeque<String>,
    unread: u64,
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
            knob: None,
            heard: VecDeque::new(),
            unread: 0,
            log: Log::default(),
        }
    }
}

impl Session {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere must not take this session with it: the data is still whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the counts and the path; `last`: there is nothing more to come.
    pub(super) fn sample(&self, last: bool) {
        let (at, bytes_in, bytes_out) = (self.began.elapsed(), self.bytes_in(), self.bytes_out());
        self.lock_meter().take(at, bytes_in, bytes_out, last);
    }

    /// What passed over its life, and the path; of a live one up to now.
    pub fn samples(&self) -> Vec<Sample> {
        let has_ended = self.has_ended();
        let mut meter = self.lock_meter();
        let mut samples = meter.samples().to_vec();
        if !has_ended {
            samples.push(meter.read(self.began.elapsed(), self.bytes_in(), self.bytes_out()));
        }
        samples
    }

    /// Datagrams or segments that were sent again so far.
    pub fn retransmitted(&self) -> u64 {
        self.lock_meter().retransmitted()
    }

    /// Bytes a second that came and that left within the last second; an ended one moves nothing.
    pub fn rates(&self) -> (f64, f64) {
        if self.has_ended() { (0.0, 0.0) } else { self.lock_meter().rates() }
    }

    /// The name it was given, else `%id`.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("%{}", self.id))
    }

    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    pub fn has_ended(&self) -> bool {
        self.lock().state.has_ended()
    }

    /// What can be turned while it lives, if it is a `T`.
    pub fn knob<T: Send + Sync + 'static>(&self) -> Option<std::sync::Arc<T>> {
        self.lock().knob.clone()?.downcast().ok()
    }

    pub fn peer(&self) -> String {
        self.lock().peer.clone()
    }

    pub fn progress(&self) -> Option<Progress> {
        self.lock().progress
    }

    /// How it goes, in a few words, for the line of the progress.
    pub fn note(&self) -> String {
        self.lock().note.clone()
    }

    /// What one would type to use it; empty: nothing.
    pub fn suggestion(&self) -> &'static str {
        self.lock().suggestion
    }

    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    pub fn age(&self) -> Duration {
        self.lock().ended.unwrap_or_else(|| self.began.elapsed())
    }

    /// How long ago it ended.
    pub fn ended_ago(&self) -> Option<Duration> {
        let ended = self.lock().ended?;
        Some(self.began.elapsed().saturating_sub(ended))
    }

    /// A field, as it is now.
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

    /// All fields, as they are now.
    pub fn fields(&self) -> Fields {
        let mut fields = self.lock().fields.clone();
        for name in ["state", "id", "peer", "bytes_in", "bytes_out", "error"] {
            let known = fields.iter().any(|(n, _)| *n == name);
            fields.extend(self.field(name).filter(|_| !known).map(|value| (name, value)));
        }
        fields
    }

    /// Clients of a server, at most `most`; and how many there are.
    pub fn guests(&self, most: usize) -> (Vec<GuestState>, usize) {
        self.guests.show(most)
    }

    /// Resolves at each change from now on; see it before looking, so that nothing is missed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Waits until the session ended.
    pub async fn ended(&self) -> State {
        self.until(State::has_ended).await
    }

    /// Waits until its state is as asked.
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

    pub(super) fn record(&self, kind: &'static str, text: &str) {
        let at = self.began.elapsed();
        let mut shared = self.lock();
        if shared.log.entries.len() == LOG_LIMIT {
            shared.log.entries.pop_front();
            shared.log.forgotten += 1;
        }
        shared.log.entries.push_back(Entry { at, kind, text: text.into() });
    }

    /// Something that was done to it from outside.
    pub fn note_change(&self, kind: &'static str, text: &str) {
        self.record(kind, text);
        self.touch();
    }

    /// The newest events, and how many older ones were forgotten.
    pub fn log(&self, most: usize) -> (Vec<Entry>, u64) {
        let shared = self.lock();
        let skip = shared.log.entries.len().saturating_sub(most);
        (shared.log.entries.iter().skip(skip).cloned().collect(), shared.log.forgotten + skip as u64)
    }

    pub(super) fn hear(&self, text: &str) {
        let mut shared = self.lock();
        if shared.heard.len() == HEARD_LIMIT {
            shared.heard.pop_front();
        }
        shared.heard.push_back(text.into());
        shared.unread += 1;
    }

    /// Nobody waits for it any more: its end is told.
    pub fn to_background(&self) {
        self.background.store(true, Ordering::Relaxed);
    }

    /// All of its events are shown from now on, or only the notable ones.
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    /// Lines that came since [`Self::read`]: what a person who looks elsewhere has not seen here.
    pub fn unread(&self) -> u64 {
        self.lock().unread
    }

    /// A person sees this session.
    pub fn read(&self) {
        self.lock().unread = 0;
    }

    /// Consumes the received lines through the first one that contains `text`; false if none does, and then
    /// nothing is consumed.
    pub fn says(&self, text: &str) -> bool {
        let mut shared = self.lock();
        let Some(index) = shared.heard.iter().position(|line| line.contains(text)) else { return false };
        shared.heard.drain(..=index);
        true
    }

    /// Received lines that `says` has not consumed, newest last.
    pub fn unheard(&self, most: usize) -> Vec<String> {
        let shared = self.lock();
        shared.heard.iter().rev().take(most).rev().cloned().collect()
    }

    /// Limits what it sends and receives, in bytes a second, from now on.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.pacer.set(rate);
    }

    /// True for a conversation: `say` and `attach` make sense.
    pub fn listens(&self) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    /// Gives a line to the session; the answer says whether it took it.
    pub async fn say(&self, text: String) -> Result<(), Failure> {
        let gone = || {
            Failure::new(crate::wire::Code::Misbehaved, format!("{} does not listen to `say`", self.label()))
        };
        if self.has_ended() {
            return Err(Failure::new(crate::wire::Code::Broken, format!("{} has ended", self.label())));
        }
        if !self.listens() {
            return Err(gone());
        }
        let (answer, taken) = oneshot::channel();
        self.sayings.send((text, answer)).await.map_err(|_| gone())?;
        tokio::select! {
            taken = taken => taken.unwrap_or_else(|_| Err(gone())),
            _ = self.ended() => Err(Failure::new(crate::wire::Code::Broken, format!("{} has ended", self.label()))),
        }
    }
}
