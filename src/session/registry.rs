//! All sessions of a shell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clients::ClientList;
use super::events::{Events, bug};
use super::handle::Handle;
use super::handlers::Handlers;
use super::measure::{Meter, Packets};
use super::rate_limiter::RateLimiter;
use super::state::{Session, Shared, State};
use super::tasks::{Blocking, Task, job};
use super::{CLOSING_LIMIT, ENDED_LIMIT, SESSION_LIMIT, errors};
use crate::base::Value;
use crate::report::{Event, Failure, Interest, Outcome};
use crate::wire::Code;

/// How long the drivers of connections may take to send their close when the shell ends.
const GOODBYE_LIMIT: Duration = Duration::from_millis(200);

/// A task that is aborted when its waiter is dropped.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The properties of a new session.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command that starts it, such as `listen`.
    pub verb: &'static str,
    /// What it is, for people: `ftp server`, `send a.bin`.
    pub kind: String,
    pub name: Option<String>,
    /// No command waits for it: its end is shown, however soon it comes.
    pub background: bool,
    /// The server whose client it is.
    pub parent: Option<u64>,
}

/// The sessions; ids are never used twice.
#[derive(Debug)]
pub struct Registry {
    sessions: Mutex<BTreeMap<u64, Arc<Session>>>,
    next: AtomicU64,
    events: Events,
    root: CancellationToken,
    supervisors: TaskTracker,
    drivers: TaskTracker,
    /// True while the task that takes samples of live sessions is running.
    sampling: AtomicBool,
}

impl Registry {
    /// `queue` receives the events of all sessions.
    pub fn new(queue: mpsc::Sender<Event>) -> Arc<Self> {
        Arc::new(Self {
            sessions: Mutex::default(),
            next: AtomicU64::new(1),
            events: Events { queue, dropped: Arc::default() },
            root: CancellationToken::new(),
            supervisors: TaskTracker::new(),
            drivers: TaskTracker::new(),
            sampling: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes ended sessions; returns their number.
    pub fn forget_ended(&self) -> usize {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions.retain(|_, session| !session.has_ended());
        before - sessions.len()
    }

    /// Number of events dropped since the last call because the queue was full.
    pub fn take_dropped(&self) -> u64 {
        self.events.dropped.swap(0, Ordering::Relaxed)
    }

    /// Starts a session; an error if too many are alive. A panic in it fails this session and nothing else (faults.md row
    /// 98).
    pub fn start<F>(
        self: &Arc<Self>,
        request: Request,
        run: impl FnOnce(Handle) -> F,
    ) -> Result<Arc<Session>, Failure>
    where
        F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
    {
        if self.live().len() >= SESSION_LIMIT {
            return Err(errors::too_many_sessions(SESSION_LIMIT));
        }
        let session = Arc::new(self.new_session(request));
        let handle = Handle {
            session: session.clone(),
            events: self.events.clone(),
            tasks: TaskTracker::new(),
            abort: CancellationToken::new(),
            cancel: session.cancel.clone(),
            whole: None,
        };
        session.sample(false);
        self.remember(session.clone());
        if !self.sampling.swap(true, Ordering::SeqCst) {
            drop(tokio::spawn(sample(Arc::downgrade(self), self.root.clone())));
        }
        let run: Task<_> = Box::pin(run(handle.clone()));
        let task = tokio::spawn(run);
        self.supervisors.spawn(supervise(handle, task));
        Ok(session)
    }

    pub(super) fn new_session(&self, request: Request) -> Session {
        Session {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            name: request.name,
            verb: request.verb,
            kind: request.kind,
            parent: request.parent,
            cancel: self.root.child_token(),
            began: Instant::now(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            shared: Mutex::new(Shared::new()),
            changed: watch::Sender::new(0),
            counted: watch::Sender::new(()),
            listening: OnceLock::new(),
            outgoing: OnceLock::new(),
            on_way: AtomicU64::new(0),
            background: request.background.into(),
            watched: AtomicBool::new(false),
            hexadecimal: AtomicBool::new(false),
            packets: Packets::default(),
            pacer: RateLimiter::default(),
            guests: ClientList::default(),
            handlers: Handlers::default(),
            reacts: AtomicBool::new(false),
            meter: Mutex::new(Meter::new()),
        }
    }

    /// Runs a task that is not part of a session until it ends by itself, such as the driver of a connection that
    /// outlives its command. When the shell ends, the task has a short time to close its connection.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task: Task<()> = Box::pin(task);
        self.drivers.spawn(task);
    }

    /// Runs a command that is not a session; a panic in it becomes its failure and affects nothing else.
    pub async fn attempt<T: Send + 'static>(
        &self,
        job: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let job: Task<_> = Box::pin(job);
        let mut task = AbortOnDrop(tokio::spawn(job));
        (&mut task.0).await.unwrap_or_else(|error| Err(bug(error)))
    }

    /// Does what may block away from the network's threads.
    pub async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        Blocking::new(tokio::task::spawn_blocking(job(work))).await
    }

    /// Adds a session, and removes the oldest ended ones beyond [`ENDED_LIMIT`].
    fn remember(&self, session: Arc<Session>) {
        let mut sessions = self.lock();
        sessions.insert(session.id, session);
        let ended: Vec<u64> = sessions.values().filter(|s| s.has_ended()).map(|s| s.id).collect();
        for id in ended.iter().take(ended.len().saturating_sub(ENDED_LIMIT)) {
            sessions.remove(id);
        }
    }

    /// All sessions, oldest first.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// The sessions that have not ended, oldest first.
    pub fn live(&self) -> Vec<Arc<Session>> {
        self.all().into_iter().filter(|session| !session.has_ended()).collect()
    }

    /// The newest client of a server that is a session of its own.
    pub fn last_child(&self, server: u64) -> Option<Arc<Session>> {
        self.lock().values().rev().find(|session| session.parent == Some(server)).cloned()
    }

    pub fn by_id(&self, id: u64) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    /// The newest session with this name; it hides older ones.
    pub fn by_name(&self, name: &str) -> Option<Arc<Session>> {
        self.lock().values().rev().find(|session| session.name.as_deref() == Some(name)).cloned()
    }

    /// Stops all sessions and waits for at most `limit`; returns those that were still alive then.
    pub async fn close(&self, limit: Duration) -> Vec<String> {
        self.root.cancel();
        self.supervisors.close();
        drop(tokio::time::timeout(limit, self.supervisors.wait()).await);
        self.drivers.close();
        drop(tokio::time::timeout(GOODBYE_LIMIT, self.drivers.wait()).await);
        self.live().iter().map(|session| format!("{} ({})", session.label(), session.kind)).collect()
    }
}

/// Takes samples of the live sessions until none is left.
async fn sample(registry: Weak<Registry>, end: CancellationToken) {
    let mut tick = tokio::time::interval(super::measure::STEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(registry) = registry.upgrade() else { return };
        let live = registry.live();
        live.iter().for_each(|session| session.sample(false));
        if live.is_empty() {
            registry.sampling.store(false, Ordering::SeqCst);
            // A session started in the meantime has found the flag set and has not spawned another task.
            if registry.live().is_empty() || registry.sampling.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// The state that a task leaves its session in.
fn end_of(handle: &Handle, done: Result<Result<Outcome, Failure>, tokio::task::JoinError>) -> State {
    match done {
        Ok(Ok(outcome)) => State::Done(outcome),
        Ok(Err(failure)) if failure.code == Code::Cancelled && handle.is_cancelled() => {
            State::Cancelled { kept: failure.why.split_once("; ").map(|(_, kept)| kept.to_owned()) }
        }
        Ok(Err(failure)) => State::Failed(failure),
        Err(error) => State::Failed(bug(error)),
    }
}

/// Waits for the end of a session and sets its final state: done, failed or cancelled (faults.md N3).
async fn supervise(handle: Handle, task: tokio::task::JoinHandle<Result<Outcome, Failure>>) {
    let state = end_of(&handle, task.await);
    handle.session.cancel.cancel();
    handle.tasks.close();
    if tokio::time::timeout(CLOSING_LIMIT, handle.tasks.wait()).await.is_err() {
        handle.abort.cancel();
        drop(tokio::time::timeout(CLOSING_LIMIT, handle.tasks.wait()).await);
    }
    let text = match &state {
        State::Done(outcome) if !outcome.text.is_empty() => outcome.text.clone(),
        State::Done(_) => "done".to_owned(),
        State::Failed(failure) => failure.to_string(),
        State::Cancelled { kept: Some(kept) } => format!("stopped; {kept}"),
        _ => "stopped".to_owned(),
    };
    let word = state.word();
    handle.session.sample(true);
    handle.session.record(word, &text);
    set_end(&handle.session, state);
    handle.session.touch();
    let event = Event {
        session: handle.session.id,
        label: handle.session.label(),
        kind: word,
        text,
        fields: vec![("seconds", Value::seconds(handle.session.age()))],
        interest: if handle.session.background.load(Ordering::Relaxed) {
            Interest::Everybody
        } else {
            Interest::Log
        },
    };
    handle.events.send_surely(event).await;
}

/// Sets the final state, and the fields of the outcome.
fn set_end(session: &Session, state: State) {
    let mut shared = session.lock();
    if let State::Done(outcome) = &state {
        for (name, value) in &outcome.fields {
            match shared.fields.iter_mut().find(|(n, _)| n == name) {
                Some((_, known)) => *known = value.clone(),
                None => shared.fields.push((name, value.clone())),
            }
        }
    }
    shared.ended = Some(session.began.elapsed());
    shared.state = state;
}
