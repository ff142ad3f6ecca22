//! What is drawn: lifelines with what happened at each.

use crate::record::PacketEvent;

/// One place and what it saw. The lanes of a diagram stand from left to right: client; client, server; or client, link,
/// server.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// What stands above the lifeline. It may be foreign text.
    pub name: String,
    /// The events, oldest first.
    pub events: Vec<PacketEvent>,
}
