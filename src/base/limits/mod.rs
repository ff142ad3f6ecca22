//! What peers may take of this process, so that something is left for others.
//!
//! | file | holds |
//! |---|---|
//! | `share` | the share of a limit that one address may take |
//! | `budget` | bytes that all peers share |
//! | `count` | how many there are of something |

mod budget;
mod count;
mod share;

pub use budget::{Budget, Held};
pub use count::{Count, Counted};
pub use share::share;
