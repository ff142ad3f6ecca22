//! The program as the terminal of a shell: reports and output go to the standard streams.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::events::EventFeed;
use crate::output::{Sink, Style};
use crate::report::{Area, Report};
use crate::session::Session;
use crate::shell::Terminal;
use crate::shell::terminal::{Answer, Ask, Stream};

/// The standard streams, for one shell.
pub(super) struct Console {
    pub(super) sink: Sink,
    pub(super) style: Style,
    /// Shared with the feed of events.
    pub(super) quiet: Arc<AtomicBool>,
    pub(super) feed: Arc<EventFeed>,
    /// `None`: no progress is drawn.
    pub(super) bars: Option<Bars>,
    /// Set by the prompt once it reads lines.
    pub(super) ask: Arc<OnceLock<Ask>>,
}

/// Progress bars of the sessions in the foreground.
pub(super) struct Bars {
    waited: watch::Sender<Option<(u64, Arc<Session>)>>,
    /// A session may come to the foreground more than once: each time it gets a new bar.
    stays: AtomicU64,
}

impl Bars {
    /// Draws them to `sink` from now on.
    pub(super) fn begin(sink: &Sink) -> Self {
        let (waited, watched) = watch::channel(None);
        tokio::spawn(crate::prompt::watch_progress(watched, sink.clone()));
        Self { waited, stays: AtomicU64::new(0) }
    }
}

impl Terminal for Console {
    fn show(&self, report: Report) {
        self.feed.show_what_waits();
        // Standard output was closed by its reader: end without messages.
        if self.sink.closed.is_cancelled() {
            return;
        }
        match report {
            Report::Picture { text: picture, .. } if !self.style.json && self.style.terminals.out => {
                let draw = |mut text| {
                    self.sink.secrets.hide(&mut text);
                    self.style.render_picture(&text)
                };
                self.sink.draw(picture.map(draw));
            }
            report => self.sink.put_as_it_is(self.sink.text_of(report, &self.style.quiet(&self.quiet))),
        }
    }

    fn pass(&self, bytes: Vec<u8>, stream: Stream) -> bool {
        // With `--json` standard output is reserved for results.
        self.sink.pass(bytes, stream == Stream::Err || self.style.json);
        !self.sink.closed.is_cancelled()
    }

    fn area(&self) -> Option<Area> {
        crate::output::area()
    }

    fn ask(&self, name: &str) -> Option<Answer> {
        self.ask.get().map(|ask| ask(name))
    }

    fn foreground(&self, session: &Arc<Session>, begins: bool) {
        let Some(Bars { waited, stays }) = &self.bars else { return };
        let stay = stays.fetch_add(u64::from(begins), Ordering::Relaxed) + u64::from(begins);
        waited.send_replace(begins.then(|| (stay, session.clone())));
        if !begins {
            self.sink.bar(stay, None);
        }
    }

    fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }
}
