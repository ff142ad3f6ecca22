//! The record of a session's packets, shared between the tasks that note them and those that look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::clock;
use crate::record::{Kind, PacketEvent, Ring, Way};

/// A ring that several tasks write to. All clones are the same ring.
#[derive(Clone, Debug, Default)]
pub struct SharedRing(Arc<Mutex<Ring>>);

impl SharedRing {
    /// The ring, locked.
    pub fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    next: u64,
    offset: u64,
}

impl FrameNotes {
    /// `flow` tells connections of a ring apart.
    pub fn new(ring: SharedRing, flow: u64, way: Way) -> Self {
        Self { ring, flow, way, next: 0, offset: 0 }
    }

    /// A frame or a line of this size, as a part of the stream.
    pub(in crate::net) fn frame(&mut self, kind: Kind, size: usize) {
        let offset = self.offset;
        self.offset += size as u64;
        self.note(kind, offset, size, size);
    }

    /// A block: `offset` and `length` are those in the file.
    pub(in crate::net) fn block(&mut self, offset: u64, length: usize) {
        let size = length + crate::wire::frame::BLOCK_HEADER;
        self.offset += size as u64;
        self.note(Kind::Data, offset, length, size);
    }

    fn note(&mut self, kind: Kind, offset: u64, length: usize, size: usize) {
        let fate =
            if self.way == Way::Out { crate::record::Fate::Sent } else { crate::record::Fate::Arrived };
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
        self.ring.lock().push(event);
    }
}
