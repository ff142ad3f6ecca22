//! The keys that a user has: where they are kept, and which of them a command names.
//!
//! | file | holds |
//! |---|---|
//! | `choice` | the keys that a command names, and the reading of them |
//! | `credentials` | what a client connects with: a key, a code, or nothing |
//! | `folder` | the folder that keeps keys by name |
//! | `file` | one file with a key: only its owner may read it |
//! | `memory` | the memory of the process, which others may not read either |
//! | `errors` | the errors of keys |

mod choice;
mod credentials;
mod errors;
pub mod file;
mod folder;
pub mod memory;

pub(crate) use errors::{key_revoked, named_twice, no_key_in, port_full, same_key};

pub use choice::{
    CODE, CREDENTIALS, ClientChoice, KEY, KEYS, KeyChoice, KeyChoices, KeySource, NamedKey, OFFERS_CODE,
};
pub(crate) use credentials::{Credentials, UsedCodes};
pub use folder::{DEFAULT, KeyFolder};
