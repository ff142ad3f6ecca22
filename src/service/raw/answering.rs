//! What a raw session answers by itself: finds the handlers for what came, and runs them in order.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::base::Value;
use crate::base::pattern::PatternSet;
use crate::report::Failure;
use crate::session::byte_inbox::{ByteInbox, PENDING_LIMIT, Taken};
use crate::session::handlers::{Handler, HandlerEvent, HandlerSet, Parts, Piece, Reaction};
use crate::session::{Handle, Session, Utterance};

/// Reactions that may wait.
const WAITING_LIMIT: usize = 256;

/// A handler that is to react, and to what.
pub(super) type Due = (Arc<Handler>, Parts);

/// The way from what came to what reacts.
pub(super) fn queue() -> (mpsc::Sender<Due>, mpsc::Receiver<Due>) {
    mpsc::channel(WAITING_LIMIT)
}

/// Looks for what handlers wait for.
pub(super) struct Answering {
    session: Handle,
    /// The server whose client this is: its handlers count if the session has none of its own.
    server: Option<Handle>,
    inbox: ByteInbox,
    /// What comes is a datagram, which is looked at alone.
    whole: bool,
    due: mpsc::Sender<Due>,
    /// Tell that handlers were added: to the session, to its server.
    changes: (watch::Receiver<u64>, Option<watch::Receiver<u64>>),
}

impl Answering {
    pub(super) fn new(session: Handle, server: Option<Handle>, whole: bool, due: mpsc::Sender<Due>) -> Self {
        let changes = |handle: &Handle| handle.session().handler_changes();
        let changes = (changes(&session), server.as_ref().map(changes));
        Self { session, server, inbox: ByteInbox::new(PENDING_LIMIT), whole, due, changes }
    }

    fn handlers(&self) -> Arc<HandlerSet> {
        handlers(&self.session, self.server.as_ref())
    }

    /// A client has connected, or the peer has ended.
    pub(super) async fn happened(&mut self, is_it: fn(&HandlerEvent) -> bool) {
        let handlers = self.handlers();
        for handler in handlers.of_event(is_it) {
            self.react(handler, Vec::new()).await;
        }
    }

    /// Resolves when handlers were added: they may fit what came before.
    pub(super) async fn changed(&mut self) {
        match &mut self.changes {
            (own, None) => drop(own.changed().await),
            (own, Some(theirs)) => tokio::select! {
                _ = own.changed() => {}
                _ = theirs.changed() => {}
            },
        }
    }

    /// Bytes came.
    pub(super) async fn came(&mut self, bytes: &[u8]) {
        if self.whole {
            let handlers = self.handlers();
            if !handlers.is_empty() {
                self.alone(&handlers, bytes).await;
            }
            return;
        }
        self.inbox.push(bytes);
        self.look().await;
    }

    /// Looks at what is there.
    pub(super) async fn look(&mut self) {
        let handlers = self.handlers();
        if handlers.is_empty() {
            // A handler that is added later sees what came before it.
            return;
        }
        if handlers.by_lines {
            while let Some(line) = self.inbox.take_line() {
                self.alone(&handlers, &line).await;
            }
            return;
        }
        let Some(patterns) = handlers.patterns() else { return };
        while let Some(taken) = self.inbox.take_or_drop(patterns) {
            self.matched(&handlers, patterns, &taken).await;
        }
    }

    /// The peer has ended: what could have become longer is what it is.
    pub(super) async fn ended(&mut self) {
        self.inbox.end();
        let handlers = self.handlers();
        if handlers.by_lines && !self.inbox.rest().is_empty() {
            self.alone(&handlers, self.inbox.rest()).await;
        } else if let Some(patterns) = handlers.patterns() {
            while let Some(taken) = self.inbox.take(patterns, true) {
                self.matched(&handlers, patterns, &taken).await;
            }
        }
        self.happened(|event| matches!(event, HandlerEvent::Ends)).await;
    }

    /// A line or a datagram, which one handler takes.
    async fn alone(&self, handlers: &HandlerSet, bytes: &[u8]) {
        let mut inbox = ByteInbox::default();
        inbox.push(bytes);
        inbox.end();
        let taken = handlers.patterns().and_then(|patterns| Some((patterns, inbox.take(patterns, true)?)));
        if let Some((patterns, taken)) = taken {
            return self.matched(handlers, patterns, &taken).await;
        }
        let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let whole = vec![("0".to_owned(), text(line.unwrap_or(bytes)))];
        if let Some(handler) = handlers.of_event(|event| matches!(event, HandlerEvent::Otherwise)).next() {
            self.react(handler, whole).await;
        }
    }

    async fn matched(&self, handlers: &HandlerSet, patterns: &PatternSet, taken: &Taken) {
        self.react(handlers.of_pattern(taken.pattern), taken.parts(patterns)).await;
    }

    async fn react(&self, handler: &Arc<Handler>, parts: Vec<(String, Value)>) {
        if !handler.fire() {
            let owner = self.server.as_ref().unwrap_or(&self.session);
            return owner.session().forget_spent_handlers();
        }
        let (due, handler) = ((handler.clone(), Arc::new(parts)), handler.clone());
        if handler.delay.is_zero() {
            // The worker ends with the session alone.
            drop(self.due.send(due).await);
            return;
        }
        let (queue, delay) = (self.due.clone(), handler.delay);
        self.session.spawn(async move {
            tokio::time::sleep(delay).await;
            drop(queue.send(due).await);
        });
    }
}

/// The handlers of a session, or those of its server if it has none of its own.
pub(super) fn handlers(session: &Handle, server: Option<&Handle>) -> Arc<HandlerSet> {
    let own = session.session().handlers();
    match server {
        Some(server) if own.is_empty() => server.session().handlers(),
        _ => own,
    }
}

/// Runs what is due, one after the other, until nothing more can come.
pub(super) async fn work(session: &Handle, server: Option<&Handle>, mut due: mpsc::Receiver<Due>) {
    while let Some((handler, parts)) = due.recv().await {
        let result = match &handler.reaction {
            Reaction::Say(pieces) => say(session.session(), pieces, &parts).await,
            Reaction::Run(run) => run(session.id(), parts).await,
        };
        for counted in [Some(session), server].into_iter().flatten() {
            counted.add("answers", 1);
        }
        if let Err(failure) = result {
            session.tell("trouble", format!("{}: {failure}", handler.written));
        }
    }
}

async fn say(session: &Session, pieces: &[Piece], parts: &Parts) -> Result<(), Failure> {
    let part =
        |name: &String| parts.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string());
    let text: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Part(name) => part(name).unwrap_or_default(),
        })
        .collect();
    session.utter(Utterance::Line(text)).await
}

fn text(bytes: &[u8]) -> Value {
    Value::Text(String::from_utf8_lossy(bytes).into_owned())
}
