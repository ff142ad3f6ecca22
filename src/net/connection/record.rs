//! The record of a session's packets, shared between the tasks that note them and those that look.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tap::{Part, Tap, Tapped};
use crate::net::clock;
use crate::record::{Fate, Kind, PacketEvent, Ring, Way};
use crate::wire::frame::BLOCK_HEADER;

/// A ring that several tasks write to, and a tap of the same packets. All clones are the same.
#[derive(Clone, Debug, Default)]
pub struct SharedRing(Arc<(Mutex<Ring>, Tap)>);

impl SharedRing {
    /// The ring, locked.
    pub fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where somebody may look at the packets themselves.
    pub fn tap(&self) -> &Tap {
        &self.0.1
    }

    /// True if both are the same ring.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Notes the frames of one direction of a TCP connection: their number, and where in the stream they stand.
#[derive(Debug)]
pub struct FrameNotes {
    ring: SharedRing,
    flow: u64,
    way: Way,
    /// This side and the peer.
    ends: (SocketAddr, SocketAddr),
    next: u64,
    offset: u64,
}

impl FrameNotes {
    /// `flow` tells connections of a ring apart; `ends` are the addresses of this side and of the peer.
    pub fn new(ring: SharedRing, flow: u64, way: Way, ends: (SocketAddr, SocketAddr)) -> Self {
        Self { ring, flow, way, ends, next: 0, offset: 0 }
    }

    /// A frame or a line of this size; its bytes are asked for only if somebody looks.
    pub(in crate::net) fn frame<B: AsRef<[u8]>>(
        &mut self,
        kind: Kind,
        size: usize,
        bytes: impl FnOnce() -> B,
    ) {
        let event = self.note(kind, (self.offset, size), size);
        if self.ring.tap().is_on() {
            self.show(Part::Bytes(bytes().as_ref()), Some(event));
        }
    }

    /// The header of a block; `offset` and `length` are those in the file. Its bytes follow.
    pub(in crate::net) fn block(&mut self, header: &[u8; BLOCK_HEADER], (offset, length): (u64, usize)) {
        let event = self.note(Kind::Data, (offset, length), length + BLOCK_HEADER);
        self.show(Part::Bytes(header), Some(event));
    }

    /// Bytes that belong to what was noted last.
    pub(in crate::net) fn more(&self, bytes: &[u8]) {
        self.show(Part::Bytes(bytes), None);
    }

    /// Shows a part of the connection to who looks.
    pub(in crate::net) fn show(&self, part: Part<'_>, event: Option<PacketEvent>) {
        if self.ring.tap().is_on() {
            let (local, peer) = self.ends;
            let outgoing = self.way == Way::Out;
            self.ring.tap().show(&Tapped { side: 0, local, peer, outgoing, part, event });
        }
    }

    fn note(&mut self, kind: Kind, (offset, length): (u64, usize), size: usize) -> PacketEvent {
        let fate = if self.way == Way::Out { Fate::Sent } else { Fate::Arrived };
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let event = PacketEvent {
            at: clock::now(),
            flow: self.flow,
            way: self.way,
            kind,
            number: self.next,
            offset,
            length: narrow(length),
            size: narrow(size),
            fate,
            ..PacketEvent::default()
        };
        self.next += 1;
        self.offset += size as u64;
        self.ring.lock().push(event);
        event
    }
}
