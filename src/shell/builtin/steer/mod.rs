//! What changes how things run: settings, rate limits, links, keys of a port, and single packets at a link.
//!
//! | file | holds |
//! |---|---|
//! | `set` | `set` |
//! | `keys` | of it, the keys of a port |
//! | `by_hand` | `hold`, `step`, `drop`, `dup`, `release` |
//! | `errors` | what can be wrong |

pub(super) mod by_hand;
mod errors;
mod keys;
pub(super) mod set;

use super::{BARE, Builtin, next};
