//! The record of a session's packets, shared between the tasks that note them and those that look.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tap::{Part, Tap, Tapped};
use crate::base::Transport;
use crate::net::clock;
use crate::record::{Fate, Kind, PacketEvent, Ring, Way};
use crate::wire::frame::{BLOCK_HEADER, checksum};
use crate::wire::preface;

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

/// Shows the bytes of one direction of a connection to who looks.
#[derive(Clone, Debug)]
pub struct DirectionTap {
    ring: SharedRing,
    way: Way,
    /// This side and the peer.
    ends: (SocketAddr, SocketAddr),
    transport: Transport,
}

impl DirectionTap {
    /// `ends` are the addresses of this side and of the peer.
    pub fn new(ring: SharedRing, way: Way, ends: (SocketAddr, SocketAddr), transport: Transport) -> Self {
        Self { ring, way, ends, transport }
    }

    const fn part<'a>(&self, bytes: &'a [u8]) -> Part<'a> {
        match self.transport {
            Transport::Tcp => Part::Bytes(bytes),
            Transport::Udp => Part::Datagram(bytes),
        }
    }

    /// Shows that a stream begins or ends: datagrams do neither.
    fn mark(&self, part: Part<'_>) {
        if self.transport == Transport::Tcp {
            self.show(part, None);
        }
    }

    /// Bytes of an encrypted connection, as they are on the wire.
    pub(in crate::net) fn sealed(&self, bytes: &[u8]) {
        if !self.ring.tap().looks_inside() {
            self.show(Part::Bytes(bytes), None);
        }
    }

    /// Shows a part of the connection.
    fn show(&self, part: Part<'_>, event: Option<PacketEvent>) {
        if self.ring.tap().is_on() {
            let ((local, peer), outgoing) = (self.ends, self.way == Way::Out);
            self.ring.tap().show(&Tapped { side: 0, local, peer, outgoing, part, event });
        }
    }
}

/// Notes what passes in one direction of a connection: the number of each frame, and where in the stream it stands. In
/// another protocol each read and each write counts as a frame.
#[derive(Debug)]
pub struct FrameNotes {
    tap: DirectionTap,
    flow: u64,
    /// The frames are inside an encryption.
    pub(in crate::net) is_sealed: bool,
    next: u64,
    offset: u64,
}

impl FrameNotes {
    /// `flow` tells connections of a ring apart.
    pub fn new(tap: DirectionTap, flow: u64) -> Self {
        Self { tap, flow, is_sealed: false, next: 0, offset: 0 }
    }

    /// The place where bytes are shown.
    pub(in crate::net) fn tap(&self) -> DirectionTap {
        self.tap.clone()
    }

    /// True if somebody looks at the frames.
    fn is_seen(&self) -> bool {
        let tap = self.tap.ring.tap();
        if self.is_sealed { tap.looks_inside() } else { tap.is_on() }
    }

    /// A frame or a line of this size; its bytes are asked for only if somebody looks.
    pub(in crate::net) fn frame<B: AsRef<[u8]>>(
        &mut self,
        kind: Kind,
        size: usize,
        bytes: impl FnOnce() -> B,
    ) {
        let event = self.note(kind, (self.offset, size), size);
        if !self.is_seen() {
            return;
        }
        let bytes = bytes();
        let mut bytes = std::borrow::Cow::from(bytes.as_ref());
        if self.is_sealed && kind == Kind::Frame {
            // As without a key.
            let check = checksum(&bytes).to_be_bytes();
            bytes.to_mut().extend(check);
        }
        self.tap.show(self.tap.part(&bytes), Some(event));
    }

    /// The header of a block; `offset` and `length` are those in the file. Its bytes follow.
    pub(in crate::net) fn block(&mut self, header: &[u8; BLOCK_HEADER], (offset, length): (u64, usize)) {
        let event = self.note(Kind::Data, (offset, length), length + BLOCK_HEADER);
        if self.is_seen() {
            self.tap.show(Part::Bytes(header), Some(event));
        }
    }

    /// Bytes that belong to what was noted last.
    pub(in crate::net) fn more(&self, bytes: &[u8]) {
        if self.is_seen() {
            self.tap.show(Part::Bytes(bytes), None);
        }
    }

    /// This direction opens the connection.
    pub(in crate::net) fn open(&self) {
        self.tap.mark(Part::Open);
    }

    /// The preface; that of an encrypted connection is shown to who looks inside as it would be without a key.
    pub(in crate::net) fn preface(&self, mut preface: [u8; preface::SIZE]) {
        if self.is_sealed && self.tap.ring.tap().looks_inside() {
            preface[preface::FLAGS] &= !(preface::SEALED | preface::AES);
        }
        self.tap.show(Part::Bytes(&preface), None);
    }

    /// The sender has no more bytes.
    pub(in crate::net) fn end(&self) {
        self.tap.mark(Part::End);
    }

    /// The connection is cut.
    pub(in crate::net) fn cut(&self) {
        self.tap.mark(Part::Reset);
    }

    /// Bytes of another protocol, or a datagram.
    pub(in crate::net) fn bytes(&mut self, bytes: &[u8]) {
        self.frame(Kind::Other, bytes.len(), || bytes);
    }

    fn note(&mut self, kind: Kind, (offset, length): (u64, usize), size: usize) -> PacketEvent {
        let way = self.tap.way;
        let fate = if way == Way::Out { Fate::Sent } else { Fate::Arrived };
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let event = PacketEvent {
            at: clock::now(),
            flow: self.flow,
            way,
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
        self.tap.ring.lock().push(event);
        event
    }
}

impl Drop for FrameNotes {
    fn drop(&mut self) {
        self.end();
    }
}

/// Notes of both directions of a connection.
#[derive(Debug)]
pub struct ConnectionNotes {
    /// To the peer.
    pub(in crate::net) out: FrameNotes,
    /// From the peer.
    pub(in crate::net) into: FrameNotes,
}

impl ConnectionNotes {
    /// `flow` tells connections of a ring apart; `ends` are the addresses of this side and of the peer.
    pub fn new(ring: &SharedRing, flow: u64, ends: (SocketAddr, SocketAddr), transport: Transport) -> Self {
        let notes = |way| FrameNotes::new(DirectionTap::new(ring.clone(), way, ends, transport), flow);
        Self { out: notes(Way::Out), into: notes(Way::In) }
    }
}
