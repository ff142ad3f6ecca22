//! Path MTU discovery by probing (after RFC 8899): from a size that every path carries, up a ladder of sizes that are
//! common on paths. A probe is a padded PING; its loss is no sign of congestion.

use std::time::Duration;

use crate::base::Time;
use crate::wire::PacketNumber;
use crate::wire::datagram::BASE_DATAGRAM;

/// UDP payloads that fit Ethernet over IPv6 and over IPv4, and jumbo frames, which loopback carries too.
const LADDER: [usize; 3] = [1452, 1472, 8972];
/// Probes of a size before it counts as too large: some may be lost by chance.
const TRIES: u8 = 5;
/// Consecutive probe timeouts after which a size above the base is suspected: the MTU of the path may have shrunk.
const SUSPICIOUS: u32 = 3;

/// The datagram size in use, and the search for a larger one.
#[derive(Debug)]
pub(super) struct Mtu {
    /// Largest UDP payload to send, in bytes.
    pub(super) current: usize,
    /// Largest UDP payload to probe for, in bytes.
    most: usize,
    /// Bytes that encryption adds to each datagram.
    left: usize,
    /// Index in `LADDER` of the size to probe; its length once the search is over.
    step: usize,
    tries: u8,
    /// The packet number of the probe in flight.
    probe: Option<PacketNumber>,
    next_at: Time,
}

impl Mtu {
    /// Begins with payloads of `datagram` bytes and probes up to `most`.
    pub(super) const fn new(datagram: usize, most: usize) -> Self {
        Self { current: datagram, most, left: 0, step: 0, tries: 0, probe: None, next_at: Time::ZERO }
    }

    /// Leaves so many bytes of each larger datagram to encryption. The base stays as it is: with them it still fits the
    /// smallest path of IPv6.
    pub(super) const fn leave(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// The size of the probe that is due, if one is.
    pub(super) fn due(&self, now: Time) -> Option<usize> {
        let size = *LADDER.get(self.step)? - self.left;
        (self.probe.is_none() && size > self.current && size <= self.most && now >= self.next_at)
            .then_some(size)
    }

    /// A probe was sent under this packet number.
    pub(super) fn tried(&mut self, number: PacketNumber) {
        self.probe = Some(number);
        self.tries += 1;
    }

    /// A packet was acknowledged (`arrived`) or declared lost; false if it was no probe.
    pub(super) fn settle(
        &mut self,
        now: Time,
        number: PacketNumber,
        arrived: bool,
        round_trip: Duration,
    ) -> bool {
        if self.probe != Some(number) {
            return false;
        }
        self.probe = None;
        if arrived {
            self.current = LADDER[self.step] - self.left;
        } else {
            self.next_at = now + round_trip;
        }
        if arrived || self.tries >= TRIES {
            // A size that does not pass ends the search: larger ones would not pass either.
            self.step = if arrived { self.step + 1 } else { LADDER.len() };
            self.tries = 0;
        }
        true
    }

    /// This number of consecutive probe timeouts passed without an acknowledgement: from three on, falls back to the
    /// base size.
    pub(super) fn doubt(&mut self, timeouts: u32) {
        if timeouts >= SUSPICIOUS
            && self.current > BASE_DATAGRAM
            && self.most > self.current.min(BASE_DATAGRAM)
        {
            (self.current, self.step, self.probe) = (BASE_DATAGRAM, LADDER.len(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(50);

    #[test]
    fn sizes_that_pass_are_used_and_the_first_that_does_not_ends_the_search() {
        let (mut mtu, mut now) = (Mtu::new(BASE_DATAGRAM, 65_507), Time::ZERO);
        let mut number = PacketNumber(0);
        while let Some(size) = mtu.due(now) {
            mtu.tried(number);
            assert_eq!(mtu.due(now), None, "one at a time");
            now = now + TURN;
            assert!(mtu.settle(now, number, size <= 1472, TURN));
            now = now + TURN;
            number += 1;
        }
        assert_eq!((mtu.current, number), (1472, PacketNumber(2 + u64::from(TRIES))));
    }

    #[test]
    fn a_path_that_became_narrower_is_served_with_the_base() {
        let mut mtu = Mtu::new(BASE_DATAGRAM, 1472);
        mtu.tried(PacketNumber(1));
        mtu.settle(Time::ZERO, PacketNumber(1), true, TURN);
        assert_eq!(mtu.current, 1452);
        mtu.doubt(2);
        assert_eq!(mtu.current, 1452);
        mtu.doubt(3);
        assert_eq!((mtu.current, mtu.due(Time::ZERO + TURN)), (BASE_DATAGRAM, None));
    }
}
