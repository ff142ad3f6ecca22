//! What the kernel says of addresses, ports and sockets of this machine.

pub(super) mod owner;
pub(super) mod ports_in_use;
pub(super) mod reach;
mod sockets;
