//! A session as the service that runs in it sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::registry::{Events, bug};
use super::state::{Saying, Session, State};
use crate::base::{Fields, Value};
use crate::net::Connection;
use crate::report::{Event, Failure, Interest, Progress};
use crate::wire::Code;

/// Cheap to clone; all clones mean the same session.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) session: Arc<Session>,
    pub(super) events: Events,
    pub(super) tasks: TaskTracker,
    /// Fires when the tasks had their time to end by themselves.
    pub(super) abort: CancellationToken,
    pub(super) sayings: Arc<tokio::sync::Mutex<mpsc::Receiver<Saying>>>,
}

impl Handle {
    pub fn id(&self) -> u64 {
        self.session.id
    }

    pub fn label(&self) -> String {
        self.session.label()
    }

    /// Runs beside the session; at its end it has 2 s to notice and is then dropped. A panic in it is said and
    /// harms nobody else.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (abort, handle) = (self.abort.clone(), self.clone());
        let mut task = tokio::spawn(task);
        self.tasks.spawn(async move {
            tokio::select! {
                () = abort.cancelled() => task.abort(),
                result = &mut task => if let Err(error) = result {
                    handle.tell("bug", bug(error).to_string());
                },
            }
        });
    }

    /// From now on `say` reaches this session: some task of it calls [`Self::next_saying`].
    pub fn listens(&self) {
        self.session.listens.store(true, Ordering::Relaxed);
    }

    /// Runs a blocking function on a thread of its own kind.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn_blocking(work)
    }

    /// Waits for a blocking function.
    pub async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.spawn_blocking(work).await.map_err(|_| Failure::of_worker())
    }

    /// Resolves when the session is stopped.
    pub async fn cancelled(&self) {
        self.session.cancel.cancelled().await;
    }

    pub fn is_cancelled(&self) -> bool {
        self.session.cancel.is_cancelled()
    }

    /// Ends the session from inside; it counts as done if `run` then returns `Ok`.
    pub fn token(&self) -> CancellationToken {
        self.session.cancel.clone()
    }

    /// Runs `work` unless the session is stopped first.
    pub async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(cancelled()),
            result = work => result,
        }
    }

    /// From now on the session is ready and does this.
    pub fn running(&self, word: &'static str) {
        let changed = {
            let mut shared = self.session.lock();
            let changes = !shared.state.has_ended() && shared.state.word() != word;
            if changes {
                shared.state = State::Running(word);
            }
            changes
        };
        if changed {
            self.session.touch();
        }
    }

    pub fn set_peer(&self, peer: impl Into<String>) {
        self.session.lock().peer = peer.into();
    }

    pub fn set(&self, name: &'static str, value: Value) {
        self.set_all([(name, value)]);
    }

    pub fn set_all(&self, values: impl IntoIterator<Item = (&'static str, Value)>) {
        {
            let mut shared = self.session.lock();
            for (name, value) in values {
                match shared.fields.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, known)) => *known = value,
                    None => shared.fields.push((name, value)),
                }
            }
        }
        self.session.touch();
    }

    /// Adds to a count.
    pub fn add(&self, name: &'static str, more: i128) {
        {
            let mut shared = self.session.lock();
            match shared.fields.iter_mut().find(|(n, _)| *n == name) {
                Some((_, Value::Integer(count))) => *count += more,
                _ => shared.fields.push((name, Value::Integer(more))),
            }
        }
        self.session.touch();
    }

    /// Counts bytes; wakes who waits about once a mebibyte.
    pub fn count_in(&self, bytes: u64) {
        self.count(&self.session.bytes_in, bytes);
    }

    pub fn count_out(&self, bytes: u64) {
        self.count(&self.session.bytes_out, bytes);
    }

    fn count(&self, counter: &AtomicU64, bytes: u64) {
        let before = counter.fetch_add(bytes, Ordering::Relaxed);
        if before >> 20 != (before + bytes) >> 20 {
            self.session.touch();
        }
    }

    /// What only its service knows how to turn, for `set`.
    pub fn set_knob(&self, knob: Arc<dyn std::any::Any + Send + Sync>) {
        self.session.lock().knob = Some(knob);
    }

    /// The name it was given.
    pub fn name(&self) -> Option<String> {
        self.session.name.clone()
    }

    /// Counts that somebody else keeps.
    pub fn set_bytes(&self, bytes_in: u64, bytes_out: u64) {
        self.session.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.session.bytes_out.store(bytes_out, Ordering::Relaxed);
    }

    /// Packets that a link dropped so far.
    pub fn set_dropped(&self, count: u64) {
        self.session.lock_meter().set_dropped(count);
    }

    /// This connection's path is part of what [`super::Session::samples`] tells.
    pub fn measure(&self, connection: &Connection) {
        if let Some(gauge) = connection.outgoing.gauge() {
            self.session.lock_meter().watch(gauge);
        }
    }

    /// Limits what the session sends and receives, in bytes a second.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.session.set_rate(rate);
    }

    pub fn rate_limit(&self) -> Option<u64> {
        self.session.pacer.rate()
    }

    /// Lets `bytes` through the session's limit; the answer is until when to wait before that.
    pub fn pace(&self, bytes: u64) -> Option<Instant> {
        self.session.pacer.take(bytes, Instant::now())
    }

    /// Until when to wait so that all that was let through is within the limit; `None`: it is.
    pub fn owed(&self) -> Option<Instant> {
        self.session.pacer.owed(Instant::now())
    }

    /// How much of `most` bytes to send at once under the session's limit, in whole chunks.
    pub fn limit_step(&self, most: u64, chunk: u64) -> u64 {
        self.session.pacer.step(most, chunk)
    }

    pub fn progress(&self, done: u64, total: u64) {
        self.session.lock().progress = Some(Progress { done, total });
    }

    /// What one would type next.
    pub fn suggest(&self, line: &'static str) {
        self.session.lock().suggestion = line;
    }

    /// How it goes, in a few words, beside the progress.
    pub fn note(&self, words: String) {
        self.session.lock().note = words;
    }

    /// Something for the log only; `text` is escaped by the caller where it is foreign.
    pub fn log(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Log);
    }

    /// Something that people should see as it happens.
    pub fn tell(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Everybody);
    }

    /// Something that a person at the prompt should see as it happens.
    pub fn inform(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Prompt);
    }

    /// Something that a peer's program says, not a person: `expect … says` hears it, too.
    pub fn noticed(&self, text: &str) {
        self.tell("notice", text);
        self.hear(text);
    }

    /// Last: what an expectation waits for is shown before whatever comes of the expectation.
    fn hear(&self, text: &str) {
        self.session.hear(text);
        self.session.touch();
    }

    /// A line that a peer said: shown, logged, and there for `expect … says`.
    pub fn heard(&self, from: &str, text: &str) {
        let shown = format!("{from}: {text}");
        self.emit(
            "message",
            shown,
            vec![("from", Value::text(from)), ("text", Value::text(text))],
            Interest::Everybody,
        );
        self.hear(text);
    }

    fn emit(&self, kind: &'static str, text: String, fields: Fields, interest: Interest) {
        self.session.record(kind, &text);
        self.events.send(Event {
            session: self.session.id,
            label: self.session.label(),
            kind,
            text,
            fields,
            interest: if self.session.watched.load(Ordering::Relaxed) {
                Interest::Everybody
            } else {
                interest
            },
        });
        self.session.touch();
    }

    /// The next line given with `say`. Only one task of a session may listen.
    pub async fn next_saying(&self) -> Saying {
        match self.sayings.lock().await.recv().await {
            Some(saying) => saying,
            None => std::future::pending().await,
        }
    }
}

/// Stopped by its user.
pub fn cancelled() -> Failure {
    Failure::new(Code::Cancelled, "stopped")
}
