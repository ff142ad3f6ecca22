//! Samples of its traffic, and its packets.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::Session;
use crate::base::Time;
use crate::net::connection::tap::{Depth, Tapped};
use crate::record::PacketEvent;
use crate::session::measure::{Meter, PacketCursor, Sample};

impl Session {
    pub(in crate::session) fn lock_meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample of the counts and the path; `last`: the session has ended.
    pub(in crate::session) fn sample(&self, last: bool) {
        let (at, bytes_in, bytes_out) = (self.began.elapsed(), self.bytes_in(), self.bytes_arrived());
        self.lock_meter().take(at, bytes_in, bytes_out, last);
    }

    /// Sent bytes without those that a transfer knows to be on their way.
    fn bytes_arrived(&self) -> u64 {
        self.bytes_out().saturating_sub(self.on_way.load(Ordering::Relaxed))
    }

    /// The samples over its life; for a live session the last one is taken now.
    pub fn samples(&self) -> Vec<Sample> {
        let has_ended = self.has_ended();
        let mut meter = self.lock_meter();
        let mut samples = meter.samples().to_vec();
        if !has_ended {
            samples.push(meter.read(self.began.elapsed(), self.bytes_in(), self.bytes_arrived()));
        }
        samples
    }

    /// What happened to its packets, by time, and how many older events are kept no more.
    pub fn packets(&self) -> (Vec<PacketEvent>, u64) {
        self.packets.events(usize::MAX)
    }

    /// The events since the cursor, by time, which moves behind them, and how many of them are kept no more.
    pub fn packets_since(&self, cursor: &mut PacketCursor) -> (Vec<PacketEvent>, u64) {
        self.packets.since(cursor)
    }

    /// The newest of them, this number at most, and how many older ones there were.
    pub fn recent_packets(&self, most: usize) -> (Vec<PacketEvent>, u64) {
        self.packets.events(most)
    }

    /// When the first packet of its record passed; `None`: none has.
    pub fn first_packet(&self) -> Option<Time> {
        self.packets.began()
    }

    /// Number of events in its record so far, those that are kept no more included.
    pub fn packet_count(&self) -> u64 {
        self.packets.count()
    }

    /// From now on `look` is shown all packets that pass, until [`Self::look_away`]; false if somebody looks already.
    pub fn look(&self, depth: Depth, look: impl Fn(&Tapped<'_>) + Send + Sync + 'static) -> bool {
        self.packets.look(Some((Arc::new(look), depth)))
    }

    /// True while somebody looks at its packets.
    pub fn is_looked_at(&self) -> bool {
        self.packets.is_looked_at()
    }

    /// Nobody looks any more.
    pub fn look_away(&self) {
        self.packets.look(None);
    }

    /// Keeps this number of events for each socket from now on.
    pub fn keep_packets(&self, limit: usize) {
        self.packets.set_limit(limit);
    }

    /// Datagrams or segments retransmitted so far.
    pub fn retransmitted(&self) -> u64 {
        self.lock_meter().retransmitted()
    }

    /// Receiving and sending rate over the last second, in bytes/s; zero for an ended session.
    pub fn rates(&self) -> (f64, f64) {
        if self.has_ended() { (0.0, 0.0) } else { self.lock_meter().rates() }
    }
}
