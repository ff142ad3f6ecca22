//! What a datagram is, from its bytes: for a link, which passes on what it does not understand, and for a capture.

use bytes::Bytes;

use super::{Acked, Fate, Kind, PacketEvent};
use crate::wire::datagram::{self, DataFrame, DataFrames, Packet};

/// An event with kind, number, content and acknowledgement of a datagram, and no more. One that cannot be read is of kind
/// [`Kind::Other`], and [`Fate::Damaged`] if its first byte is of our protocol.
pub fn summarize(datagram: &Bytes) -> PacketEvent {
    let size = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
    let plain = PacketEvent { size, acked: Acked::NONE, ..PacketEvent::default() };
    let (flow, packet) = match datagram::decode(datagram) {
        Ok((id, packet)) => (id.0, packet),
        Err(_) if datagram.first().is_some_and(|first| datagram::is_ours(*first)) => {
            return PacketEvent { fate: Fate::Damaged, ..plain };
        }
        Err(_) => return PacketEvent { length: size, ..plain },
    };
    if let Packet::Sealed { number } = packet {
        return PacketEvent { flow, kind: Kind::Data, number: number.0, ..plain };
    }
    let Packet::Data { number, frames, .. } = packet else {
        return PacketEvent { flow, kind: kind_of(&packet), ..plain };
    };
    let mut event = PacketEvent { flow, kind: Kind::Ack, number: number.0, ..plain };
    DataFrames::new(datagram.clone(), &frames).flatten().for_each(|frame| add(&mut event, &frame));
    event
}

/// The kind of a datagram; that of DATA follows from its frames.
pub(crate) const fn kind_of(packet: &Packet) -> Kind {
    match packet {
        Packet::Hello { .. } => Kind::Hello,
        Packet::Retry { .. } => Kind::Retry,
        Packet::Accept { .. } => Kind::Accept,
        Packet::Refuse { .. } => Kind::Refuse,
        Packet::Data { .. } | Packet::Sealed { .. } => Kind::Data,
    }
}

/// Adds a frame: the kind is that of the most important one.
pub(crate) fn add(event: &mut PacketEvent, frame: &DataFrame) {
    match frame {
        DataFrame::Ack(ack) => event.acked = Acked::of(ack.ranges.iter().cloned()),
        DataFrame::Block { offset, bytes, .. } => {
            event.kind = Kind::Data;
            (event.offset, event.length) = (*offset, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        DataFrame::Stream { offset, bytes } if event.kind != Kind::Data => {
            event.kind = Kind::Stream;
            (event.offset, event.length) = (*offset, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        DataFrame::Ping if event.kind == Kind::Ack => event.kind = Kind::Ping,
        DataFrame::Close { .. } => event.kind = Kind::Close,
        DataFrame::Stream { .. } | DataFrame::Ping | DataFrame::Pad => {}
    }
}
