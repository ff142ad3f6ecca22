//! Hashes of files that are sent or received.
//!
//! | file | holds |
//! |---|---|
//! | `tree` | pure: hashes of groups → the BLAKE3 of the whole file |
//! | `in_shares` | several threads that read and hash the groups of one file |
//! | `cache` | hashes of files that were sent before |
//! | `known` | hashes of files that were just received, and the tags of a file |

pub(crate) mod cache;
pub(super) mod in_shares;
pub(crate) mod known;
pub(crate) mod tree;
