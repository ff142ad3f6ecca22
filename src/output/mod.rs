//! How a report looks: for people, or one JSON object a line. Knows neither who made a report nor what for.

mod caret;
mod colour;
mod contrast;
mod human;
mod json;
pub mod reports;
mod sink;
mod terminal;
mod wrap;
mod writer;
mod wrong;

pub use colour::{Choice, Colours};
pub use sink::{Print, Sink};
pub use terminal::{area, area_of_errors, is_capable, keep_terminal, restore_terminal};

use std::sync::atomic::{AtomicBool, Ordering};

use crate::language;
use crate::report::{Area, Report};

/// Text for the two streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    pub out: String,
    pub err: String,
}

/// How reports are shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub json: bool,
    /// Results of commands are not shown, only what `print` says, failures and verdicts.
    pub quiet: bool,
    /// People talk: it is shown when they did.
    pub times: bool,
    pub colours: Colours,
    /// Lines of these are broken between words.
    pub terminals: Terminals,
}

/// Which of the two streams are terminals that can be drawn on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    pub out: bool,
    pub err: bool,
}

impl Terminals {
    pub fn find() -> Self {
        Self { out: area().is_some(), err: area_of_errors().is_some() }
    }
}

impl Style {
    /// For a file, or for a program that reads it.
    pub const fn plain() -> Self {
        let colours = Colours { out: false, err: false };
        let terminals = Terminals { out: false, err: false };
        Self { json: false, quiet: false, times: false, colours, terminals }
    }

    /// The same with what `set results` says now.
    pub fn quiet(mut self, flag: &AtomicBool) -> Self {
        self.quiet = flag.load(Ordering::Relaxed);
        self
    }

    pub fn render(&self, report: &Report) -> Rendered {
        if self.json {
            Rendered { out: json::render(report), err: String::new() }
        } else {
            self.fit(human::render(report, self))
        }
    }

    /// How wide the terminals are now: somebody may have pulled at them.
    fn areas(&self) -> (Option<Area>, Option<Area>) {
        let of = |is_terminal: bool, area: fn() -> Option<Area>| if is_terminal { area() } else { None };
        (of(self.terminals.out, area), of(self.terminals.err, area_of_errors))
    }

    fn fit(&self, rendered: Rendered) -> Rendered {
        let fit = |text: String, area: Option<Area>| match area {
            Some(area) => wrap::fit(&text, area),
            None => text,
        };
        let (out, err) = self.areas();
        Rendered { out: fit(rendered.out, out), err: fit(rendered.err, err) }
    }

    /// Lines to be drawn on a terminal.
    pub fn render_picture(&self, text: &str) -> String {
        crate::base::escape::escape(text).into_owned() + "\n"
    }

    /// Errors in a text, all at once.
    pub fn render_errors(&self, reports: &[language::Report]) -> Rendered {
        if self.json {
            return Rendered { out: reports.iter().map(json::diagnostic).collect(), err: String::new() };
        }
        let drawn = reports.iter().map(|report| caret::render(report, self.colours.err)).collect::<String>();
        let err = match self.areas().1 {
            Some(area) => wrap::fit_notes(&drawn, area),
            None => drawn,
        };
        Rendered { out: String::new(), err }
    }
}
