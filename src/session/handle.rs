//! A session, as seen by the service that runs in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conversation::{Order, Outgoing, OutgoingLine, Speech, Utterance};
use super::events::{Events, bug};
use super::measure::OnWay;
use super::state::{Listening, Session, State};
use super::tasks::{Blocking, Task, job};
use crate::base::{Carrier, Fields, Transport, Value};
use crate::net::Connection;
use crate::net::accept::foreign::ForeignStream;
use crate::net::connection::record::SharedRing;
use crate::net::errors::cancelled;
use crate::net::raw::RawConnection;
use crate::net::udp::peer_socket::PeerSocket;
use crate::report::{Event, Failure, Interest, Progress};

/// A service's handle to its session. Cheap to clone; all clones refer to the same session.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) session: Arc<Session>,
    pub(super) events: Events,
    pub(super) tasks: TaskTracker,
    /// Fires when the tasks have had their time to end by themselves.
    pub(super) abort: CancellationToken,
    /// Fires when the session is stopped, or sooner for a part of it.
    pub(super) cancel: CancellationToken,
    /// Of a part: what fires with all of the session, and why the part may end before.
    pub(super) whole: Option<(CancellationToken, fn() -> Failure)>,
}

impl Handle {
    pub fn id(&self) -> u64 {
        self.session.id
    }

    /// From now on handlers can react to what the session hears: its service looks for what they wait for.
    pub fn reacts(&self) {
        self.session.reacts.store(true, Ordering::Relaxed);
    }

    /// The session, as others see it.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The session's name, or `%id` if it has none.
    pub fn label(&self) -> String {
        self.session.label()
    }

    /// Runs a task as part of the session. When the session ends, the task has 2 s to end by itself and is then
    /// aborted. A panic in it is reported and affects nothing else.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_boxed(Box::pin(task));
    }

    fn spawn_boxed(&self, task: Task<()>) {
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

    /// From now on the session accepts `say`: one of its tasks must call [`Self::next_outgoing_line`].
    pub fn listens(&self) {
        self.session.outgoing.get_or_init(|| Outgoing::new(Speech::Lines));
    }

    /// From now on the session takes any bytes to send: one of its tasks must call [`Self::next_order`].
    pub fn takes_bytes(&self) {
        self.session.expect_bytes();
        self.session.outgoing.get_or_init(|| Outgoing::new(Speech::Bytes));
    }

    /// Bytes from the peer of a raw session, for expectations.
    pub fn heard_bytes(&self, bytes: &[u8]) {
        self.session.hear_bytes(bytes);
        self.session.touch();
    }

    /// The peer of a raw session has sent its last byte.
    pub fn heard_end(&self) {
        self.session.hear_end();
        self.session.touch();
    }

    /// Begins a blocking function on a thread for blocking work.
    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Blocking<T> {
        Blocking::new(self.tasks.spawn_blocking(job(work)))
    }

    /// Runs a blocking function and waits for it; an error if it panicked.
    pub async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.spawn_blocking(work).await
    }

    /// Resolves when the session is stopped.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// True once the session was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The token that ends the session: a service may fire it too, and the session counts as done if `run` then returns
    /// `Ok`.
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Ends the session, all of it: it counts as done if `run` then returns `Ok`.
    pub(crate) fn finish(&self) {
        self.whole.as_ref().map_or(&self.cancel, |(whole, _)| whole).cancel();
    }

    /// The same session for a part of its work that ends when `end` fires, which fires with [`Self::token`] at the latest;
    /// `why` it ends if that was before.
    pub(crate) fn part(&self, end: CancellationToken, why: fn() -> Failure) -> Self {
        Self { cancel: end, whole: Some((self.cancel.clone(), why)), ..self.clone() }
    }

    /// Why this part of the session has ended while the rest goes on.
    pub(crate) fn cut_off(&self) -> Option<Failure> {
        let (whole, why) = self.whole.as_ref()?;
        (self.is_cancelled() && !whole.is_cancelled()).then(why)
    }

    /// Runs `work` unless the session is stopped first.
    pub async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(self.cut_off().unwrap_or_else(cancelled)),
            result = work => result,
        }
    }

    /// The session is ready; `word` says what it is doing.
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

    /// Sets the peer's address as text.
    pub fn set_peer(&self, peer: impl Into<String>) {
        self.session.lock().peer = peer.into();
    }

    /// The session is a server: `service` is its name for people.
    pub fn listens_at(&self, listening: Listening, service: &'static str) {
        let Listening { address, carrier, .. } = &listening;
        let port = address.socket().map_or(0, |address| address.port());
        self.set_all([
            ("addr", Value::text(address.to_string())),
            ("port", Value::count(u64::from(port))),
            ("transport", Value::text(carrier.word())),
            ("service", Value::text(service)),
            ("clients", Value::count(0)),
            ("served", Value::count(0)),
        ]);
        // A session listens in one place all its life.
        let _first = self.session.listening.set(listening);
    }

    /// Sets a field.
    pub fn set(&self, name: &'static str, value: Value) {
        self.set_all([(name, value)]);
    }

    /// Sets several fields as one change.
    pub fn set_all(&self, values: impl IntoIterator<Item = (&'static str, Value)>) {
        self.session.set_all(values);
    }

    /// Adds to an integer field, which starts at 0.
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

    /// Counts received bytes; those who wait for changes are woken about once per MiB, those who look at counts each time.
    pub fn count_in(&self, bytes: u64) {
        self.count(&self.session.bytes_in, bytes);
    }

    /// Counts sent bytes, in the same way.
    pub fn count_out(&self, bytes: u64) {
        self.count(&self.session.bytes_out, bytes);
    }

    /// What one transfer has sent and what of it has arrived.
    pub(crate) fn on_way(&self) -> OnWay {
        OnWay::new(self.session.clone())
    }

    fn count(&self, counter: &AtomicU64, bytes: u64) {
        let before = counter.fetch_add(bytes, Ordering::Relaxed);
        if before >> 20 != (before + bytes) >> 20 {
            self.session.touch();
        }
        if self.session.counted.receiver_count() > 0 {
            self.session.counted.send_replace(());
        }
    }

    /// What was set with [`Self::set_control`], if it is of this type.
    pub fn control<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.session.control()
    }

    /// Sets the control of the session, which `set` uses; only its service knows the type.
    pub fn set_control(&self, control: Arc<dyn std::any::Any + Send + Sync>) {
        self.session.lock().control = Some(control);
    }

    /// The name it was given, if any.
    pub fn name(&self) -> Option<String> {
        self.session.name.clone()
    }

    /// Bytes received so far.
    pub fn bytes_in(&self) -> u64 {
        self.session.bytes_in()
    }

    /// Bytes sent so far.
    pub fn bytes_out(&self) -> u64 {
        self.session.bytes_out()
    }

    /// Sets the byte counts, where they are counted elsewhere.
    pub fn set_bytes(&self, bytes_in: u64, bytes_out: u64) {
        self.session.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.session.bytes_out.store(bytes_out, Ordering::Relaxed);
    }

    /// Sets the number of packets that a link dropped so far.
    pub fn set_dropped(&self, count: u64) {
        self.session.lock_meter().set_dropped(count);
    }

    /// The ring in which this session notes its packets.
    pub fn ring(&self) -> SharedRing {
        self.session.packets.own()
    }

    /// Includes this connection's path in [`super::Session::samples`], and its packets in [`super::Session::packets`].
    pub fn measure(&self, connection: &mut Connection) {
        self.session.packets.watch(connection);
        if let Some(gauge) = connection.outgoing.gauge() {
            self.session.lock_meter().watch(gauge);
        }
    }

    /// Notes what passes on the connection of a client that speaks another protocol.
    pub fn measure_foreign(&self, stream: &mut ForeignStream) {
        stream.note(self.session.packets.notes(stream.ends(), Transport::Tcp));
    }

    /// The same, over UDP.
    pub fn measure_peer(&self, socket: &mut PeerSocket) {
        socket.note(self.session.packets.notes(socket.ends(), Transport::Udp));
    }

    /// Notes what passes on a connection whose bytes are not ours; `is_client`: the peer opened it.
    pub fn measure_raw(&self, connection: &mut RawConnection, is_client: bool) {
        let transport = if connection.carrier == Carrier::UDP { Transport::Udp } else { Transport::Tcp };
        if let Some(ends) = connection.ends {
            connection.note(self.session.packets.notes(ends, transport), is_client);
        }
    }

    /// The packets of a session are from now on also among those of this one, whose client it is.
    pub fn include(&self, client: &Self) {
        self.session.packets.include_client(client.ring());
    }

    /// Limits the session's rate of sending and receiving, in bytes/s; `None` removes the limit.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.session.set_rate(rate);
    }

    /// The rate limit in bytes/s; `None` if there is none.
    pub fn rate_limit(&self) -> Option<u64> {
        self.session.pacer.rate()
    }

    /// Lets `bytes` through the session's limit; returns until when the caller must wait before it sends them, or
    /// `None`.
    pub fn pace(&self, bytes: u64) -> Option<Instant> {
        self.session.pacer.take(bytes, Instant::now())
    }

    /// Until when to wait so that everything let through so far is within the limit; `None` if it already is.
    pub fn owed(&self) -> Option<Instant> {
        self.session.pacer.owed(Instant::now())
    }

    /// How many of `most` bytes to send in one step under the session's limit: whole chunks, or part of a chunk where a
    /// whole one would take long.
    pub fn limit_step(&self, most: u64, chunk: u64) -> u64 {
        self.session.pacer.step(most, chunk)
    }

    /// Sets the progress, in bytes.
    pub fn progress(&self, done: u64, total: u64) {
        self.session.lock().progress = Some(Progress { done, total });
    }

    /// Sets the command line that is suggested to the user.
    pub fn suggest(&self, line: &'static str) {
        self.session.lock().suggestion = line;
    }

    /// Sets the short remark beside the progress.
    pub fn note(&self, words: String) {
        self.session.lock().note = words;
    }

    /// An event for the log only; the caller must escape text from the peer.
    pub fn log(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Log);
    }

    /// An event that is always shown.
    pub fn tell(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Everybody);
    }

    /// The same, in red.
    pub fn warn(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Warning);
    }

    /// An event that is shown at the prompt only.
    pub fn inform(&self, kind: &'static str, text: impl Into<String>) {
        self.emit(kind, text.into(), Fields::new(), Interest::Prompt);
    }

    /// A message from the peer's program, not from a person; `expect … says` matches it too.
    pub fn noticed(&self, text: &str) {
        self.tell("notice", text);
        self.hear(text);
    }

    /// Called after the event is emitted, so that a line is shown before the result of an expectation that waits for
    /// it.
    fn hear(&self, text: &str) {
        self.session.hear(text);
        self.session.touch();
    }

    /// A line from a peer: shown, logged, and available to `expect … says`.
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

    /// The next line given with `say`. Only one task of a session may call this.
    pub async fn next_outgoing_line(&self) -> OutgoingLine {
        loop {
            if let (Utterance::Line(line), answer) = self.next_order().await {
                return (line, answer);
            }
        }
    }

    /// The next thing to send. Only one task of a session may call this.
    pub async fn next_order(&self) -> Order {
        let next = match self.session.outgoing.get() {
            Some(outgoing) => outgoing.next().await,
            None => None,
        };
        match next {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}
