//! The only writer to standard output and standard error. Tasks put text into a bounded queue and never block on a
//! terminal. A thread writes it; while a line is being edited, it gathers the text of 5 ms, which the line editor takes
//! when it draws.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;

use super::item::Item;
use super::writer::{AboveLine, Wake, Writer};
use super::{Rendered, Style};
use crate::base::Secrets;
use crate::language;
use crate::report::Report;

/// Most items that wait for the writing thread.
const QUEUE: usize = 4096;

/// Where rendered text goes. Clones are cheap and share one queue.
#[derive(Clone)]
pub struct Sink {
    queue: SyncSender<Item>,
    /// True while a line is being edited.
    reading: Arc<AtomicBool>,
    /// Events that were dropped and not yet reported.
    dropped: Arc<AtomicU64>,
    /// Cancelled once the reader of standard output is gone (EPIPE).
    pub closed: CancellationToken,
    /// Why writing to standard output failed; `None` if it has not.
    failed: Arc<Mutex<Option<String>>>,
    /// Masked in all text that is written.
    pub secrets: Secrets,
}

impl Sink {
    /// Starts the writing thread.
    pub fn start() -> Self {
        let (queue, items) = sync_channel(QUEUE);
        let sink = Self {
            queue,
            reading: Arc::default(),
            dropped: Arc::default(),
            closed: CancellationToken::new(),
            failed: Arc::default(),
            secrets: Secrets::default(),
        };
        let writer = Writer {
            reading: sink.reading.clone(),
            closed: sink.closed.clone(),
            failed: sink.failed.clone(),
            above: None,
            dropped: sink.dropped.clone(),
            drawn: None,
            ended_bar: 0,
        };
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || writer.run(&items))
            .expect("the system has room for one thread");
        sink
    }

    /// Waits for room in the queue.
    fn send(&self, item: Item) {
        if let Err(TrySendError::Full(item)) = self.queue.try_send(item) {
            drop(aside(|| self.queue.send(item)));
        }
    }

    /// Queues results and errors; waits for room in the queue, so that none is lost.
    pub fn put(&self, text: Rendered) {
        self.put_as_it_is(self.masked(text));
    }

    /// Queues errors in a source text.
    pub fn put_errors(&self, reports: &[language::Report], style: &Style) {
        let text = style.render_errors(reports, &self.secrets);
        if style.json { self.put_as_it_is(text) } else { self.put(text) }
    }

    /// Queues what [`Self::text_of`] made, or text that is masked otherwise.
    pub fn put_as_it_is(&self, text: Rendered) {
        self.send(Item::Text(text));
    }

    /// Queues events, masked already; they are dropped and counted if the queue is full.
    pub fn offer(&self, text: Rendered) {
        if (!text.out.is_empty() || !text.err.is_empty()) && self.queue.try_send(Item::Text(text)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues output of a system command, whose secrets are masked already; `err`: for standard error.
    pub fn pass(&self, bytes: Vec<u8>, err: bool) {
        self.send(Item::Bytes(bytes, err));
    }

    /// Counts events that were dropped before they reached this sink.
    pub fn skipped(&self, events: u64) {
        self.dropped.fetch_add(events, Ordering::Relaxed);
    }

    /// The text of a report, without secrets unless it is there to show one. What is for machines is masked before it is
    /// encoded and not again: a secret may be a word of the encoding, too.
    pub fn text_of(&self, mut report: Report, style: &Style) -> Rendered {
        report.hide(&self.secrets);
        let text = style.render(&report);
        if style.json || report.reveals() { text } else { self.masked(text) }
    }

    /// The text without secrets.
    pub fn masked(&self, mut text: Rendered) -> Rendered {
        self.secrets.hide(&mut text.out);
        self.secrets.hide(&mut text.err);
        text
    }

    /// Why writing to standard output failed; `None` if it has not.
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Draws a picture in place of the one before it; its lines must fit the terminal. Other text appears above it.
    /// `None`: the last picture stays on the screen and is no longer redrawn.
    pub fn draw(&self, picture: Option<String>) {
        self.send(Item::Picture(self.without_secrets(picture)));
    }

    /// Draws progress bar `id` as one line on standard error, below all other text; `None` ends and erases it. Later
    /// bars have higher numbers.
    pub fn bar(&self, id: u64, line: Option<String>) {
        self.send(Item::Bar(id, self.without_secrets(line)));
    }

    fn without_secrets(&self, mut drawn: Option<String>) -> Option<String> {
        if let Some(text) = &mut drawn {
            self.secrets.hide(text);
        }
        drawn
    }

    /// Waits until everything queued so far is written, at most 2 s.
    pub fn flush(&self) {
        let (done, heard) = channel();
        self.send(Item::Flush(done));
        // A terminal that accepts no output must not hold up the program.
        let _ = aside(|| heard.recv_timeout(Duration::from_secs(2)));
    }

    /// From now on, text that comes while a line is being edited waits in the result until the editor takes it; `wake`
    /// makes it do so.
    pub fn set_editor(&self, wake: Wake) -> Arc<AboveLine> {
        let above = AboveLine::new(wake);
        self.send(Item::Editor(above.clone()));
        above
    }

    /// Tells whether a line is being edited now.
    pub fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Ordering::SeqCst);
    }
}

/// Waits for whoever reads the output. A worker of the runtime leaves its tasks to another thread meanwhile: they may be
/// those of servers, and it may be the one that looks at all sockets.
fn aside<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}
