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
    /// Which of the two streams are terminals: their lines are broken between words.
    pub wraps: Streams,
}

/// Something that holds for standard output, and for standard error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streams {
    pub out: bool,
    pub err: bool,
}

impl Streams {
    /// Which are terminals.
    pub fn terminals() -> Self {
        Self { out: area().is_some(), err: area_of_errors().is_some() }
    }
}

impl Style {
    /// For a file, or for a program that reads it.
    pub const fn plain() -> Self {
        let colours = Colours { out: false, err: false };
        let wraps = Streams { out: false, err: false };
        Self { json: false, quiet: false, times: false, colours, wraps }
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

    fn fit_notes(&self, text: String) -> String {
        match area_of_errors().filter(|_| self.wraps.err) {
            Some(area) => wrap::fit_notes(&text, area),
            None => text,
        }
    }

    fn fit(&self, rendered: Rendered) -> Rendered {
        let fit = |text: String, wraps: bool, area: fn() -> Option<Area>| {
            let area = if wraps && !text.is_empty() { area() } else { None };
            area.map_or_else(|| text.clone(), |area| wrap::fit(&text, area))
        };
        let Rendered { out, err } = rendered;
        Rendered { out: fit(out, self.wraps.out, area), err: fit(err, self.wraps.err, area_of_errors) }
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
        Rendered {
            out: String::new(),
            err: reports
                .iter()
                .map(|report| self.fit_notes(caret::render(report, self.colours.err)))
                .collect(),
        }
    }
}
