//! Text → tokens → statements, and what may come next.
//!
//! | file | holds |
//! |---|---|
//! | `lexer` | logical lines and words, with nom |
//! | `atom`, `value` | single words: names, durations; a word as the value of its kind |
//! | `cursor` | the tokens of one statement |
//! | `grammar` | statements and their prefixes |
//! | `command` | the words of a command against the row of its verb |
//! | `next`, `ahead` | what may follow the words of a line |

pub mod ahead;
pub mod atom;
pub mod command;
mod cursor;
pub mod grammar;
pub mod lexer;
pub mod next;
pub mod value;
