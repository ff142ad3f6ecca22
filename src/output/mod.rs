//! How a report is shown: as text for people, or as one JSON object per line. Independent of the code that made it.
//!
//! | file | holds |
//! |---|---|
//! | `human`, `json`, `reports` | how a report looks, for people and machines |
//! | `caret`, `failed_test` | errors in a text, with their place |
//! | `contrast` | where two texts differ |
//! | `wrap` | lines of a given width |
//! | `colour`, `terminal` | when there is colour; what the terminal can do |
//! | `sink`, `item`, `writer` | the queue to the one writer, what it holds, and the writer |

mod caret;
mod colour;
mod contrast;
mod failed_test;
mod human;
mod item;
mod json;
pub mod reports;
mod sink;
mod terminal;
mod wrap;
mod writer;

pub use colour::{ColourChoice, Colours};
pub use sink::Sink;
pub use terminal::{area, area_of_errors, is_capable, keep_terminal, restore_terminal};
pub use writer::AboveLine;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::Secrets;
use crate::language;
use crate::report::{Area, Report};

/// Text for the two standard streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

/// How reports are shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// Show only the text of `print`, failures and verdicts of tests.
    pub quiet: bool,
    /// Interactive use: show the time of each message and events for the prompt, and ring the bell after long jobs.
    pub times: bool,
    pub colours: Colours,
    /// On these streams, lines are wrapped between words.
    pub terminals: Terminals,
}

/// Which of the two streams are terminals that can move the cursor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    pub out: bool,
    pub err: bool,
}

impl Terminals {
    /// Looks at the two standard streams now.
    pub fn find() -> Self {
        Self { out: area().is_some(), err: area_of_errors().is_some() }
    }
}

impl Style {
    /// The style for a file or for another program that reads it.
    pub const fn plain() -> Self {
        let colours = Colours { out: false, err: false };
        let terminals = Terminals { out: false, err: false };
        Self { json: false, quiet: false, times: false, colours, terminals }
    }

    /// The same style with `quiet` as `set results` has set it now.
    pub fn quiet(mut self, flag: &AtomicBool) -> Self {
        self.quiet = flag.load(Ordering::Relaxed);
        self
    }

    /// The text of a report in this style.
    pub fn render(&self, report: &Report) -> Rendered {
        if self.json {
            Rendered { out: json::render(report), err: String::new() }
        } else {
            self.fit(human::render(report, self))
        }
    }

    /// The present size of the terminals, which may have been resized; `None` for a stream that is none.
    fn areas(&self) -> (Option<Area>, Option<Area>) {
        let of = |is_terminal: bool, area: fn() -> Option<Area>| if is_terminal { area() } else { None };
        (of(self.terminals.out, area), of(self.terminals.err, area_of_errors))
    }

    /// Wraps the text for the streams that are terminals.
    fn fit(&self, rendered: Rendered) -> Rendered {
        let fit = |text: String, area: Option<Area>| match area {
            Some(area) => wrap::fit(&text, area),
            None => text,
        };
        let (out, err) = self.areas();
        Rendered { out: fit(rendered.out, out), err: fit(rendered.err, err) }
    }

    /// A picture for a terminal: escaped, but not wrapped.
    pub fn render_picture(&self, text: &str) -> String {
        crate::base::escape::escape(text).into_owned() + "\n"
    }

    /// Errors in a source text, all at once; those for machines without secrets.
    pub fn render_errors(&self, reports: &[language::Report], secrets: &Secrets) -> Rendered {
        if self.json {
            let out = reports.iter().map(|report| json::diagnostic(report, secrets)).collect();
            return Rendered { out, err: String::new() };
        }
        let drawn = reports.iter().map(|report| caret::render(report, self.colours.err)).collect::<String>();
        let err = match self.areas().1 {
            Some(area) => wrap::fit_notes(&drawn, area),
            None => drawn,
        };
        Rendered { out: String::new(), err }
    }
}
