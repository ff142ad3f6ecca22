//! Loss detection (RFC 9002): the round-trip time, and the packets that were sent.

pub mod rtt;
pub(in crate::reliable) mod sent_packets;
