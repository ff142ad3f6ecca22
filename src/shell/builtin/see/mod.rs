//! What makes traffic visible.
//!
//! | file | holds |
//! |---|---|
//! | `trace`, `explain`, `diagram` | packets: as lines, in sentences, as arrows |
//! | `witness` | what other sessions of the shell saw of the same packets |
//! | `plot` | rates and round trips |
//! | `watch` | pictures that are drawn again |

mod explain;
pub(super) mod plot;
mod trace;
pub(super) mod watch;
mod witness;

pub(super) use explain::EXPLAIN;
pub(super) use trace::TRACE;
