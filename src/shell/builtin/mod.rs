//! The shell's own verbs.

mod file;
mod folder;
pub mod help;
mod jobs;
mod look;
mod plot;
mod record;
mod set;
mod speak;
mod stop;
mod watch;

use std::pin::Pin;

use super::{Flow, Shell};
use crate::language::{Arguments, Verb};
use crate::report::{Failure, Outcome};

/// What a verb of the shell runs as.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(Outcome, Flow), Failure>> + Send + 'a>>;

/// A verb and what runs it.
pub struct Builtin {
    pub verb: &'static Verb,
    pub run: for<'a> fn(&'a mut Shell, Arguments) -> Running<'a>,
}

/// All of them, in the order of `help`.
pub static ALL: &[&Builtin] = &[
    &look::SESSIONS,
    &look::LOG,
    &jobs::FG,
    &jobs::BG,
    &plot::PLOT,
    &speak::SAY,
    &speak::ATTACH,
    &stop::WAIT,
    &stop::STOP,
    &speak::PRINT,
    &file::FILE,
    &folder::CD,
    &folder::PWD,
    &folder::PARTS,
    &folder::CLEAR,
    &record::RECORD,
    &stop::SLEEP,
    &set::SET,
    &help::HELP,
    &help::HISTORY,
    &stop::QUIT,
];

/// Answers and goes on.
fn next(outcome: Outcome) -> Result<(Outcome, Flow), Failure> {
    Ok((outcome, Flow::Next))
}

/// What a row looks like that takes nothing and gives nothing.
const BARE: Verb = Verb {
    name: "",
    aliases: &[],
    summary: "",
    details: "",
    params: &[],
    keywords: &[],
    fields: &[],
    example: "",
    next: "",
    lasting: crate::language::verb::Lasting::Instant,
};
