//! What is measured of a session.
//!
//! | file | holds |
//! |---|---|
//! | `meter` | samples of its traffic and paths over its life |
//! | `on_way` | what was sent and has not arrived yet |
//! | `packets` | the records of its packets |

mod meter;
mod on_way;
mod packets;

pub use meter::Sample;
pub(super) use meter::{Meter, STEP};
pub(crate) use on_way::OnWay;
pub(super) use packets::Packets;
pub use packets::{CLIENT_EVENT_LIMIT, PacketCursor};
