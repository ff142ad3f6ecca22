//! The packets whose acknowledgement took longest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Fate, PacketEvent, Way};

/// The packets that left with the longest time until their first acknowledgement, slowest first, `most` at most.
pub fn slowest(events: &[PacketEvent], most: usize) -> Vec<(&PacketEvent, Duration)> {
    let mut open: BTreeMap<(u64, u64), &PacketEvent> = BTreeMap::new();
    let mut taken: Vec<(&PacketEvent, Duration)> = Vec::new();
    for event in events {
        if let (Some(number), Way::Out, Fate::Sent) = (event.number(), event.way, event.fate) {
            open.entry((event.flow, number)).or_insert(event);
        }
        if event.way == Way::Out {
            continue;
        }
        for (first, last) in event.acked.kept().filter(|(first, last)| first <= last) {
            let range = (event.flow, first)..=(event.flow, last);
            let numbers: Vec<(u64, u64)> = open.range(range).map(|(key, _)| *key).collect();
            taken.extend(numbers.iter().filter_map(|key| {
                let sent = open.remove(key)?;
                Some((sent, event.at.since(sent.at)))
            }));
        }
    }
    taken.sort_by_key(|(sent, time)| (std::cmp::Reverse(*time), sent.at, sent.number));
    taken.truncate(most);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;
    use crate::record::Acked;

    #[test]
    fn the_first_acknowledgement_counts_and_the_slowest_is_first() {
        let sent =
            |at, number| PacketEvent { at: Time::from_micros(at), number, flow: 7, ..PacketEvent::default() };
        let acks = |at, first: u64, last: u64| PacketEvent {
            way: Way::In,
            acked: Acked { ranges: [(first, last), (1, 0), (1, 0)], count: 1 },
            ..sent(at, 0)
        };
        let nonsense = PacketEvent { acked: Acked { ranges: [(9, 2); 3], count: 3 }, ..acks(5, 1, 1) };
        let events =
            [sent(0, 1), sent(10, 2), sent(20, 3), nonsense, acks(50, 2, 3), acks(90, 1, 3), sent(99, 4)];
        let slow: Vec<(u64, u128)> =
            slowest(&events, 2).iter().map(|(event, time)| (event.number, time.as_micros())).collect();
        assert_eq!(slow, [(1, 90), (2, 40)]);
        assert!(slowest(&[], 5).is_empty());
    }
}
