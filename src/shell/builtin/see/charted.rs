//! What charts are drawn of: the packets of a session, what links saw of them, and its counts.

use crate::net::relay::RelayControl;
use crate::record::chart::{Charted, Count};
use crate::record::diagram::Lane;
use crate::record::explain::Witnesses;
use crate::session::{Sample, Session};

/// A session as charts show it.
pub(super) fn charted(session: &Session, witnesses: &Witnesses) -> Charted {
    let lane = |(name, events): &(String, Vec<_>)| Lane { name: name.clone(), events: events.clone() };
    let mut links: Vec<Lane> = witnesses.links.iter().map(lane).collect();
    if session.control::<RelayControl>().is_some() && !witnesses.own.is_empty() {
        links = vec![Lane { name: session.label(), events: witnesses.own.clone() }];
    }
    Charted {
        name: format!("{} {}", session.label(), session.kind),
        events: witnesses.own.clone(),
        links,
        counts: session.samples().iter().map(count).collect(),
    }
}

const fn count(sample: &Sample) -> Count {
    let Sample { at, bytes_in, bytes_out, round_trip, .. } = *sample;
    Count { at, bytes_in, bytes_out, round_trip }
}
