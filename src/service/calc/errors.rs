//! The errors of the calculator, besides those in an expression (`expression`).

use crate::base::escape::{escape_line, excerpt};
use crate::report::Failure;
use crate::wire::Code;

// The expression.

/// `said`: what the server says is wrong with it.
pub(super) fn not_computable(said: &str) -> Failure {
    Failure::new(Code::Arithmetic, escape_line(said).into_owned())
}

// The peer breaks the protocol.

/// At most `shown` characters of the answer are shown.
pub(super) fn answer_not_a_number(answer: &str, shown: usize) -> Failure {
    let answer = excerpt(answer.as_bytes(), shown);
    Failure::new(Code::Misbehaved, format!("the answer is not a number: `{answer}`"))
}

pub(super) fn question_instead_of_answer() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the server: a question instead of an answer")
}

pub(super) fn answer_instead_of_question() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the client: an answer instead of a question")
}
