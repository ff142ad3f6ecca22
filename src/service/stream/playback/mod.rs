//! What reads a film while it arrives.
//!
//! | file | holds |
//! |---|---|
//! | `watcher` | a player, the clock, or a counter |
//! | `player` | finding and running a player |
//! | `http` | the loopback address that the player reads |
//! | `clock` | playing without a player |

pub(super) mod clock;
pub(super) mod http;
pub(super) mod player;
pub(super) mod watcher;
