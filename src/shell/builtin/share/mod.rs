//! What is handed to others: addresses as codes, and keys.
//!
//! | file | holds |
//! |---|---|
//! | `qr` | `qr` |
//! | `key` | `key` |

pub(super) mod key;
pub(super) mod qr;
