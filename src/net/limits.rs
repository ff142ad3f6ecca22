//! Time limits and rates that hold for every connection.

use std::time::Duration;

/// Time limit for connecting: the first answer of a peer (faults.md row 37), instead of the kernel's two minutes.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for the first complete message of a client (faults.md row 62).
pub const FIRST_MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// A client that is idle for this long makes room for another one if all places are taken (faults.md row 62).
pub const GIVES_WAY_AFTER: Duration = Duration::from_secs(10);
/// How long a code lets a client in.
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);
/// How long a peer may be silent while an answer or an acknowledgement is due.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// A peer that takes fewer bytes/s than this counts as stopped (faults.md row 40).
pub const MINIMUM_RATE: u64 = 900;

/// Pause after `accept` failed for a local reason (no descriptors left, faults.md row 61), until some client disconnects.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
