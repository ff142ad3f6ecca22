//! What fits its place in a command, and is refused all the same, before anything runs.
//!
//! | file | holds |
//! |---|---|
//! | `carriers` | what is not carried by what a command names |
//! | `dash` | `-` in place of a file |
//! | `typed_key` | a key in a command |

pub(super) mod carriers;
pub(super) mod dash;
pub(super) mod typed_key;
