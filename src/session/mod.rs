//! Sessions: what runs in the background, with ids, names, states, fields, events; how it is stopped and waited
//! for. The registry is the only place that spawns.

mod guests;
pub mod handle;
mod meter;
mod pace;
pub mod registry;
pub mod state;

pub use guests::{Guest, GuestState};
pub use handle::Handle;
pub use meter::Sample;
pub use registry::{Registry, Request};
pub use state::{Session, State};

use std::time::Duration;

/// Most live sessions (FAULTS row 100).
pub const SESSION_LIMIT: usize = 1024;
/// Ended sessions that are remembered.
pub const ENDED_LIMIT: usize = 1000;
/// Events that a session remembers.
pub const LOG_LIMIT: usize = 1000;
/// Received lines that `expect … says` can still match.
pub const HEARD_LIMIT: usize = 10_000;
/// How long the tasks of a session may take to notice that it ends.
pub const CLOSING_LIMIT: Duration = Duration::from_secs(2);
