//! The record of a socket's packets: what its connections noted, and the packets themselves for who looks at them.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::Time;
use crate::net::clock;
use crate::net::connection::record::SharedRing;
use crate::net::connection::tap::{Part, Tapped};
use crate::record::{Fate, Kind, PacketEvent, Ring, Way, summarize};
use crate::reliable;

/// Datagrams that the kernel dropped between two reads of its count and that are noted: more would take the place of
/// other events.
const DROPS_NOTED: u64 = 4096;

/// The record of one socket.
#[derive(Default)]
pub(super) struct SocketRecord {
    pub(super) ring: SharedRing,
    /// Datagrams that passed since the record was taken last, if somebody looks at them.
    passed: Vec<Passed>,
    /// Encrypted ones as they are inside, by connection, direction and number, if somebody looks at that.
    inside: HashMap<(u64, Way, u64), Bytes>,
}

/// A datagram that passed.
struct Passed {
    peer: SocketAddr,
    way: Way,
    bytes: Bytes,
}

impl SocketRecord {
    /// Where the datagrams of a burst go; it is begun anew for each burst.
    pub(super) fn begin(&mut self, endpoint: &mut reliable::Endpoint) -> Burst<'_> {
        endpoint.keep_inside(self.ring.tap().looks_inside());
        Burst { looks: self.ring.tap().is_on(), passed: &mut self.passed }
    }

    /// Moves what the connections noted into the ring, and shows what passed to who looks.
    pub(super) fn take(&mut self, endpoint: &mut reliable::Endpoint, local: SocketAddr) {
        if self.passed.is_empty() {
            if endpoint.has_record() {
                endpoint.take_record(&mut self.ring.lock());
            }
            return;
        }
        let mut new = Ring::default();
        endpoint.take_record(&mut new);
        // A number is of one packet; those of the handshake have none. What is encrypted does not tell its kind.
        let key = |event: &PacketEvent| {
            let kind = event.kind;
            let greets = matches!(kind, Kind::Hello | Kind::Retry | Kind::Accept | Kind::Refuse);
            (event.flow, event.way, event.number, greets.then_some(kind))
        };
        let known: HashMap<_, PacketEvent> = new.events().map(|event| (key(event), *event)).collect();
        for reliable::Inside { id, way, number, datagram } in endpoint.take_inside() {
            self.inside.insert((id.0, way, number.0), datagram.into());
        }
        for Passed { peer, way, bytes } in self.passed.drain(..) {
            let seen = PacketEvent { way, ..summarize(&bytes) };
            let event = Some(known.get(&key(&seen)).copied().unwrap_or(seen));
            let bytes = self.inside.remove(&(seen.flow, way, seen.number)).unwrap_or(bytes);
            let (part, outgoing) = (Part::Datagram(&bytes), way == Way::Out);
            self.ring.tap().show(&Tapped { side: 0, local, peer, outgoing, part, event });
        }
        // One that was built and found no room leaves later.
        self.inside.retain(|(_, way, _), _| *way == Way::Out && self.ring.tap().looks_inside());
        self.ring.lock().append(&mut new);
    }

    /// Notes a datagram of lines of text that came, or one that leaves, which is shown to who looks.
    pub(super) fn text(&self, (local, peer): (SocketAddr, SocketAddr), way: Way, bytes: &[u8]) {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let fate = if way == Way::Out { Fate::Sent } else { Fate::Arrived };
        let at = clock::now();
        let event =
            PacketEvent { at, way, kind: Kind::Line, length: size, size, fate, ..PacketEvent::default() };
        self.ring.lock().push(event);
        if way == Way::Out {
            let part = Part::Datagram(bytes);
            self.ring.tap().show(&Tapped { side: 0, local, peer, outgoing: true, part, event: Some(event) });
        }
    }

    /// Notes datagrams that the kernel dropped: all that is known of them is that they came.
    pub(super) fn dropped(&self, at: Time, count: u64) {
        let lost = PacketEvent { at, way: Way::In, fate: Fate::LostByKernel, ..PacketEvent::default() };
        let mut ring = self.ring.lock();
        (0..count.min(DROPS_NOTED)).for_each(|_| ring.push(lost));
    }
}

/// Datagrams that leave or come one after another.
pub(super) struct Burst<'a> {
    looks: bool,
    passed: &'a mut Vec<Passed>,
}

impl Burst<'_> {
    /// One that left.
    pub(super) fn sent(&mut self, peer: SocketAddr, bytes: &[u8]) {
        if self.looks {
            self.passed.push(Passed { peer, way: Way::Out, bytes: Bytes::copy_from_slice(bytes) });
        }
    }

    /// One that came.
    pub(super) fn came(&mut self, peer: SocketAddr, bytes: &Bytes) {
        if self.looks {
            self.passed.push(Passed { peer, way: Way::In, bytes: bytes.clone() });
        }
    }
}
