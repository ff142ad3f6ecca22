//! What is handed to others: addresses as codes, and keys.
//!
//! | file | holds |
//! |---|---|
//! | `qr` | `qr` |
//! | `key` | `key` |
//! | `errors` | what can be wrong |

mod errors;
pub(super) mod key;
pub(super) mod qr;
