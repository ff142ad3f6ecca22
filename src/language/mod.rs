//! The command language: text → [`Statement`]s (syntax) → [`Plan`] (names and types resolved).
//!
//! Pure: no socket, no task, no terminal, no file. The whole text is parsed and checked before anything
//! runs, and every error in it is reported at once. One parser ([`grammar`], and [`command::Matcher`] for the words
//! of a command) answers both "what is this" and "what may come [`next`]": parser, help and completion cannot
//! disagree.
//!
//! Limits: [`LINE_LIMIT`], [`SOURCE_DEPTH_LIMIT`], [`STATEMENT_LIMIT`].
//!
//! | file | holds |
//! |---|---|
//! | `verb`, `vocabulary` | a command as a row of data; all rows |
//! | `kind` | the types of arguments |
//! | `statement` | the built-in statements, as rows |
//! | `parse` | text → tokens → statements |
//! | `script` | the syntax of a script: what was written |
//! | `plan` | statements → a plan that can run: names and types resolved |
//! | `arguments` | arguments of a command, and typed options |
//! | `editing` | completion and highlighting while a line is typed |
//! | `diagnostic` | errors in a text |
//! | `other_shells` | words of other shells and tools |

pub mod arguments;
pub mod diagnostic;
pub mod editing;
pub mod kind;
mod other_shells;
pub mod parse;
pub mod plan;
pub mod script;
pub mod statement;
pub mod verb;
pub mod vocabulary;

pub use arguments::{Argument, Arguments, FromArguments, GivenKey, Invocation, Target};
pub use diagnostic::{Diagnostic, Report, Source};
pub use kind::{Datum, Kind, Place, SessionRef};
pub use plan::planner::{check, plan};
pub use plan::scope::Scope;
pub use plan::{Action, Plan, Step};
pub use script::Statement;
pub use verb::{Capability, Field, Keyword, Param, Service, Verb};
pub use vocabulary::Vocabulary;

/// Longest logical line, in bytes (faults.md row 90).
pub const LINE_LIMIT: usize = 64 << 10;
/// Deepest nesting of `source` (docs/language.md).
pub const SOURCE_DEPTH_LIMIT: usize = 16;
/// Most statements in a script, including all files that it sources.
pub const STATEMENT_LIMIT: usize = 2_000_000;
