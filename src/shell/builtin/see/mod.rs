//! What makes traffic visible.
//!
//! | file | holds |
//! |---|---|
//! | `trace`, `explain`, `diagram` | packets: as lines, in sentences, as arrows |
//! | `capture` | packets, for Wireshark |
//! | `report` | what ran and what came of it, as a page |
//! | `charted` | what charts are drawn of |
//! | `witness` | what other sessions of the shell saw of the same packets |
//! | `view` | a page for the projector |
//! | `plot` | rates and round trips |
//! | `watch` | pictures that are drawn again |
//! | `errors` | what can be wrong |

mod capture;
mod charted;
mod diagram;
mod errors;
mod explain;
pub(super) mod plot;
mod report;
mod trace;
mod view;
pub(super) mod watch;
mod witness;

pub(super) use capture::CAPTURE;
pub(super) use diagram::DIAGRAM;
pub(super) use explain::{EXPLAIN, packet_number};
pub(super) use report::REPORT;
pub(super) use trace::TRACE;
pub(super) use view::VIEW;
