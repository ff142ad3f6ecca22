//! What a caller tells of a packet or of a part of a TCP connection.

use std::net::SocketAddr;

/// A datagram, or bytes of one direction of a TCP connection, at one interface of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Place in the list of interfaces that the capture was begun with, from 0.
    pub interface: u32,
    /// Microseconds since 1970-01-01 UTC.
    pub at_micros: u64,
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// True if this side sent it.
    pub outgoing: bool,
    /// The bytes behind the headers; empty where a TCP connection opens or ends.
    pub payload: &'a [u8],
    /// What became of it, for people; control characters are shown as escapes. Empty for none.
    pub comment: &'a str,
}

/// How one direction of a TCP connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The sender has no more bytes; the other direction goes on.
    Fin,
    /// The connection is gone, both directions of it.
    Reset,
}
