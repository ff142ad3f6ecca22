//! What other sessions of this shell saw of the packets of a session: links between it and its peer, and the peer.

use std::collections::HashSet;

use crate::record::explain::Witnesses;
use crate::record::{Fate, Kind, PacketEvent, Way};
use crate::session::{Registry, Session};

/// Flows above this are ids of connections over UDP, which are the same everywhere; others are counted by each session.
const COUNTED: u64 = u32::MAX as u64;

/// The record of a session, with what links and peers saw of the same connections: of each the newest events, `most` or
/// fewer.
pub(super) fn witnesses(registry: &Registry, session: &Session, most: usize) -> Witnesses {
    let own = session.recent_packets(most).0;
    let flows: HashSet<u64> = own.iter().map(|event| event.flow).filter(|flow| *flow > COUNTED).collect();
    let mut all = Witnesses { own, ..Witnesses::default() };
    let mut others = registry.all();
    // Servers last: where the beginning of a record is not kept, nothing else tells the sides apart.
    others.sort_by_key(|other| other.listening().is_some());
    for other in others.iter().filter(|other| other.id != session.id) {
        let of_flow = |event: &PacketEvent| flows.contains(&event.flow);
        let seen: Vec<PacketEvent> = other.recent_packets(most).0.into_iter().filter(of_flow).collect();
        if seen.is_empty() {
            continue;
        }
        let pair = (other.label(), seen);
        if is_link(&pair.1) { all.links.push(pair) } else { all.peers.push(pair) }
    }
    all
}

fn is_link(events: &[PacketEvent]) -> bool {
    let passes = |event: &PacketEvent| {
        matches!(
            event.fate,
            Fate::Passed
                | Fate::LostByLink
                | Fate::QueueFull
                | Fate::Corrupted
                | Fate::Doubled
                | Fate::HeldBack
        )
    };
    events.iter().all(passes)
}

/// True if the session began the connections in its record.
pub(super) fn is_client(own: &[PacketEvent]) -> bool {
    !own.iter().any(|event| event.kind == Kind::Hello && event.way == Way::In)
}
