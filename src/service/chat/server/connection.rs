//! The connection of one client in a room.

use super::flood::Flood;
use super::outbox::Queue;
use crate::net::Connection;
use crate::service::chat::room::Room;
use crate::session::Handle;

pub(crate) struct MemberConnection<'a> {
    pub(crate) room: &'a Room,
    pub(crate) session: &'a Handle,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
    pub(crate) name: String,
    pub(crate) token: u64,
    pub(crate) flood: Flood,
    /// It was told its name already, as a text client is.
    pub(crate) is_greeted: bool,
}
