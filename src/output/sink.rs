//! The one writer of both streams. Tasks never block on a terminal: they put text into a bounded queue; a thread
//! gathers what comes within 5 ms and writes it, or, while a line is being edited, hands it to a second thread
//! that does nothing but give it to the line editor, one batch at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Rendered;
use super::writer::Writer;
use crate::base::Secrets;

/// Texts that may wait.
const QUEUE: usize = 4096;

/// Prints above the line that is being edited.
pub type Print = Box<dyn FnMut(String) + Send>;

/// What goes to the writing thread.
pub(super) enum Item {
    Text(Rendered),
    /// What a command of the system printed, as it is; true: to standard error.
    Bytes(Vec<u8>, bool),
    /// Everything before this is written when the sender hears of it.
    Flush(Sender<()>),
    Editor(Print),
    /// In the place of the picture before it; `None`: that one stays.
    Picture(Option<String>),
    /// How far something is, below all else; `None`: it has ended, and its bar goes.
    Bar(u64, Option<String>),
}

/// Where rendered text goes. Cheap to clone.
#[derive(Clone)]
pub struct Sink {
    queue: SyncSender<Item>,
    /// A line is being edited.
    reading: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    /// Fires when nobody reads standard output any more.
    pub closed: CancellationToken,
    /// Standard output could not be written, and why.
    failed: Arc<Mutex<Option<String>>>,
    /// Hidden in all that is written.
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
            printer: None,
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

    /// Results and errors: waits for room rather than lose one.
    pub fn put(&self, text: Rendered) {
        drop(self.queue.send(Item::Text(self.hidden(text))));
    }

    /// Events: dropped and counted when too many wait.
    pub fn offer(&self, text: Rendered) {
        let text = self.hidden(text);
        if (!text.out.is_empty() || !text.err.is_empty()) && self.queue.try_send(Item::Text(text)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Bytes of a command of the system, in which secrets are hidden already; to standard error, or output.
    pub fn pass(&self, bytes: Vec<u8>, err: bool) {
        drop(self.queue.send(Item::Bytes(bytes, err)));
    }

    /// So many events never came this far.
    pub fn skipped(&self, events: u64) {
        self.dropped.fetch_add(events, Ordering::Relaxed);
    }

    fn hidden(&self, mut text: Rendered) -> Rendered {
        self.secrets.hide(&mut text.out);
        self.secrets.hide(&mut text.err);
        text
    }

    /// Why standard output could not be written, if so.
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Draws a picture, lines of at most the terminal's width, in the place of the one before it. Text that comes
    /// meanwhile stands above it.
    pub fn draw(&self, picture: Option<String>) {
        drop(self.queue.send(Item::Picture(self.without_secrets(picture))));
    }

    /// Draws how far number `id` is, a line on standard error below all that comes; `None` ends it for good and takes it
    /// away. Later ones have higher numbers.
    pub fn bar(&self, id: u64, line: Option<String>) {
        drop(self.queue.send(Item::Bar(id, self.without_secrets(line))));
    }

    fn without_secrets(&self, mut drawn: Option<String>) -> Option<String> {
        if let Some(text) = &mut drawn {
            self.secrets.hide(text);
        }
        drawn
    }

    /// Waits until everything is written.
    pub fn flush(&self) {
        let (done, heard) = channel();
        if self.queue.send(Item::Flush(done)).is_ok() {
            // A terminal that takes nothing must not keep the program.
            let _ = heard.recv_timeout(Duration::from_secs(2));
        }
    }

    /// Texts go above the edited line from now on, while one is edited.
    pub fn set_editor(&self, print: Print) {
        drop(self.queue.send(Item::Editor(print)));
    }

    pub fn set_reading(&self, reading: bool) {
        self.reading.store(reading, Ordering::SeqCst);
    }
}
