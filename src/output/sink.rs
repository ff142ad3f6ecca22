//! The one writer of both streams. Tasks never block on a terminal: they put text into a bounded queue; a thread
//! gathers what comes within 5 ms and writes it, or, while a line is being edited, hands it to a second thread
//! that does nothing but give it to the line editor, one batch at a time.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Rendered;
use crate::base::Secrets;

/// Texts that may wait.
const QUEUE: usize = 4096;
const GATHER: Duration = Duration::from_millis(5);

/// Prints above the line that is being edited.
pub type Print = Box<dyn FnMut(String) + Send>;

enum Item {
    Text(Rendered),
    /// Everything before this is written when the sender hears of it.
    Flush(Sender<()>),
    Editor(Print),
    /// In the place of the picture before it; `None`: that one stays.
    Picture(Option<String>),
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
            picture: None,
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
    pub fn draw(&self, mut picture: Option<String>) {
        if let Some(text) = &mut picture {
            self.secrets.hide(text);
        }
        drop(self.queue.send(Item::Picture(picture)));
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

struct Writer {
    reading: Arc<AtomicBool>,
    closed: CancellationToken,
    failed: Arc<Mutex<Option<String>>>,
    printer: Option<Printer>,
    dropped: Arc<AtomicU64>,
    /// What stands at the end of the terminal, to be drawn again below what comes.
    picture: Option<String>,
}

/// The thread that talks to the line editor: it may block, nobody else does.
struct Printer {
    batches: SyncSender<String>,
    /// What could not be handed over yet.
    waiting: Arc<Mutex<String>>,
}

impl Printer {
    fn start(print: Print) -> Self {
        let (batches, queue) = sync_channel::<String>(1);
        std::thread::Builder::new()
            .name("printer".into())
            .spawn(move || queue.into_iter().for_each(print))
            .expect("the system has room for one thread");
        Self { batches, waiting: Arc::default() }
    }

    /// False if a batch is in flight: the text waits.
    fn print(&self, text: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_str(text);
        if waiting.is_empty() {
            return true;
        }
        match self.batches.try_send(std::mem::take(&mut waiting)) {
            Ok(()) => true,
            Err(
                std::sync::mpsc::TrySendError::Full(text) | std::sync::mpsc::TrySendError::Disconnected(text),
            ) => {
                *waiting = text;
                false
            }
        }
    }

    fn take_waiting(&self) -> String {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Back to the first line of a picture, and away with it (ECMA-48: CPL and ED).
fn erase(picture: &str) -> String {
    format!("\u{1b}[{}F\u{1b}[J", picture.lines().count().max(1))
}

impl Writer {
    fn run(mut self, items: &Receiver<Item>) {
        let mut pending = false;
        loop {
            let first = if pending {
                items.recv_timeout(GATHER)
            } else {
                items.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let mut batch = Rendered::default();
            match first {
                Ok(item) => self.take(item, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // While a line is edited each print redraws it: gather.
            let until = Instant::now() + if self.is_editing() { GATHER } else { Duration::ZERO };
            while let Ok(item) = items.recv_timeout(until.saturating_duration_since(Instant::now())) {
                self.take(item, &mut batch);
            }
            pending = !self.write(&mut batch);
        }
    }

    fn is_editing(&self) -> bool {
        self.printer.is_some() && self.reading.load(Ordering::SeqCst)
    }

    fn take(&mut self, item: Item, batch: &mut Rendered) {
        match item {
            Item::Text(text) => {
                // Standard error stands beside standard output in time: keep their order.
                if !text.err.is_empty() && !self.is_editing() {
                    self.write(batch);
                }
                batch.out.push_str(&text.out);
                batch.err.push_str(&text.err);
            }
            Item::Flush(done) => {
                self.write(batch);
                let _ = done.send(());
            }
            Item::Editor(print) => self.printer = Some(Printer::start(print)),
            Item::Picture(picture) => {
                self.write(batch);
                let erased = self.picture.as_deref().filter(|_| picture.is_some()).map(erase);
                batch.out = erased.unwrap_or_default() + picture.as_deref().unwrap_or_default();
                self.picture = None;
                self.write(batch);
                self.picture = picture;
            }
        }
    }

    /// False if something still waits for the editor.
    fn write(&mut self, batch: &mut Rendered) -> bool {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            batch.err.push_str(&format!("… {dropped} events skipped\n"));
        }
        if self.is_editing()
            && let Some(printer) = &self.printer
        {
            let text = std::mem::take(&mut batch.err) + &std::mem::take(&mut batch.out);
            return printer.print(&text);
        }
        if let Some(printer) = &self.printer {
            batch.out.insert_str(0, &printer.take_waiting());
        }
        if let Some(picture) =
            self.picture.as_ref().filter(|_| !batch.out.is_empty() || !batch.err.is_empty())
        {
            let erased = erase(picture);
            if batch.err.is_empty() { &mut batch.out } else { &mut batch.err }.insert_str(0, &erased);
            batch.out.push_str(picture);
        }
        let err = std::mem::take(&mut batch.err);
        if !err.is_empty() {
            // Nowhere is left to complain to.
            drop(std::io::stderr().lock().write_all(err.as_bytes()));
        }
        let out = std::mem::take(&mut batch.out);
        if !out.is_empty() && !self.closed.is_cancelled() {
            let mut stdout = std::io::stdout().lock();
            match stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed.cancel(),
                Err(error) => {
                    let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert_with(|| crate::report::reason(&error));
                }
                Ok(()) => {}
            }
        }
        true
    }
}
