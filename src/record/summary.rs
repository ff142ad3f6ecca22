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
    let of = |kind| PacketEvent { flow, kind, ..plain };
    match packet {
        Packet::Hello { .. } => of(Kind::Hello),
        Packet::Retry { .. } => of(Kind::Retry),
        Packet::Accept { .. } => of(Kind::Accept),
        Packet::Refuse { .. } => of(Kind::Refuse),
        Packet::Data { number, frames, .. } => {
            let mut event = PacketEvent { number: number.0, ..of(Kind::Ack) };
            for frame in DataFrames::new(datagram.clone(), &frames).flatten() {
                add(&mut event, &frame);
            }
            event
        }
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
