//! What is measured of a session.
//!
//! | file | holds |
//! |---|---|
//! | `meter` | samples of its traffic and paths over its life |
//! | `packets` | the records of its packets |

mod meter;
mod packets;

pub use meter::Sample;
pub(super) use meter::{Meter, STEP};
pub(super) use packets::Packets;
