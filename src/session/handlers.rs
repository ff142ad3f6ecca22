//! What a session answers by itself: handlers wait for something from the peer and react to it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::base::Value;
use crate::base::pattern::{Pattern, PatternSet};
use crate::report::Failure;

/// Most handlers of one session.
pub const HANDLER_LIMIT: usize = 10_000;

/// What a handler waits for.
#[derive(Clone, Debug)]
pub enum HandlerEvent {
    /// Bytes that match.
    Match(Pattern),
    /// A client has connected.
    Joins,
    /// The peer has sent its end.
    Ends,
    /// A line or a datagram that no other handler took.
    Otherwise,
}

/// The parts of what was matched, by number and name.
pub type Parts = Arc<Vec<(String, Value)>>;

/// The end of a reaction.
pub type Reacting = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// What a handler does.
pub enum Reaction {
    /// Says a text with parts of the match in it.
    Say(Vec<Piece>),
    /// Runs a statement, for the session of this id and what it said.
    Run(Box<dyn Fn(u64, Parts) -> Reacting + Send + Sync>),
}

/// A piece of a text to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The part of this number or name.
    Part(String),
}

/// One handler.
pub struct Handler {
    /// As it was written, without its statement.
    pub written: String,
    /// What it waits for.
    pub event: HandlerEvent,
    /// How long after that it reacts.
    pub delay: Duration,
    /// What it does.
    pub reaction: Reaction,
    /// How often it may still react; [`u64::MAX`] is as often as it happens.
    left: AtomicU64,
    fired: AtomicU64,
}

impl Handler {
    /// `times`: how often it reacts at most; `None` is no limit.
    pub fn new(
        (written, event): (String, HandlerEvent),
        delay: Duration,
        times: Option<u64>,
        reaction: Reaction,
    ) -> Self {
        let left = AtomicU64::new(times.unwrap_or(u64::MAX));
        Self { written, event, delay, reaction, left, fired: AtomicU64::new(0) }
    }

    /// How often it reacted.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    /// Counts a reaction; false if there were enough of them.
    pub fn fire(&self) -> bool {
        let one_less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        let may = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        self.fired.fetch_add(u64::from(may), Ordering::Relaxed);
        may
    }

    fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// The handlers of a session at one time.
#[derive(Default)]
pub struct HandlerSet {
    all: Vec<Arc<Handler>>,
    /// Of those that wait for a match: the patterns, made when they are first needed, and which handler each belongs to.
    patterns: OnceLock<Option<PatternSet>>,
    owners: Vec<usize>,
    /// Lines are looked at one by one: some handler takes those that no other does.
    pub by_lines: bool,
}

impl HandlerSet {
    fn new(all: Vec<Arc<Handler>>) -> Self {
        let is_match = |handler: &Arc<Handler>| matches!(handler.event, HandlerEvent::Match(_));
        let owners = all.iter().enumerate().filter(|(_, handler)| is_match(handler)).map(|(at, _)| at);
        let owners = owners.collect();
        let by_lines = all.iter().any(|handler| matches!(handler.event, HandlerEvent::Otherwise));
        Self { all, patterns: OnceLock::new(), owners, by_lines }
    }

    /// All, in the order in which they were added.
    pub fn all(&self) -> &[Arc<Handler>] {
        &self.all
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The patterns of those that wait for a match; `None` if none does.
    pub fn patterns(&self) -> Option<&PatternSet> {
        let make = || {
            let pattern = |at: &usize| match &self.all[*at].event {
                HandlerEvent::Match(pattern) => Some(pattern.clone()),
                _ => None,
            };
            let patterns: Vec<Pattern> = self.owners.iter().filter_map(pattern).collect();
            // Together they are too large only if each is very large: then none of them reacts.
            if patterns.is_empty() { None } else { PatternSet::new(patterns).ok() }
        };
        self.patterns.get_or_init(make).as_ref()
    }

    /// The handler of a pattern of [`Self::patterns`].
    pub fn of_pattern(&self, pattern: usize) -> &Arc<Handler> {
        &self.all[self.owners[pattern]]
    }

    /// Those that wait for an event that is no match.
    pub fn of_event(&self, is_it: impl Fn(&HandlerEvent) -> bool) -> impl Iterator<Item = &Arc<Handler>> {
        self.all.iter().filter(move |handler| is_it(&handler.event))
    }
}

/// The handlers of a session, which may change while it runs.
#[derive(Default)]
pub(super) struct Handlers {
    set: Mutex<Arc<HandlerSet>>,
    version: watch::Sender<u64>,
}

impl Handlers {
    /// As they are now.
    pub(super) fn now(&self) -> Arc<HandlerSet> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds one, and drops those that have reacted often enough.
    pub(super) fn add(&self, handler: Handler) -> Result<(), String> {
        let mut current = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = current.all.iter().filter(|handler| !handler.is_spent()).cloned().collect();
        if all.len() >= HANDLER_LIMIT {
            return Err(format!("more than {HANDLER_LIMIT} handlers"));
        }
        all.push(Arc::new(handler));
        *current = Arc::new(HandlerSet::new(all));
        drop(current);
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Tells that handlers were added; the number grows with each.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Drops those that have reacted often enough.
    pub(super) fn forget_spent(&self) {
        let mut current = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = current.all.iter().filter(|handler| !handler.is_spent()).cloned().collect();
        *current = Arc::new(HandlerSet::new(all));
    }

    /// Removes all; returns their number.
    pub(super) fn clear(&self) -> usize {
        let before = std::mem::take(&mut *self.set.lock().unwrap_or_else(PoisonError::into_inner));
        before.all.len()
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.now().all.iter().map(|handler| &handler.written)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_reacts_as_often_as_it_may_and_is_then_dropped() {
        let handlers = Handlers::default();
        let one = |times| {
            let event = HandlerEvent::Match(Pattern::literal(b"x").unwrap());
            Handler::new(("x".into(), event), Duration::ZERO, times, Reaction::Say(Vec::new()))
        };
        handlers.add(one(Some(2))).unwrap();
        handlers.add(one(None)).unwrap();
        let set = handlers.now();
        assert!(set.all()[0].fire() && set.all()[0].fire() && !set.all()[0].fire());
        assert!((0..100).all(|_| set.all()[1].fire()));
        handlers.forget_spent();
        let set = handlers.now();
        assert_eq!((set.all().len(), set.all()[0].fired()), (1, 100));
        assert_eq!((handlers.clear(), handlers.now().is_empty()), (1, true));
    }
}
