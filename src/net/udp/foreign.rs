//! The first datagram of a client that speaks another protocol; what follows goes between other ports.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::wire::dialect::Dialect;

/// A datagram that begins a conversation in another protocol, which goes on between other ports.
#[derive(Debug)]
pub struct ForeignDatagram {
    pub dialect: Dialect,
    pub peer: SocketAddr,
    /// Where the listener is bound.
    pub local: IpAddr,
    pub bytes: Bytes,
}
