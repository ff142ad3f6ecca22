//! `nls`, the network lab shell.
//!
//! The path of a command:
//!
//! ```text
//! text ──language──▶ Statement ──language──▶ Plan ──shell──▶ session ──▶ service ──▶ connection ──▶ socket
//!                                                               │
//!                                          Report (data) ◀──────┘──▶ output (human, JSON lines)
//! ```
//!
//! Layers, each importing only from those above it; `tests/architecture` checks this:
//!
//! | layer | holds |
//! |---|---|
//! | [`base`] | endpoints, quantities, time, values, the escaping of untrusted text |
//! | [`language`] | lexer, grammar, plan, diagnostics, completion |
//! | [`wire`] | frames and codecs of every protocol, as pure functions |
//! | [`record`] | what happened to each packet, as data |
//! | [`reliable`] | reliable delivery over datagrams: a state machine without sockets or clock |
//! | [`link`] | network impairment: loss, delay and so on, seeded, in virtual time |
//! | [`report`] | what happened, as data |
//! | [`net`] | the only place with sockets |
//! | [`session`] | the registry of sessions; no layer but this and `cli` spawns tasks |
//! | [`service`] | ftp, calc, chat, stream, echo; `link`, a relay with impairments in front of them |
//! | [`shell`] | runs a plan |
//! | [`output`] | how a report is shown |
//! | [`prompt`], [`cli`] | the line editor; arguments and exit codes |

#[warn(missing_docs, unreachable_pub)]
pub mod base;
#[warn(missing_docs, unreachable_pub)]
pub mod language;
#[warn(missing_docs, unreachable_pub)]
pub mod link;
#[warn(missing_docs, unreachable_pub)]
pub mod record;
#[warn(missing_docs, unreachable_pub)]
pub mod reliable;
#[warn(missing_docs, unreachable_pub)]
pub mod report;
#[warn(missing_docs, unreachable_pub)]
pub mod wire;

#[cfg(feature = "shell")]
pub mod cli;
#[cfg(feature = "shell")]
pub mod net;
#[cfg(feature = "shell")]
pub mod output;
#[cfg(feature = "shell")]
pub mod prompt;
#[cfg(feature = "shell")]
pub mod service;
#[cfg(feature = "shell")]
pub mod session;
#[cfg(feature = "shell")]
pub mod shell;
