//! The thread that writes to the two streams. Text for the time in which a line is edited waits in [`AboveLine`].

mod above_line;

pub use above_line::{AboveLine, Wake};

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Rendered;
use super::item::Item;

/// Text that arrives within this time is written together.
const GATHER: Duration = Duration::from_millis(5);
/// No more, in bytes, is gathered for one write: who prints faster than this thread takes must not fill the memory.
const GATHER_LIMIT: usize = 64 << 10;

/// State of the writing thread; `reading`, `closed`, `failed` and `dropped` are shared with [`super::Sink`].
pub(super) struct Writer {
    pub(super) reading: Arc<AtomicBool>,
    pub(super) closed: CancellationToken,
    pub(super) failed: Arc<Mutex<Option<String>>>,
    pub(super) above: Option<Arc<AboveLine>>,
    pub(super) dropped: Arc<AtomicU64>,
    /// What is at the end of the terminal, to be redrawn below new text.
    pub(super) drawn: Option<Drawn>,
    /// Bars up to this number have ended; late updates for them are ignored.
    pub(super) ended_bar: u64,
}

/// A picture or progress bar at the end of the terminal.
pub(super) struct Drawn {
    text: String,
    on: OutputStream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutputStream {
    Out,
    Err,
}

impl Writer {
    pub(super) fn run(mut self, items: &Receiver<Item>) {
        while let Ok(first) = items.recv() {
            let mut batch = self.gather(first, items);
            self.write(&mut batch);
        }
    }

    /// What is written together.
    fn gather(&mut self, first: Item, items: &Receiver<Item>) -> Rendered {
        let mut batch = Rendered::default();
        self.take(first, &mut batch);
        // While a line is being edited, each print redraws it, so gather text first.
        let until = Instant::now() + if self.is_editing() { GATHER } else { Duration::ZERO };
        while batch.out.len() + batch.err.len() < GATHER_LIMIT
            && let Ok(item) = items.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.take(item, &mut batch);
        }
        batch
    }

    fn is_editing(&self) -> bool {
        self.above.is_some() && self.reading.load(Ordering::SeqCst)
    }

    fn take(&mut self, item: Item, batch: &mut Rendered) {
        match item {
            Item::Text(text) => self.take_text(&text, batch),
            Item::Bytes(bytes, err) => {
                self.write(batch);
                let drawn = self.erase();
                self.put(if err { OutputStream::Err } else { OutputStream::Out }, &bytes);
                if let Some(drawn) = drawn {
                    self.draw(drawn);
                }
            }
            Item::Flush(done) => {
                self.write(batch);
                let _ = done.send(());
            }
            Item::Editor(above) => self.above = Some(above),
            Item::Picture(picture) => {
                self.write(batch);
                match picture {
                    Some(text) => self.draw(Drawn { text, on: OutputStream::Out }),
                    None => self.drawn = None,
                }
            }
            // A late update of a bar that has ended.
            Item::Bar(id, _) if id <= self.ended_bar => {}
            Item::Bar(id, line) => {
                self.write(batch);
                self.update_bar(id, line);
            }
        }
    }

    fn take_text(&mut self, text: &Rendered, batch: &mut Rendered) {
        if self.is_editing() {
            // Both go above the line, in their order in time.
            batch.out.push_str(&text.err);
            batch.out.push_str(&text.out);
            return;
        }
        // Write pending text first, so that both streams keep their order in time.
        if !text.err.is_empty() {
            self.write(batch);
        }
        batch.out.push_str(&text.out);
        batch.err.push_str(&text.err);
    }

    /// Draws a progress bar, unless a line is being edited; `None`: it has ended and is erased.
    fn update_bar(&mut self, id: u64, line: Option<String>) {
        match line {
            Some(_) if self.is_editing() => {}
            Some(text) => self.draw(Drawn { text, on: OutputStream::Err }),
            None => {
                self.ended_bar = id;
                self.erase();
            }
        }
    }

    fn write(&mut self, batch: &mut Rendered) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            batch.err.push_str(&format!("… {dropped} events skipped\n"));
        }
        if let Some(above) = &self.above {
            if self.reading.load(Ordering::SeqCst) {
                let text = std::mem::take(&mut batch.err) + &std::mem::take(&mut batch.out);
                return above.add(&text);
            }
            batch.out.insert_str(0, &above.take());
        }
        if batch.err.is_empty() && batch.out.is_empty() {
            return;
        }
        let drawn = self.erase();
        self.put(OutputStream::Err, std::mem::take(&mut batch.err).as_bytes());
        self.put(OutputStream::Out, std::mem::take(&mut batch.out).as_bytes());
        if let Some(drawn) = drawn {
            self.draw(drawn);
        }
    }

    fn draw(&mut self, drawn: Drawn) {
        self.erase();
        self.put(drawn.on, drawn.text.as_bytes());
        self.drawn = Some(drawn);
    }

    /// Erases what was drawn (ECMA-48: CPL and ED) and returns it.
    fn erase(&mut self) -> Option<Drawn> {
        let drawn = self.drawn.take()?;
        let lines = drawn.text.lines().count().max(1);
        self.put(drawn.on, format!("\u{1b}[{lines}F\u{1b}[J").as_bytes());
        Some(drawn)
    }

    fn put(&self, stream: OutputStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if stream == OutputStream::Err {
            // An error of standard error cannot be reported anywhere.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_101_who_prints_without_end_is_written_in_pieces() {
        let mut writer = Writer {
            reading: Arc::default(),
            closed: CancellationToken::new(),
            failed: Arc::default(),
            above: None,
            dropped: Arc::default(),
            drawn: None,
            ended_bar: 0,
        };
        let line = || Item::Text(Rendered { out: "x".repeat(1000), ..Rendered::default() });
        let (queue, items) = std::sync::mpsc::sync_channel(1000);
        (0..1000).for_each(|_| queue.send(line()).unwrap());
        let batch = writer.gather(line(), &items);
        assert!((GATHER_LIMIT..GATHER_LIMIT + 1000).contains(&batch.out.len()), "{}", batch.out.len());
        assert_eq!(items.try_iter().count() * 1000 + batch.out.len(), 1_001_000, "the rest waits");
    }
}
