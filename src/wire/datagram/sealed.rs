//! DATA of an encrypted connection: its head is plain, and its frames are not.

use super::{DATA, DATA_HEAD, DATA_IN_ORDER, DATA_SEALED, LAST, PROOF, Packet, SEALED};
use crate::wire::{ConnectionId, DecodeError, PacketNumber, Reader};

/// True for DATA of an encrypted connection.
pub(super) const fn is_sealed(first: u8) -> bool {
    matches!(first, DATA_SEALED..=LAST)
}

/// Reads what is plain of it.
pub(super) fn sealed(datagram: &[u8]) -> Result<(ConnectionId, Packet), DecodeError> {
    let mut r = Reader::new(datagram);
    let (_, id, number) = (r.u8()?, ConnectionId(r.u64()?), PacketNumber(r.u64()?));
    r.take(PROOF)?;
    Ok((id, Packet::Sealed { number }))
}

/// A [`Packet::Sealed`] as DATA, once it was opened in place: `datagram` has no tag any more.
pub fn unsealed(datagram: &[u8], number: PacketNumber) -> Packet {
    let kind = datagram[0] - SEALED;
    let (now, in_order) = (kind != DATA, kind == DATA_IN_ORDER);
    Packet::Data { number, now, in_order, frames: DATA_HEAD..datagram.len() }
}

/// An opened datagram, without its tag, as DATA without a check sum.
pub fn unsealed_bytes(datagram: &[u8]) -> Vec<u8> {
    let mut out = datagram.to_vec();
    out[0] -= SEALED;
    out
}

/// Makes DATA, without its check sum, what is to be sealed: its head does not change any more.
pub fn begin_seal(out: &mut [u8]) {
    out[0] += SEALED;
}
