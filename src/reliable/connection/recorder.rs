//! What a connection notes about its packets: events of `record`. Nothing is noted unless the connection is asked to.

use crate::base::Time;
use crate::record::{Fate, Kind, PacketEvent, Ring, Way};
use crate::reliable::recovery::sent_packets::SentPacket;
use crate::wire::{ConnectionId, PacketNumber};

/// The notes since they were last taken.
#[derive(Debug)]
pub(in crate::reliable) struct Recorder {
    /// `None`: nothing is noted.
    ring: Option<Ring>,
    flow: u64,
}

impl Recorder {
    /// Keeps `limit` events until they are taken; 0 is off.
    pub(in crate::reliable) fn new(id: ConnectionId, limit: usize) -> Self {
        Self { ring: (limit > 0).then(|| Ring::new(limit)), flow: id.0 }
    }

    pub(in crate::reliable) const fn is_on(&self) -> bool {
        self.ring.is_some()
    }

    /// An event of this connection.
    pub(super) fn blank(&self, now: Time, way: Way, kind: Kind) -> PacketEvent {
        let fate = if way == Way::Out { Fate::Sent } else { Fate::Arrived };
        PacketEvent { at: now, flow: self.flow, way, kind, fate, ..PacketEvent::default() }
    }

    pub(in crate::reliable) fn push(&mut self, event: PacketEvent) {
        if let Some(ring) = &mut self.ring {
            ring.push(event);
        }
    }

    /// A packet without a number left or came.
    pub(in crate::reliable) fn greeting(&mut self, now: Time, way: Way, kind: Kind, size: usize) {
        if self.is_on() {
            self.push(PacketEvent { size: size as u32, ..self.blank(now, way, kind) });
        }
    }

    /// What the sender found out about a packet that left before.
    pub(in crate::reliable) fn verdict(
        &mut self,
        now: Time,
        number: PacketNumber,
        sent: &SentPacket,
        fate: Fate,
    ) {
        if self.is_on() {
            self.push(PacketEvent { fate, ..self.of_sent(now, number, sent, sent.size) });
        }
    }

    /// A packet with this content, as it leaves.
    pub(super) fn of_sent(
        &self,
        now: Time,
        number: PacketNumber,
        sent: &SentPacket,
        size: usize,
    ) -> PacketEvent {
        let (kind, offset, length) = match (&sent.piece, &sent.stream) {
            (Some(piece), _) => (Kind::Data, piece.offset, piece.bytes.len() as u64),
            (None, Some(range)) => (Kind::Stream, range.start, range.end - range.start),
            (None, None) if sent.eliciting => (Kind::Ping, 0, 0),
            (None, None) => (Kind::Ack, 0, 0),
        };
        let again = sent.again();
        PacketEvent {
            number: number.0,
            offset,
            length: length as u32,
            size: size as u32,
            cause: again.map(|again| again.cause),
            again: again.map_or(crate::record::NO_NUMBER, |again| again.number.0),
            ..self.blank(now, Way::Out, kind)
        }
    }

    /// Moves the notes into a ring.
    pub(in crate::reliable) fn take_into(&mut self, into: &mut Ring) {
        if let Some(ring) = &mut self.ring {
            into.append(ring);
        }
    }
}
