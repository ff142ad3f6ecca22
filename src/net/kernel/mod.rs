//! What the kernel says of addresses, ports and sockets of this machine.
//!
//! | file | holds |
//! |---|---|
//! | `sockets` | its lists of sockets |
//! | `ports_in_use` | who listens where |
//! | `diag` | what it knows of one connection |
//! | `owner` | whose socket it is |
//! | `interfaces` | network interfaces and their addresses |
//! | `reach` | where others reach this machine |

#[cfg(target_os = "linux")]
pub(super) mod diag;
mod interfaces;
pub(super) mod owner;
pub(super) mod ports_in_use;
pub(super) mod reach;
mod sockets;
