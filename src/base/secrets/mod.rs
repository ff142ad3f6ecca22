//! What must not be seen: texts that are masked everywhere, and keys.
//!
//! | file | holds |
//! |---|---|
//! | `masked` | the known secrets, and the masking of them |
//! | `parts` | the parts of a secret that is used as a path or an address |
//! | `form` | one form of a secret, and where it stands in a text |
//! | `key` | a key, its forms as text, and keys in foreign text |
//! | `code` | a few words that let one client in |

pub mod code;
mod form;
pub mod key;
mod masked;
mod parts;

pub use code::Code;
pub use key::Key;
pub use masked::{LEAST, Secrets};
