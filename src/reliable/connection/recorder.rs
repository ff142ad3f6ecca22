//! What a connection notes about its packets: events of `record`. Nothing is noted unless the connection is asked to.

use std::ops::Range;

use bytes::Bytes;

use super::Connection;
use crate::base::Time;
use crate::record::{Acked, Fate, Kind, PacketEvent, Ring, Way, add};
use crate::reliable::recovery::sent_packets::SentPacket;
use crate::wire::datagram::{DataFrames, Packet};
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
    fn blank(&self, now: Time, way: Way, kind: Kind) -> PacketEvent {
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
    fn of_sent(&self, now: Time, number: PacketNumber, sent: &SentPacket, size: usize) -> PacketEvent {
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

impl Connection {
    /// The packet that is about to be registered, with what it acknowledges.
    pub(super) fn note_of_sent(
        &self,
        now: Time,
        number: PacketNumber,
        sent: &SentPacket,
        (size, acks): (usize, bool),
    ) -> Option<PacketEvent> {
        let event = self.recorder.is_on().then(|| self.recorder.of_sent(now, number, sent, size))?;
        let acked = if acks { self.receive_side.last_ack } else { Acked::NONE };
        Some(PacketEvent { acked, ..event })
    }

    /// Notes a packet that left, with the state of the sender after it.
    pub(super) fn note_sent(&mut self, event: Option<PacketEvent>) {
        let Some(event) = event else { return };
        let window = match &self.send_side.textbook {
            Some(textbook) => textbook.window_bytes(),
            None => self.congestion.window(&self.rtt),
        };
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let round_trip = if self.rtt.is_known() { self.rtt.smoothed().as_micros() as usize } else { 0 };
        self.recorder.push(PacketEvent {
            window: narrow(window),
            in_flight: narrow(self.sent_packets.bytes),
            round_trip: narrow(round_trip),
            ..event
        });
    }

    /// The event of a DATA datagram that came; its frames are added as they are read.
    pub(super) fn note_of_arrival(&self, now: Time, number: PacketNumber, size: usize) -> PacketEvent {
        PacketEvent {
            number: number.0,
            size: size as u32,
            acked: Acked::NONE,
            ..self.recorder.blank(now, Way::In, Kind::Ack)
        }
    }

    /// Notes a DATA datagram that came and was dropped.
    pub(super) fn note_dropped(
        &mut self,
        now: Time,
        number: PacketNumber,
        (datagram, frames): (&Bytes, &Range<usize>),
        fate: Fate,
    ) {
        if !self.recorder.is_on() {
            return;
        }
        let mut event = PacketEvent { fate, ..self.note_of_arrival(now, number, datagram.len()) };
        DataFrames::new(datagram.clone(), frames).flatten().for_each(|frame| add(&mut event, &frame));
        self.recorder.push(event);
    }

    /// Moves what was noted since the last call into a ring; nothing if [`crate::reliable::Config::record`] is 0.
    pub fn take_record(&mut self, into: &mut Ring) {
        self.recorder.take_into(into);
    }
}

/// The kind of a datagram that is not DATA.
pub(in crate::reliable) const fn kind_of(packet: &Packet) -> Kind {
    match packet {
        Packet::Hello { .. } => Kind::Hello,
        Packet::Retry { .. } => Kind::Retry,
        Packet::Accept { .. } => Kind::Accept,
        Packet::Refuse { .. } => Kind::Refuse,
        Packet::Data { .. } => Kind::Data,
    }
}
