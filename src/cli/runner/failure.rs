//! Failures before any test runs.

use crate::cli::Program;
use crate::report::{Failure, Report};
use crate::wire::Code;

/// Reports why no test could run.
pub(super) fn fail(program: &Program, why: impl Into<String>) {
    let failure = Failure::new(Code::Missing, why);
    program.show(&Report::Failure { failure, verb: None, place: None, session: None });
}
