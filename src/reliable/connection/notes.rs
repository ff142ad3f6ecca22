//! What is noted of packets as they leave and come, with the state of the connection.

use std::ops::Range;

use bytes::Bytes;

use super::Connection;
use crate::base::Time;
use crate::record::{Acked, Fate, Kind, PacketEvent, Ring, Way, add};
use crate::reliable::recovery::sent_packets::SentPacket;
use crate::wire::PacketNumber;
use crate::wire::datagram::DataFrames;

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
