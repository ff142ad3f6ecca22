//! Sessions: background work with an id, a name, a state, fields and events, and how it is stopped and waited for. The
//! tasks of sessions are spawned only here.
//!
//! | file | holds |
//! |---|---|
//! | `registry` | starts and ends sessions: the only place that spawns |
//! | `state` | one session, as seen from outside |
//! | `handle` | … and as its own task sees it |
//! | `clients` | the clients of a server |
//! | `conversation` | the lines of a conversation, both ways |
//! | `byte_inbox` | the bytes that a raw session received |
//! | `handlers` | what a raw session answers by itself |
//! | `events` | the queue of events |
//! | `tasks` | what runs at once with others, and what may block |
//! | `measure` | samples over its life, and the records of its packets |
//! | `rate_limiter` | rate limits |
//! | `errors` | all errors of sessions |

pub mod byte_inbox;
mod clients;
mod conversation;
mod errors;
pub mod events;
pub mod handle;
pub mod handlers;
mod measure;
mod rate_limiter;
pub mod registry;
pub mod state;
mod tasks;

pub use self::clients::{ClientEntry, ClientState};
pub use conversation::{Order, Speech, Utterance};
pub use handle::Handle;
pub(crate) use measure::OnWay;
pub use measure::{CLIENT_EVENT_LIMIT, PacketCursor, Sample};
pub(crate) use rate_limiter::RateLimiter;
pub use registry::{Registry, Request};
pub use state::{ListenAddress, Listening, Session, State};
pub(crate) use tasks::Blocking;

use std::time::Duration;

/// Maximum number of live sessions (faults.md row 100).
pub const SESSION_LIMIT: usize = 1024;
/// Ended sessions that are kept for listing.
pub const ENDED_LIMIT: usize = 1000;
/// Events kept in the log of a session.
pub const LOG_LIMIT: usize = 1000;
/// Received lines kept for `expect … says`.
pub const HEARD_LIMIT: usize = 10_000;
/// How long the tasks of a session may take to end by themselves once it ends.
pub const CLOSING_LIMIT: Duration = Duration::from_secs(2);
