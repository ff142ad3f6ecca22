//! The small services of RFC 862 to 864, for any client.
//!
//! | file | holds |
//! |---|---|
//! | `echo` | what comes is sent back |
//! | `discard` | what comes is thrown away |
//! | `chargen` | lines of text without end |

pub mod chargen;
pub mod discard;
pub mod echo;
