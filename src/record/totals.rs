//! A record in numbers.

use super::{Cause, Fate, PacketEvent, Way};

/// What a record counts, by name. All are numbers of packets, or of events.
pub const TOTALS: [(&str, &str); 11] = [
    ("events", "events in the record"),
    ("sent", "packets that left"),
    ("received", "packets that came"),
    ("retransmissions", "packets that left and carried something again"),
    ("timeouts", "… because a retransmission time-out fired"),
    ("gaps", "… because later packets were acknowledged"),
    ("probes", "… as probes, after a silence"),
    ("copies", "… in spare time, before a loss was known"),
    ("lost", "packets that were lost, or were declared lost"),
    ("late", "packets that were declared lost and were only late"),
    ("duplicates", "packets that came again"),
];

/// The number of this name.
pub fn total(name: &str, events: &[PacketEvent]) -> Option<u64> {
    let sent = |event: &PacketEvent| event.way == Way::Out && event.fate == Fate::Sent;
    let cause = |wanted: Cause| move |event: &PacketEvent| sent(event) && event.cause == Some(wanted);
    let count = |is_it: &dyn Fn(&PacketEvent) -> bool| {
        Some(events.iter().filter(|event| is_it(event)).count() as u64)
    };
    match name {
        "events" => Some(events.len() as u64),
        "sent" => count(&sent),
        "received" => count(&|event| {
            event.way == Way::In && !matches!(event.fate, Fate::Duplicate | Fate::LostByKernel)
        }),
        "retransmissions" => count(&|event| sent(event) && event.cause.is_some()),
        "timeouts" => count(&cause(Cause::Timeout)),
        "gaps" => count(&cause(Cause::Gap)),
        "probes" => count(&cause(Cause::Probe)),
        "copies" => count(&cause(Cause::TailCopy)),
        "lost" => count(&|event| event.fate.is_loss()),
        "late" => count(&|event| event.fate == Fate::Late),
        "duplicates" => count(&|event| event.fate == Fate::Duplicate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_counted_and_no_other() {
        let again = PacketEvent { cause: Some(Cause::Probe), ..PacketEvent::default() };
        let events = [again, PacketEvent { fate: Fate::Missing, ..again }];
        assert!(TOTALS.iter().all(|(name, _)| total(name, &events).is_some()));
        let got =
            ["events", "sent", "retransmissions", "probes", "gaps", "lost"].map(|name| total(name, &events));
        assert_eq!(got, [2, 1, 1, 1, 0, 1].map(Some));
        assert_eq!(total("frob", &events), None);
    }
}
