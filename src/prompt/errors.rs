//! All errors of the prompt, side by side.

use std::fmt::Display;

use crate::report::Failure;
use crate::wire::Code;

pub(super) fn editor_cannot_start(error: &dyn Display) -> Failure {
    Failure::new(Code::Other, format!("the line editor cannot start: {error}"))
        .fix("give a script, or use -c")
}

pub(super) fn test_at_the_prompt() -> Failure {
    Failure::new(Code::Usage, "tests can only be written in files").fix("run the file: nls FILE")
}
