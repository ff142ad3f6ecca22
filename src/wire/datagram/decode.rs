//! Reads a datagram.

use super::sealed::{is_sealed, sealed};
use super::{
    ACCEPT, COOKIE_LIMIT, CRC, Credit, DATA, DATA_IN_ORDER, DATA_NOW, HANDSHAKE_LIMIT, HELLO, PROOF, Packet,
    REFUSE, RETRY,
};
use crate::wire::frame::checksum;
use crate::wire::{Code, ConnectionId, DecodeError, PacketNumber, Reader, TEXT_LIMIT};

/// Checks and reads a datagram: its connection id and content. Fails on a wrong check sum, an unknown type, or a
/// truncated or oversized field.
pub fn decode(datagram: &[u8]) -> Result<(ConnectionId, Packet), DecodeError> {
    if datagram.first().is_some_and(|first| is_sealed(*first)) {
        return sealed(datagram);
    }
    let (body, crc) = datagram.split_last_chunk::<CRC>().ok_or(DecodeError::Truncated)?;
    if checksum(body) != u32::from_be_bytes(*crc) {
        return Err(DecodeError::Checksum);
    }
    let mut r = Reader::new(body);
    let (kind, id) = (r.u8()?, ConnectionId(r.u64()?));
    let packet = match kind {
        HELLO => {
            let (version, service, credit) = (r.u8()?, r.u8()?, credit(&mut r)?);
            let (cookie, handshake) = (cookie(&mut r)?, handshake(&mut r)?);
            r.rest();
            return Ok((id, Packet::Hello { version, service, credit, cookie, handshake }));
        }
        RETRY => Packet::Retry { cookie: cookie(&mut r)?, handshake: handshake(&mut r)? },
        ACCEPT => {
            let credit = credit(&mut r)?;
            let proof = if r.remaining() == 0 { None } else { r.take(PROOF)?.first_chunk().copied() };
            Packet::Accept { credit, proof }
        }
        REFUSE => {
            Packet::Refuse { code: Code::from_number(r.u16()?), text: r.text("reason", TEXT_LIMIT)?.into() }
        }
        DATA | DATA_NOW | DATA_IN_ORDER => {
            let number = PacketNumber(r.u64()?);
            let start = body.len() - r.remaining();
            let (now, in_order) = (kind != DATA, kind == DATA_IN_ORDER);
            return Ok((id, Packet::Data { number, now, in_order, frames: start..body.len() }));
        }
        kind => return Err(DecodeError::Unknown { what: "datagram", value: u64::from(kind) }),
    };
    r.finish((id, packet))
}

fn credit(r: &mut Reader<'_>) -> Result<Credit, DecodeError> {
    Ok(Credit { stream: r.u64()?, block: r.u64()? })
}

fn cookie(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let length = usize::from(r.u8()?);
    if length > COOKIE_LIMIT {
        return Err(DecodeError::Oversize { what: "cookie", limit: COOKIE_LIMIT as u64 });
    }
    Ok(r.take(length)?.to_vec())
}

/// The message of a handshake; empty without one, and where zeros follow.
fn handshake(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    if r.remaining() == 0 {
        return Ok(Vec::new());
    }
    let length = usize::from(r.u8()?);
    if length > HANDSHAKE_LIMIT {
        return Err(DecodeError::Oversize { what: "handshake", limit: HANDSHAKE_LIMIT as u64 });
    }
    Ok(r.take(length)?.to_vec())
}
