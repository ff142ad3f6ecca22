//! The thread that writes, and the one that hands batches to the line editor.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Rendered;
use super::sink::{Item, Print};

/// What comes within this time is written together.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that wait for the line editor, which shows nothing while it searches or lists.
const WAITING_LIMIT: usize = 256 << 10;

pub(super) struct Writer {
    pub(super) reading: Arc<AtomicBool>,
    pub(super) closed: CancellationToken,
    pub(super) failed: Arc<Mutex<Option<String>>>,
    pub(super) printer: Option<Printer>,
    pub(super) dropped: Arc<AtomicU64>,
    /// What stands at the end of the terminal, to be drawn again below what comes.
    pub(super) drawn: Option<Drawn>,
    /// Bars up to this number have ended: one that was on its way is late.
    pub(super) ended_bar: u64,
}

/// Lines at the end of the terminal.
pub(super) struct Drawn {
    text: String,
    on: Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// The thread that talks to the line editor: it may block, nobody else does.
pub(super) struct Printer {
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

    /// False if a batch is in flight: the text waits. Of too much that waits the oldest lines go, and are counted.
    fn print(&self, text: &str, dropped: &AtomicU64) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_str(text);
        if let Some(excess) = waiting.len().checked_sub(WAITING_LIMIT) {
            let end = waiting.as_bytes()[excess..].iter().position(|&byte| byte == b'\n');
            let end = end.map_or(waiting.len(), |end| excess + end + 1);
            let lines = waiting.drain(..end).filter(|c| *c == '\n').count();
            dropped.fetch_add(lines as u64, Ordering::Relaxed);
        }
        if waiting.is_empty() {
            return true;
        }
        match self.batches.try_send(std::mem::take(&mut waiting)) {
            Ok(()) => true,
            Err(TrySendError::Full(text) | TrySendError::Disconnected(text)) => {
                *waiting = text;
                false
            }
        }
    }

    fn take_waiting(&self) -> String {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Writer {
    pub(super) fn run(mut self, items: &Receiver<Item>) {
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
            Item::Bytes(bytes, err) => {
                self.write(batch);
                let drawn = self.erase();
                self.put(if err { Stream::Err } else { Stream::Out }, &bytes);
                if let Some(drawn) = drawn {
                    self.draw(drawn);
                }
            }
            Item::Flush(done) => {
                self.write(batch);
                let _ = done.send(());
            }
            Item::Editor(print) => self.printer = Some(Printer::start(print)),
            Item::Picture(picture) => {
                self.write(batch);
                match picture {
                    Some(text) => self.draw(Drawn { text, on: Stream::Out }),
                    None => self.drawn = None,
                }
            }
            // One that was on its way when it ended.
            Item::Bar(id, _) if id <= self.ended_bar => {}
            Item::Bar(id, line) => {
                self.write(batch);
                match line {
                    Some(_) if self.is_editing() => {}
                    Some(text) => self.draw(Drawn { text, on: Stream::Err }),
                    None => {
                        self.ended_bar = id;
                        self.erase();
                    }
                }
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
            return printer.print(&text, &self.dropped);
        }
        if let Some(printer) = &self.printer {
            batch.out.insert_str(0, &printer.take_waiting());
        }
        if batch.err.is_empty() && batch.out.is_empty() {
            return true;
        }
        let drawn = self.erase();
        self.put(Stream::Err, std::mem::take(&mut batch.err).as_bytes());
        self.put(Stream::Out, std::mem::take(&mut batch.out).as_bytes());
        if let Some(drawn) = drawn {
            self.draw(drawn);
        }
        true
    }

    fn draw(&mut self, drawn: Drawn) {
        self.erase();
        self.put(drawn.on, drawn.text.as_bytes());
        self.drawn = Some(drawn);
    }

    /// Takes away what was drawn (ECMA-48: CPL and ED).
    fn erase(&mut self) -> Option<Drawn> {
        let drawn = self.drawn.take()?;
        let lines = drawn.text.lines().count().max(1);
        self.put(drawn.on, format!("\u{1b}[{lines}F\u{1b}[J").as_bytes());
        Some(drawn)
    }

    fn put(&self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if stream == Stream::Err {
            // Nowhere is left to complain to.
            return drop(std::io::stderr().lock().write_all(bytes));
        }
        if self.closed.is_cancelled() {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed.cancel(),
            Err(error) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| crate::report::reason(&error));
            }
            Ok(()) => {}
        }
    }
}
