//! Shows the events of sessions, in order with the results of commands.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;

use crate::output::{Sink, Style};
use crate::report::{Event, Report};
use crate::session::Registry;

/// Passes events of sessions to the standard streams. If there are too many, some are skipped and their number is
/// shown; the end of a session is never skipped.
pub(super) struct EventFeed {
    pub(super) events: Mutex<mpsc::Receiver<Event>>,
    pub(super) registry: Weak<Registry>,
    pub(super) sink: Sink,
    pub(super) style: Style,
    pub(super) quiet: Arc<AtomicBool>,
}

impl EventFeed {
    /// Shows events as they happen, until the shell is gone.
    pub(super) async fn show(self: Arc<Self>) {
        while std::future::poll_fn(|context| {
            let mut events = self.lock();
            events.poll_recv(context).map(|event| event.map(|event| self.put(event)))
        })
        .await
        .is_some()
        {}
    }

    /// Shows the queued events, so that those from before a result are shown before it.
    pub(super) fn show_what_waits(&self) {
        let mut events = self.lock();
        for _ in 0..events.len() {
            if let Ok(event) = events.try_recv() {
                self.put(event);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, mpsc::Receiver<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, event: Event) {
        if let Some(registry) = self.registry.upgrade() {
            self.sink.skipped(registry.take_dropped());
        }
        let is_end = event.is_end();
        let text = self.sink.text_of(Report::Event(event), &self.style.quiet(&self.quiet));
        if is_end { self.sink.put_as_it_is(text) } else { self.sink.offer(text) }
    }
}
