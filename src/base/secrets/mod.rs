//! What must not be seen: texts that are masked everywhere, and keys.
//!
//! | file | holds |
//! |---|---|
//! | `masked` | the known secrets, and the masking of them |
//! | `key` | a key, its forms as text, and keys in foreign text |

pub mod key;
mod masked;

pub use key::Key;
pub use masked::{LEAST, Secrets};
