//! What holds for whole requests, and for any bytes.
//!
//! | file | holds |
//! |---|---|
//! | `hostile` | requests with the status of their refusal |
//! | `random` | properties, over mutations of those |

mod hostile;
mod random;
