//! Flags to open a file with, where something else may have its name.

use rustix::fs::OFlags;

/// A FIFO or a device makes nobody wait (`O_NONBLOCK`).
pub const NO_WAIT: i32 = OFlags::NONBLOCK.bits().cast_signed();
/// The same, and a link is an error (`O_NOFOLLOW`).
pub const NO_WAIT_NO_LINK: i32 = OFlags::NONBLOCK.union(OFlags::NOFOLLOW).bits().cast_signed();
