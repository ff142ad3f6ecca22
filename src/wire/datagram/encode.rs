//! Writes a datagram.

use super::{
    ACCEPT, BASE_DATAGRAM, CRC, Credit, DATA, DATA_IN_ORDER, DATA_NOW, HELLO, HELLO_HEAD, PROOF, Packet,
    REFUSE, RETRY,
};
use crate::wire::frame::checksum;
use crate::wire::writer::cut;
use crate::wire::{ConnectionId, PacketNumber, VERSION};

fn push_handshake(out: &mut Vec<u8>, handshake: &[u8]) {
    if !handshake.is_empty() {
        out.push(handshake.len() as u8);
        out.extend(handshake);
    }
}

/// Encodes any datagram except DATA, with its check sum.
///
/// # Panics
/// If `packet` is DATA: that is built with [`begin_data`] and [`finish`].
pub fn encode(id: ConnectionId, packet: &Packet) -> Vec<u8> {
    let mut out = Vec::with_capacity(BASE_DATAGRAM);
    let head = |out: &mut Vec<u8>, kind: u8| {
        out.push(kind);
        out.extend(id.0.to_be_bytes());
    };
    let push_credit = |out: &mut Vec<u8>, credit: &Credit| {
        out.extend(credit.stream.to_be_bytes());
        out.extend(credit.block.to_be_bytes());
    };
    match packet {
        Packet::Hello { version, service, credit, cookie, handshake } => {
            head(&mut out, HELLO);
            out.extend([*version, *service]);
            push_credit(&mut out, credit);
            out.push(cookie.len() as u8);
            out.extend(cookie);
            push_handshake(&mut out, handshake);
            out.resize(BASE_DATAGRAM - CRC, 0);
        }
        Packet::Retry { cookie, handshake } => {
            head(&mut out, RETRY);
            out.push(cookie.len() as u8);
            out.extend(cookie);
            push_handshake(&mut out, handshake);
        }
        Packet::Accept { credit, proof } => {
            head(&mut out, ACCEPT);
            push_credit(&mut out, credit);
            out.extend(proof.iter().flatten());
        }
        Packet::Refuse { code, text } => {
            head(&mut out, REFUSE);
            let text = cut(text, 512);
            out.extend(code.number().to_be_bytes());
            out.extend((text.len() as u16).to_be_bytes());
            out.extend(text.as_bytes());
        }
        Packet::Data { .. } | Packet::Sealed { .. } => {
            unreachable!("DATA is built by `begin_data` and `finish`")
        }
    }
    finish(&mut out);
    out
}

/// A HELLO with this version: the first datagram of a client. `handshake` is made of all bytes before it.
pub fn hello(
    id: ConnectionId,
    service: u8,
    credit: Credit,
    cookie: Vec<u8>,
    handshake: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let before = HELLO_HEAD + 1 + cookie.len();
    let packet = |cookie, handshake| Packet::Hello { version: VERSION, service, credit, cookie, handshake };
    let plain = encode(id, &packet(cookie.clone(), Vec::new()));
    match handshake(&plain[..before]) {
        none if none.is_empty() => plain,
        handshake => encode(id, &packet(cookie, handshake)),
    }
}

/// An ACCEPT; `proof` is made of all bytes before it.
pub fn accept(id: ConnectionId, credit: Credit, proof: impl FnOnce(&[u8]) -> Option<[u8; PROOF]>) -> Packet {
    let plain = encode(id, &Packet::Accept { credit, proof: None });
    Packet::Accept { credit, proof: proof(&plain[..plain.len() - CRC]) }
}

/// The bytes of an ACCEPT before its proof.
pub fn proven_by_accept(datagram: &[u8]) -> &[u8] {
    &datagram[..datagram.len().saturating_sub(PROOF + CRC)]
}

/// The bytes of a HELLO before its handshake.
pub fn before_handshake<'d>(datagram: &'d [u8], cookie: &[u8]) -> &'d [u8] {
    &datagram[..(HELLO_HEAD + 1 + cookie.len()).min(datagram.len())]
}

/// Begins a DATA datagram in an empty buffer; frames follow, then [`finish`].
pub fn begin_data(out: &mut Vec<u8>, id: ConnectionId, number: PacketNumber) {
    out.push(DATA);
    out.extend(id.0.to_be_bytes());
    out.extend(number.0.to_be_bytes());
}

/// Marks this DATA datagram as one to be acknowledged at once.
pub fn acknowledge_now(out: &mut [u8]) {
    out[0] = DATA_NOW;
}

/// Marks this DATA datagram as one to be taken only if its block is the next in order.
pub fn in_order_only(out: &mut [u8]) {
    out[0] = DATA_IN_ORDER;
}

/// Appends the check sum; nothing may follow it.
pub fn finish(out: &mut Vec<u8>) {
    let crc = checksum(out);
    out.extend(crc.to_be_bytes());
}
