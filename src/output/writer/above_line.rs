//! Text that is to appear above the line that is being edited, until the editor takes it.
//!
//! The editor draws on a thread of its own and returns a line whenever Enter is pressed. If it were handed text, a batch
//! that it has not printed by then would come after all text that is written directly meanwhile. So the text stays
//! here, under one lock: the editor takes it as it draws its prompt, or the writer, once the line has ended.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the editor draw its prompt again, and so take the text. It may block.
pub type Wake = Box<dyn FnMut() + Send>;

/// Most bytes that wait for the line editor, which shows nothing while it searches or lists completions.
const WAITING_LIMIT: usize = 256 << 10;

/// The text, in whole lines.
#[derive(Debug)]
pub struct AboveLine {
    waiting: Mutex<Waiting>,
    wakes: SyncSender<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// Lines that were dropped before the text.
    dropped: u64,
}

impl AboveLine {
    /// `wake` is called on a thread of its own.
    pub(in crate::output) fn new(wake: Wake) -> Arc<Self> {
        let (wakes, asked) = sync_channel(1);
        let above = Arc::new(Self { waiting: Mutex::default(), wakes });
        let watched = Arc::downgrade(&above);
        let has_text = move || watched.upgrade().is_some_and(|above| above.has_text());
        std::thread::Builder::new()
            .name("printer".into())
            .spawn(move || wake_when_asked(&asked, has_text, wake))
            .expect("the system has room for one thread");
        above
    }

    /// Adds text and wakes the editor. Above [`WAITING_LIMIT`], the oldest lines are dropped and counted.
    pub(super) fn add(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).add(text);
        // One wake that waits is enough for all the text.
        let _ = self.wakes.try_send(());
    }

    /// All the text, after the number of lines that were dropped. The caller writes it before others may write.
    pub fn take(&self) -> String {
        let Waiting { text, dropped } =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if dropped == 0 { text } else { format!("… {dropped} events skipped\n{text}") }
    }

    fn has_text(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).text.is_empty()
    }
}

fn wake_when_asked(asked: &Receiver<()>, has_text: impl Fn() -> bool, mut wake: Wake) {
    for () in asked {
        // The text may have gone with a key that made the editor draw.
        if has_text() {
            wake();
        }
    }
}

impl Waiting {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
        if let Some(excess) = self.text.len().checked_sub(WAITING_LIMIT) {
            let end = self.text.as_bytes()[excess..].iter().position(|&byte| byte == b'\n');
            let end = end.map_or(self.text.len(), |end| excess + end + 1);
            self.dropped += self.text.drain(..end).filter(|c| *c == '\n').count() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_waits_in_order_and_is_taken_once() {
        let above = AboveLine::new(Box::new(|| {}));
        above.add("one\n");
        above.add("two");
        above.add("");
        assert_eq!(above.take(), "one\ntwo\n");
        assert_eq!(above.take(), "");
    }

    #[test]
    fn the_oldest_lines_make_room_and_are_counted() {
        let mut waiting = Waiting::default();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..300 {
            waiting.add(&line);
        }
        assert!(waiting.text.len() < WAITING_LIMIT && waiting.text.ends_with(&line));
        assert_eq!(waiting.dropped + (waiting.text.len() / line.len()) as u64, 300);
    }

    #[test]
    fn the_editor_is_woken_for_text_that_nobody_has_taken() {
        let (woken, wakes) = std::sync::mpsc::channel();
        let above = AboveLine::new(Box::new(move || woken.send(()).expect("it is awaited")));
        above.add("one\n");
        wakes.recv_timeout(std::time::Duration::from_secs(10)).expect("a wake");
        assert_eq!(above.take(), "one\n");
    }
}
