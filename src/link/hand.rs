//! Packets by hand: a link that holds them back, lets them go one by one, and drops or doubles the one that is meant. Pure:
//! what it lets go enters the link as if it came then.

use std::collections::VecDeque;

/// Most packets that are held back, in both directions together, and most of their bytes. More are lost, as in a full queue.
pub const HELD_LIMIT: usize = 10_000;
/// See [`HELD_LIMIT`].
pub const HELD_BYTES_LIMIT: usize = 16 << 20;

/// What a packet carries, as far as the one to drop is meant by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Bytes of a file or of a message, or anything that is not of our protocol.
    Data,
    /// Nothing but an acknowledgement.
    Ack,
    /// What opens, keeps or closes a connection.
    Other,
}

/// A packet that comes to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandPacket<P> {
    /// Its number, as the record shows it.
    pub number: u64,
    /// What it carries.
    pub carries: Carries,
    /// Bytes that it takes.
    pub size: usize,
    /// The packet itself.
    pub packet: P,
}

/// What becomes of a packet that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Handled<P> {
    /// It goes on.
    Passes(P),
    /// It waits.
    Held,
    /// It is lost.
    Dropped(P),
}

/// Where [`Hand::drop_next`] found its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropNext {
    /// The held one of this number is lost.
    Held(u64),
    /// None is held: the next one that comes will be lost.
    Coming,
}

/// The packets of one link that are treated by hand.
#[derive(Debug)]
pub struct Hand<P> {
    holds: bool,
    held: VecDeque<HandPacket<P>>,
    bytes: usize,
    let_go: VecDeque<P>,
    lost: VecDeque<P>,
    to_drop: Vec<Carries>,
}

impl<P> Default for Hand<P> {
    fn default() -> Self {
        Self {
            holds: false,
            held: VecDeque::new(),
            bytes: 0,
            let_go: VecDeque::new(),
            lost: VecDeque::new(),
            to_drop: Vec::new(),
        }
    }
}

impl<P: Clone> Hand<P> {
    /// A packet has come to the link.
    pub fn take(&mut self, came: HandPacket<P>) -> Handled<P> {
        if let Some(meant) = self.to_drop.iter().position(|carries| *carries == came.carries) {
            self.to_drop.remove(meant);
            return Handled::Dropped(came.packet);
        }
        if !self.holds {
            return Handled::Passes(came.packet);
        }
        if self.held.len() >= HELD_LIMIT || self.bytes + came.size > HELD_BYTES_LIMIT {
            return Handled::Dropped(came.packet);
        }
        self.bytes += came.size;
        self.held.push_back(came);
        Handled::Held
    }

    /// From now on packets wait.
    pub const fn hold(&mut self) {
        self.holds = true;
    }

    /// True if packets wait.
    pub const fn holds(&self) -> bool {
        self.holds
    }

    /// Number of packets that wait.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The packets that wait, the first one first.
    pub fn waiting(&self) -> impl Iterator<Item = &HandPacket<P>> {
        self.held.iter()
    }

    /// Lets the first `count` packets go; returns how many there were.
    pub fn step(&mut self, count: usize) -> usize {
        let count = count.min(self.held.len());
        for gone in self.held.drain(..count) {
            self.bytes -= gone.size;
            self.let_go.push_back(gone.packet);
        }
        count
    }

    /// Lets all go and holds none any more; returns how many there were. What is to be dropped still is.
    pub fn release(&mut self) -> usize {
        self.holds = false;
        self.step(self.held.len())
    }

    /// Drops the first packet that carries this: one that waits, or else the next one that comes.
    pub fn drop_next(&mut self, carries: Carries) -> DropNext {
        let Some(at) = self.held.iter().position(|held| held.carries == carries) else {
            self.to_drop.push(carries);
            return DropNext::Coming;
        };
        let Some(gone) = self.held.remove(at) else { return DropNext::Coming };
        self.bytes -= gone.size;
        self.lost.push_back(gone.packet);
        DropNext::Held(gone.number)
    }

    /// Doubles the packet of this number that waits; false if none does, or if there is no room.
    pub fn duplicate(&mut self, number: u64) -> bool {
        let Some(at) = self.held.iter().position(|held| held.number == number) else { return false };
        let copy = self.held[at].clone();
        if self.held.len() >= HELD_LIMIT || self.bytes + copy.size > HELD_BYTES_LIMIT {
            return false;
        }
        self.bytes += copy.size;
        self.held.insert(at + 1, copy);
        true
    }

    /// The next packet that was let go.
    pub fn next_to_go(&mut self) -> Option<P> {
        self.let_go.pop_front()
    }

    /// The next packet that was dropped while it waited.
    pub fn next_lost(&mut self) -> Option<P> {
        self.lost.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u64, carries: Carries) -> HandPacket<u64> {
        HandPacket { number, carries, size: 1000, packet: number }
    }

    fn all(hand: &mut Hand<u64>) -> Vec<u64> {
        std::iter::from_fn(|| hand.next_to_go()).collect()
    }

    #[test]
    fn what_is_held_goes_step_by_step_in_its_order() {
        let mut hand = Hand::default();
        assert_eq!(hand.take(packet(1, Carries::Data)), Handled::Passes(1));
        hand.hold();
        (2..=5).for_each(|number| assert_eq!(hand.take(packet(number, Carries::Data)), Handled::Held));
        assert_eq!((hand.step(1), all(&mut hand)), (1, vec![2]));
        assert!(hand.duplicate(4) && !hand.duplicate(2));
        assert_eq!((hand.release(), all(&mut hand)), (4, vec![3, 4, 4, 5]));
        assert_eq!(hand.take(packet(6, Carries::Data)), Handled::Passes(6));
    }

    #[test]
    fn the_packet_that_is_meant_is_dropped_and_no_other() {
        let mut hand = Hand::default();
        hand.hold();
        hand.take(packet(1, Carries::Other));
        hand.take(packet(2, Carries::Ack));
        hand.take(packet(3, Carries::Data));
        assert_eq!(hand.drop_next(Carries::Data), DropNext::Held(3));
        assert_eq!(hand.next_lost(), Some(3));
        assert_eq!(hand.drop_next(Carries::Data), DropNext::Coming);
        assert_eq!(hand.take(packet(4, Carries::Ack)), Handled::Held);
        assert_eq!(hand.take(packet(5, Carries::Data)), Handled::Dropped(5));
        assert_eq!(hand.take(packet(6, Carries::Data)), Handled::Held);
        assert_eq!((hand.release(), all(&mut hand)), (4, vec![1, 2, 4, 6]));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut hand = Hand::default();
        hand.hold();
        let came =
            |n| HandPacket { number: n, carries: Carries::Data, size: HELD_BYTES_LIMIT / 4, packet: n };
        (0..4).for_each(|n| assert_eq!(hand.take(came(n)), Handled::Held));
        assert_eq!(hand.take(came(4)), Handled::Dropped(4));
        assert!(!hand.duplicate(0));
        hand.step(1);
        assert_eq!(hand.take(came(5)), Handled::Held);
    }
}
