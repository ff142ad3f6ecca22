//! Whose turn it is. Pure.
//!
//! A message must be answered before its author may send another; any message of the other side is the answer.
//! Both may begin; if both do at once, each message answers the other. Each message says how many of the other
//! side's messages its author had seen, so that both ends reach the same verdict although messages cross.

/// One side of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    /// No turns (`turns off`): both may speak at any time.
    free: bool,
    sent: u64,
    received: u64,
    /// How many messages we had received when we last sent; `None` before our first.
    seen_at_send: Option<u64>,
    /// How many of our messages they had received when they last sent; `None` before their first.
    seen_by_them: Option<u64>,
}

/// The numbers sent with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Number of this message among its author's, from 1.
    pub(super) id: u64,
    /// How many messages of the other side its author had received.
    pub(super) seen: u64,
}

/// Why a message of the other side is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnError {
    /// It was not their turn.
    OutOfTurn,
    /// The numbers are impossible: the peer is broken, or lies.
    Impossible,
}

impl Turns {
    pub(super) fn new(free: bool) -> Self {
        Self { free, ..Self::default() }
    }

    /// The stamp of the next message of a text client, which sends none: it counts as having seen everything.
    pub(super) fn stamp_of_plain(&self) -> Stamp {
        Stamp { id: self.received + 1, seen: self.sent }
    }

    /// True if we may send.
    pub(super) fn is_ours(&self) -> bool {
        self.free || self.seen_at_send.is_none_or(|seen| self.received > seen)
    }

    /// True if they may send, having received all that was sent to them.
    pub(super) fn is_theirs(&self) -> bool {
        self.free || self.seen_by_them.is_none_or(|seen| self.sent > seen)
    }

    /// Counts a message of ours; `None` if it is not our turn.
    pub(super) fn send(&mut self) -> Option<Stamp> {
        if !self.is_ours() {
            return None;
        }
        self.sent += 1;
        self.seen_at_send = Some(self.received);
        Some(Stamp { id: self.sent, seen: self.received })
    }

    /// Counts a message of another client, passed on, as one of ours. It needs no turn, and answers what they said.
    pub(super) fn relay(&mut self) -> Stamp {
        self.sent += 1;
        Stamp { id: self.sent, seen: self.received }
    }

    /// Counts such a message at its receiver.
    pub(super) fn receive_relayed(&mut self, stamp: Stamp) -> Result<(), TurnError> {
        if stamp.id != self.received + 1 || stamp.seen > self.sent {
            return Err(TurnError::Impossible);
        }
        self.received += 1;
        Ok(())
    }

    /// Checks a message of theirs, and counts it if it is valid.
    pub(super) fn receive(&mut self, stamp: Stamp) -> Result<(), TurnError> {
        if stamp.id != self.received + 1 || stamp.seen > self.sent {
            return Err(TurnError::Impossible);
        }
        if !self.free && self.seen_by_them.is_some_and(|before| stamp.seen <= before) {
            return Err(TurnError::OutOfTurn);
        }
        self.received += 1;
        self.seen_by_them = Some(stamp.seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_must_be_answered_before_the_next() {
        let (mut a, mut b) = (Turns::default(), Turns::default());
        let first = a.send().unwrap();
        assert_eq!(a.send(), None);
        b.receive(first).unwrap();
        let answer = b.send().unwrap();
        assert_eq!(b.send(), None);
        a.receive(answer).unwrap();
        assert!(a.is_ours());
    }

    #[test]
    fn without_the_rule_anybody_speaks_and_the_count_still_holds() {
        let (mut a, mut b) = (Turns::new(true), Turns::new(true));
        for _ in 0..5 {
            b.receive(a.send().unwrap()).unwrap();
        }
        assert_eq!(b.receive(Stamp { id: 9, seen: 0 }), Err(TurnError::Impossible));
        assert_eq!(b.stamp_of_plain(), Stamp { id: 6, seen: 0 });
    }

    #[test]
    fn what_others_say_in_a_room_is_an_answer_and_takes_no_turn() {
        let (mut room, mut ann) = (Turns::default(), Turns::default());
        room.receive(ann.send().unwrap()).unwrap();
        for _ in 0..3 {
            ann.receive_relayed(room.relay()).unwrap();
        }
        assert!(room.is_ours());
        room.receive(ann.send().unwrap()).unwrap();
        assert_eq!(ann.send(), None);
        ann.receive(room.send().unwrap()).unwrap();
        assert_eq!(ann.receive_relayed(Stamp { id: 9, seen: 0 }), Err(TurnError::Impossible));
    }

    #[test]
    fn messages_that_cross_answer_each_other() {
        let (mut a, mut b) = (Turns::default(), Turns::default());
        let (from_a, from_b) = (a.send().unwrap(), b.send().unwrap());
        a.receive(from_b).unwrap();
        // a sends its second message before b has received the first.
        let second = a.send().unwrap();
        b.receive(from_a).unwrap();
        b.receive(second).unwrap();
        assert!(b.is_ours());
    }

    #[test]
    fn a_peer_that_does_not_keep_the_rule_is_found_out() {
        let (mut a, mut liar) = (Turns::default(), Turns::default());
        a.receive(liar.send().unwrap()).unwrap();
        assert_eq!(a.receive(Stamp { id: 2, seen: 0 }), Err(TurnError::OutOfTurn));
        assert_eq!(a.receive(Stamp { id: 2, seen: 9 }), Err(TurnError::Impossible));
        assert_eq!(a.receive(Stamp { id: 7, seen: 0 }), Err(TurnError::Impossible));
    }

    #[test]
    fn any_interleaving_of_honest_sides_is_accepted() {
        let mut state = 1u64;
        for _ in 0..500 {
            let mut sides = [Turns::default(), Turns::default()];
            let mut wires: [Vec<Stamp>; 2] = Default::default();
            for _ in 0..200 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
                let side = (state >> 40) as usize % 2;
                if (state >> 50).is_multiple_of(2) {
                    wires[side].extend(sides[side].send());
                } else if !wires[1 - side].is_empty() {
                    let stamp = wires[1 - side].remove(0);
                    sides[side].receive(stamp).unwrap();
                }
            }
        }
    }
}
