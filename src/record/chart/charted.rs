//! What is drawn, and from when to when.

use std::time::Duration;

use crate::base::Time;
use crate::record::diagram::Lane;
use crate::record::{NO_NUMBER, PacketEvent};

/// Parts of the time for which a rate is computed, at least and at most, and the packets in one of them.
const PARTS: (usize, usize) = (12, 100);
const PACKETS_OF_A_PART: usize = 6;

/// What a session counted by some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Since the session began.
    pub at: Duration,
    /// Bytes received so far.
    pub bytes_in: u64,
    /// Bytes sent so far.
    pub bytes_out: u64,
    /// The smoothed round trip; `None` if it is unknown.
    pub round_trip: Option<Duration>,
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Charted {
    /// What stands above the charts. It may be foreign text.
    pub name: String,
    /// The record of the session, oldest first.
    pub events: Vec<PacketEvent>,
    /// What links saw of it; the session itself, if it is a link.
    pub links: Vec<Lane>,
    /// Its counts, oldest first: for a session that keeps no record of packets.
    pub counts: Vec<Count>,
}

/// From a time to seconds since the charts begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) began: Time,
    /// Of all charts, in seconds; never 0.
    pub(super) length: f64,
    /// Parts of the time for which a rate is computed.
    pub(super) parts: usize,
}

impl Clock {
    pub(super) fn seconds(self, at: Time) -> f64 {
        at.since(self.began).as_secs_f64()
    }
}

impl Charted {
    /// True if each event is a packet with a number: then rates and round trips are computed from them.
    pub(super) fn has_packets(&self) -> bool {
        self.events.iter().any(|event| event.number != NO_NUMBER) || self.counts.len() < 2
    }

    pub(super) fn clock(&self) -> Clock {
        let events = || self.events.iter().chain(self.links.iter().flat_map(|lane| &lane.events));
        let began = events().map(|event| event.at).min().unwrap_or_default();
        let ended = events().map(|event| event.at).max().unwrap_or_default();
        let mut length = ended.since(began).as_secs_f64();
        let mut packets = self.events.len();
        if !self.has_packets() {
            length = length.max(self.counts.last().map_or(0.0, |count| count.at.as_secs_f64()));
            packets = self.counts.len() * PACKETS_OF_A_PART;
        }
        let parts = (packets / PACKETS_OF_A_PART).clamp(PARTS.0, PARTS.1);
        Clock { began, length: length.max(1e-6), parts }
    }
}
