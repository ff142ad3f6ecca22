//! Text → tokens → statements, and what may come next.
//!
//! | file | holds |
//! |---|---|
//! | `lexer` | logical lines and words, with nom |
//! | `grammar` | statements and their prefixes |
//! | `command` | the words of a command against the row of its verb |
//! | `cursor` | the tokens of one statement |
//! | `next` | what may follow the words of a line |

pub mod ahead;
pub mod atom;
pub mod command;
mod cursor;
pub mod grammar;
pub mod lexer;
pub mod next;
pub mod value;
