//! The shell's own verbs.
//!
//! | file | holds |
//! |---|---|
//! | `sessions` | `sessions`, `log` |
//! | `see` | `trace`, `diagram`, `plot`, `view` and others: what makes traffic visible |
//! | `stop`, `jobs` | `wait`, `stop`, `sleep`, `quit`; `fg`, `bg` |
//! | `speak` | `say`, `finish`, `reset`, `off`, `attach`, `print` |
//! | `steer` | `set`; `hold`, `step`, `drop`, `dup`, `release`: settings, rate limits, links |
//! | `file`, `folder` | `file`; `cd`, `pwd`, `parts`, `clear` |
//! | `record` | `record` |
//! | `share` | `qr`, `key`: what is handed to others |
//! | `help` | `help`, `history` |
//! | `table` | aligned columns of text |

mod file;
mod folder;
pub mod help;
mod jobs;
mod record;
mod see;
mod sessions;
mod share;
mod speak;
mod steer;
mod stop;
pub(super) mod table;

use std::pin::Pin;

use super::{Flow, Shell};
use crate::language::{Arguments, Verb};
use crate::report::{Failure, Outcome};

/// The future of a builtin that runs.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(Outcome, Flow), Failure>> + Send + 'a>>;

/// A verb of the shell, and the function that runs it.
pub struct Builtin {
    pub verb: &'static Verb,
    pub run: for<'a> fn(&'a mut Shell, Arguments) -> Running<'a>,
}

/// All builtins, in the order of `help`.
pub static ALL: &[&Builtin] = &[
    &sessions::SESSIONS,
    &sessions::LOG,
    &jobs::FG,
    &jobs::BG,
    &see::plot::PLOT,
    &see::TRACE,
    &see::EXPLAIN,
    &see::DIAGRAM,
    &see::CAPTURE,
    &see::REPORT,
    &see::VIEW,
    &share::key::KEY,
    &share::qr::QR,
    &speak::SAY,
    &speak::FINISH,
    &speak::RESET,
    &speak::OFF,
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
    &steer::set::SET,
    &steer::by_hand::HOLD,
    &steer::by_hand::STEP,
    &steer::by_hand::DROP,
    &steer::by_hand::DUP,
    &steer::by_hand::RELEASE,
    &help::HELP,
    &help::HISTORY,
    &stop::QUIT,
];

/// The result of a builtin after which the shell goes on.
fn next(outcome: Outcome) -> Result<(Outcome, Flow), Failure> {
    Ok((outcome, Flow::Next))
}

/// Template for a verb: no arguments, no fields.
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
    capabilities: &[],
};
