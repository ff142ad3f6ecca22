//! Loss detection (RFC 9002): the round-trip time, and the packets that were sent.
//! What a connection does about a loss, and when a probe is due, is in `connection::loss_and_probes`.
//!
//! | file | holds |
//! |---|---|
//! | `rtt` | the round-trip time |
//! | `sent_packets` | the packets that may still be acknowledged |

pub mod rtt;
pub(in crate::reliable) mod sent_packets;
