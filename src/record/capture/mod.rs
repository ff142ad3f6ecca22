//! A capture for Wireshark: what a session or a link sent and received, as a pcapng file. The bytes of applications are
//! true; the headers before them are made up, because a program does not see the real ones.
//!
//! Each function returns whole blocks to append to a file: it can be read while it grows, and after this program was
//! killed. `docs/nls.lua` shows Wireshark the protocol of this program.
//!
//! | file | holds |
//! |---|---|
//! | `packet` | what the caller tells of a packet |
//! | `pcapng` | blocks of the file |
//! | `headers` | IPv4, IPv6, UDP and TCP, with check sums |
//! | `segment`, `conversations` | what is made up of TCP: segments, and how many bytes went each way |
//! | `dissector`, `layout` | the script for Wireshark, and the tables that it is made from |

mod conversations;
mod dissector;
mod headers;
mod layout;
mod packet;
mod pcapng;
mod segment;
#[cfg(test)]
mod tests;

pub use conversations::CONVERSATION_LIMIT;
pub use dissector::lua;
pub use packet::{End, Packet};
pub use pcapng::COMMENT_LIMIT;

use conversations::Conversations;
use headers::Ends;
use pcapng::Note;
use segment::Segment;

/// Comment of the whole file.
const SYNTHETIC: &str = "synthetic headers: the view of the application";
/// Comment of the first packet of a TCP connection.
const RECONSTRUCTED: &str = "segment borders and acknowledgements are reconstructed";

/// A capture that grows. A packet of an interface that it does not have gives no bytes, so the file stays valid.
#[derive(Clone, Debug)]
pub struct Capture {
    interfaces: usize,
    conversations: Conversations,
}

impl Capture {
    /// A capture by `program` with interfaces of these names, and the bytes that the file begins with.
    pub fn new(program: &str, interfaces: &[&str]) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        pcapng::push_section(&mut out, program, SYNTHETIC);
        interfaces.iter().for_each(|name| pcapng::push_interface(&mut out, name));
        (Self { interfaces: interfaces.len(), conversations: Conversations::default() }, out)
    }

    /// The block of a datagram.
    pub fn udp(&mut self, packet: &Packet<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.has(packet.interface) {
            let bytes = headers::udp(Ends::new(packet.from, packet.to), packet.payload);
            pcapng::push_packet(&mut out, &note(packet), &bytes);
        }
        out
    }

    /// The blocks of a TCP connection that opens, from the client to the server; there is no payload.
    pub fn tcp_open(&mut self, packet: &Packet<'_>) -> Vec<u8> {
        if !self.has(packet.interface) {
            return Vec::new();
        }
        let segments = self.conversations.open(packet.interface, Ends::new(packet.from, packet.to));
        write(packet, &segments)
    }

    /// The blocks of bytes in one direction of a TCP connection, and of the acknowledgement; none without bytes. If the
    /// connection was not opened, it is opened by the sender of these.
    pub fn tcp_data(&mut self, packet: &Packet<'_>) -> Vec<u8> {
        if !self.has(packet.interface) || packet.payload.is_empty() {
            return Vec::new();
        }
        let (ends, length) = (Ends::new(packet.from, packet.to), packet.payload.len());
        write(packet, &self.conversations.data(packet.interface, ends, length))
    }

    /// The blocks of the end of a TCP connection, or of its direction from `packet.from`; there is no payload.
    pub fn tcp_end(&mut self, packet: &Packet<'_>, how: End) -> Vec<u8> {
        if !self.has(packet.interface) {
            return Vec::new();
        }
        let segments = self.conversations.end(packet.interface, Ends::new(packet.from, packet.to), how);
        write(packet, &segments)
    }

    fn has(&self, interface: u32) -> bool {
        usize::try_from(interface).is_ok_and(|interface| interface < self.interfaces)
    }
}

fn note<'a>(packet: &Packet<'a>) -> Note<'a> {
    let Packet { interface, at_micros, outgoing, comment, .. } = *packet;
    Note { interface, at_micros, outgoing, comment }
}

/// The blocks of these segments. The comment stands at the first one that has bytes, or at the first of all; a
/// connection that opens says what is made up.
fn write(packet: &Packet<'_>, segments: &[Segment]) -> Vec<u8> {
    let ends = Ends::new(packet.from, packet.to);
    let commented = segments.iter().position(|segment| !segment.payload.is_empty()).unwrap_or(0);
    let mut out = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let mut comment = if at == commented { packet.comment.to_owned() } else { String::new() };
        if segment.flags == segment::SYN {
            let before = if comment.is_empty() { "" } else { "; " };
            comment = format!("{RECONSTRUCTED}{before}{comment}");
        }
        let outgoing = packet.outgoing != segment.is_answer;
        let ends = if segment.is_answer { ends.turned() } else { ends };
        let payload = packet.payload.get(segment.payload.clone()).unwrap_or_default();
        let bytes = headers::tcp(ends, segment, payload);
        pcapng::push_packet(&mut out, &Note { outgoing, comment: &comment, ..note(packet) }, &bytes);
    }
    out
}
