//! What changes how things run: settings, rate limits, links, and single packets at a link.
//!
//! | file | holds |
//! |---|---|
//! | `set` | `set` |
//! | `by_hand` | `hold`, `step`, `drop`, `dup`, `release` |

pub(super) mod by_hand;
pub(super) mod set;

use super::{BARE, Builtin, next};
