//! Text → tokens → statements, and what may come next.
//!
//! | file | holds |
//! |---|---|
//! | `lexer` | logical lines and words, with nom |
//! | `atom`, `value` | single words: names, durations; a word as the value of its kind |
//! | `tokens` | the tokens of one statement as nom's input: its error and the parsers of single tokens |
//! | `grammar` | statements |
//! | `prefix`, `expectation` | the larger rules of the grammar |
//! | `command` | the words of a command against the row of its verb |
//! | `mismatch` | a word that does not fit its kind, as an error |
//! | `refused` | what fits, and is refused all the same |
//! | `next`, `ahead` | what may follow the words of a line |

pub mod ahead;
pub mod atom;
pub mod command;
mod expectation;
pub mod grammar;
pub mod lexer;
mod mismatch;
pub mod next;
mod prefix;
mod refused;
mod tokens;

pub mod value;
