//! What became of a packet, why something was sent again, and what held a transfer up: in plain sentences.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::line::millis;
use super::{Cause, Fate, Kind, PacketEvent, Way};
use crate::base::Time;

/// The kernel's drops are asked for at intervals: they are noted at most so long after they happened.
const DROPS_DELAY: Duration = Duration::from_secs(1);
/// Retransmissions that an explanation of a whole session lists.
const LISTED: usize = 20;

/// The record of a session, and what others saw of the same packets.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// The events of the session.
    pub own: Vec<PacketEvent>,
    /// The links between it and its peer, with their names and events.
    pub links: Vec<(String, Vec<PacketEvent>)>,
    /// The other side, if it is known, with its name and events.
    pub peers: Vec<(String, Vec<PacketEvent>)>,
}

impl Witnesses {
    fn began(&self) -> Time {
        self.own.first().map_or(Time::ZERO, |event| event.at)
    }

    /// The event of the packet of this number as it left.
    fn sent(&self, number: u64) -> Option<&PacketEvent> {
        self.own
            .iter()
            .find(|event| event.number() == Some(number) && event.way == Way::Out && event.fate == Fate::Sent)
    }

    /// The direction of our packets at a link: it counts as a client who sent a HELLO.
    fn way_at_link(&self) -> Way {
        let greeted = |way: Way| self.own.iter().any(|event| event.kind == Kind::Hello && event.way == way);
        if greeted(Way::In) && !greeted(Way::Out) { Way::In } else { Way::Out }
    }

    /// What a link did to a packet of ours.
    fn at_link(&self, flow: u64, number: u64) -> Option<(&str, &PacketEvent)> {
        let way = self.way_at_link();
        let is_it =
            |event: &&PacketEvent| event.flow == flow && event.number() == Some(number) && event.way == way;
        self.links.iter().find_map(|(name, events)| Some((name.as_str(), events.iter().find(is_it)?)))
    }

    /// How a packet of ours arrived at the other side.
    fn at_peer(&self, flow: u64, number: u64) -> Option<&PacketEvent> {
        let is_it = |event: &&PacketEvent| {
            event.flow == flow && event.number() == Some(number) && event.way == Way::In
        };
        self.peers.iter().find_map(|(_, events)| events.iter().find(is_it))
    }

    /// The first acknowledgement of a packet.
    fn acknowledgement(&self, sent: &PacketEvent) -> Option<&PacketEvent> {
        let number = sent.number()?;
        self.own.iter().find(|event| {
            let acks = event.acked.kept().any(|(first, last)| (first..=last).contains(&number));
            event.way == Way::In && event.flow == sent.flow && event.at >= sent.at && acks
        })
    }

    fn verdict(&self, number: u64, fate: Fate) -> Option<&PacketEvent> {
        self.own.iter().find(|event| event.number() == Some(number) && event.fate == fate)
    }

    /// The numbers of the packets of ours that were lost, as far as anybody knows, in order.
    pub fn lost(&self) -> Vec<u64> {
        let way = self.way_at_link();
        let flows: BTreeSet<u64> = self.own.iter().map(|event| event.flow).collect();
        let declared = self.own.iter().filter(|event| event.fate.is_loss());
        let at_links = self
            .links
            .iter()
            .flat_map(|(_, events)| events)
            .filter(|event| event.fate.is_loss() && event.way == way && flows.contains(&event.flow));
        let numbers: BTreeSet<u64> = declared.chain(at_links).filter_map(PacketEvent::number).collect();
        numbers.into_iter().collect()
    }

    /// The packet that carried the content of this one again.
    fn next_carrier(&self, number: u64) -> Option<&PacketEvent> {
        self.own.iter().find(|event| event.again() == Some(number) && event.fate == Fate::Sent)
    }

    /// What became of packet `number` of the session, and why; `None` if the record does not hold it.
    pub fn explain(&self, number: u64) -> Option<Vec<String>> {
        let sent = self.sent(number)?;
        let began = self.began();
        let mut lines = vec![self.departure(sent)];
        if let Some((name, event)) = self.at_link(sent.flow, number) {
            lines.extend(of_link(name, event, began));
        }
        lines.extend(self.arrival(sent));
        if let Some(event) = self.verdict(number, Fate::Missing) {
            let after = millis(event.at, sent.at);
            lines.push(format!(
                "{after} ms after it left it was declared lost: later packets were acknowledged, this one was not."
            ));
        }
        if self.verdict(number, Fate::Late).is_some() {
            lines.push("That was wrong: it was only late, and was acknowledged afterwards.".into());
        }
        if let Some(ack) = self.acknowledgement(sent) {
            lines.push(format!("It was acknowledged {} ms after it left.", millis(ack.at, sent.at)));
        } else if !matches!(sent.kind, Kind::Ack | Kind::Close) {
            lines.push("It was never acknowledged, as far as the record goes.".into());
        }
        if let Some(next) = self.next_carrier(number) {
            lines.push(format!(
                "Its content went again as #{} at {} ms: {}.",
                next.number,
                millis(next.at, began),
                next.cause.map_or("no cause is known", because)
            ));
        }
        Some(lines)
    }

    /// How it arrived, or why it perhaps did not.
    fn arrival(&self, sent: &PacketEvent) -> Option<String> {
        let Some(event) = self.at_peer(sent.flow, sent.number()?) else { return self.perhaps_dropped(sent) };
        let flight = millis(event.at, sent.at);
        Some(match event.fate {
            Fate::Arrived => format!("It arrived after {flight} ms."),
            fate => format!("It came to the other side after {flight} ms, and was dropped there: {fate}."),
        })
    }

    /// No link lost it, and the kernel at the other side had no room for some around that time.
    fn perhaps_dropped(&self, sent: &PacketEvent) -> Option<String> {
        let number = sent.number()?;
        let lost = self.at_link(sent.flow, number).is_some_and(|(_, event)| event.fate.is_loss());
        let verdict = self.verdict(number, Fate::Missing).filter(|_| !lost)?;
        let drops = |event: &&PacketEvent| {
            event.fate == Fate::LostByKernel && event.at >= sent.at && event.at <= verdict.at + DROPS_DELAY
        };
        let (name, count) = self
            .peers
            .iter()
            .map(|(name, events)| (name, events.iter().filter(drops).count()))
            .find(|(_, count)| *count > 0)?;
        Some(format!(
            "The kernel of {name} dropped {count} around that time, because the buffer of the socket was full: it may be one of them."
        ))
    }

    fn departure(&self, sent: &PacketEvent) -> String {
        let at = millis(sent.at, self.began());
        let content = match sent.kind {
            Kind::Data if sent.length > 0 => {
                format!("bytes {} to {} of the file", sent.offset, sent.offset + u64::from(sent.length) - 1)
            }
            Kind::Stream => format!("{} bytes of the ordered stream, from {} on", sent.length, sent.offset),
            Kind::Ack => "an acknowledgement".into(),
            kind => format!("{kind}"),
        };
        let again = match (sent.cause, sent.again()) {
            (Some(cause), Some(before)) => format!(" It repeats #{before}: {}.", because(cause)),
            (Some(cause), None) => format!(" It repeats an earlier one: {}.", because(cause)),
            _ => String::new(),
        };
        let flight = match sent.window {
            0 => String::new(),
            window => format!(" With it, {} bytes of a window of {window} were in flight.", sent.in_flight),
        };
        format!("#{} left at {at} ms with {content}.{again}{flight}", sent.number)
    }

    /// The whole session: totals, the retransmissions with their causes, the longest silence.
    pub fn explain_all(&self) -> Vec<String> {
        let sent = |event: &&PacketEvent| event.way == Way::Out && event.fate == Fate::Sent;
        let came = |event: &&PacketEvent| event.way == Way::In && event.fate != Fate::LostByKernel;
        let came = self.own.iter().filter(came).count();
        let again: Vec<&PacketEvent> =
            self.own.iter().filter(sent).filter(|event| event.cause.is_some()).collect();
        let left = self.own.iter().filter(sent).count();
        let mut lines = vec![match again.len() {
            0 => format!("{left} packets left, {came} came; nothing was sent again."),
            count => format!(
                "{left} packets left, {came} came; {count} of those that left carried something again."
            ),
        }];
        lines.extend(causes(&again));
        lines.extend(self.links.iter().filter_map(|(name, events)| totals_of_link(name, events)));
        lines.extend(overflow("this side", &self.own));
        lines.extend(self.peers.iter().filter_map(|(name, events)| overflow(name, events)));
        lines.extend(self.silence());
        lines.extend(again.iter().take(LISTED).map(|event| self.short(event)));
        if again.len() > LISTED {
            lines.push(format!("… {} more; `trace X where retransmitted` lists them.", again.len() - LISTED));
        }
        lines
    }

    /// One retransmission in one line, with what a link says of the packet before.
    fn short(&self, event: &PacketEvent) -> String {
        let at = millis(event.at, self.began());
        let cause = event.cause.map_or("?", Cause::word);
        let Some(before) = event.again() else { return format!("{at} ms: #{}: {cause}", event.number) };
        let fate = self
            .at_link(event.flow, before)
            .filter(|(_, event)| event.fate.is_loss() || event.fate == Fate::Corrupted);
        let link = fate.map_or_else(String::new, |(name, event)| format!(" (link {name}: {})", event.fate));
        format!("{at} ms: #{before} again as #{}: {cause}{link}", event.number)
    }

    /// The longest time without a packet, if it is worth a word.
    fn silence(&self) -> Option<String> {
        let gaps = self.own.windows(2).map(|pair| (pair[1].at.since(pair[0].at), pair[0], pair[1]));
        let (longest, before, after) = gaps.max_by_key(|(gap, ..)| *gap)?;
        let total = self.own.last()?.at.since(self.began());
        if longest.as_millis() < 10 || longest * 10 < total {
            return None;
        }
        Some(format!(
            "The longest silence was {} ms, from {} ms on; what ended it was {} {}.",
            longest.as_millis(),
            millis(before.at, self.began()),
            if after.way == Way::Out { "our" } else { "their" },
            after
                .cause
                .map_or_else(|| after.kind.word().to_owned(), |cause| format!("{} ({cause})", after.kind)),
        ))
    }
}

fn causes(again: &[&PacketEvent]) -> Vec<String> {
    let mut counts: BTreeMap<&'static str, (usize, Cause)> = BTreeMap::new();
    for cause in again.iter().filter_map(|event| event.cause) {
        counts.entry(cause.word()).or_insert((0, cause)).0 += 1;
    }
    counts
        .into_iter()
        .map(|(word, (count, cause))| format!("{count} × {word}: {}.", because(cause)))
        .collect()
}

/// A cause in words.
pub const fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::Timeout => "its acknowledgement had not come within the retransmission time-out",
        Cause::Gap => "later packets were acknowledged, it was not",
        Cause::Probe => "nothing was acknowledged for a while, so the oldest packet went again as a probe",
        Cause::TailCopy => "nothing else was left to send, and the path is lossy: a copy in spare time",
    }
}

fn of_link(name: &str, event: &PacketEvent, began: Time) -> Option<String> {
    let at = millis(event.at, began);
    Some(match event.fate {
        Fate::LostByLink => format!("The link {name} lost it at {at} ms."),
        Fate::QueueFull => format!("It found the queue of the link {name} full at {at} ms, and was dropped."),
        Fate::Corrupted => {
            format!("The link {name} flipped a bit in it at {at} ms: its check sum was wrong then.")
        }
        Fate::Doubled => format!("The link {name} passed it on twice at {at} ms."),
        Fate::HeldBack => format!("The link {name} held it back at {at} ms, so that later ones overtook it."),
        Fate::Passed => format!("It passed the link {name} at {at} ms."),
        _ => return None,
    })
}

/// Datagrams that the kernel of a side dropped.
fn overflow(side: &str, events: &[PacketEvent]) -> Option<String> {
    let count = events.iter().filter(|event| event.fate == Fate::LostByKernel).count();
    (count > 0).then(|| {
        format!("The kernel of {side} dropped {count} that came: the buffer of the socket was full. A larger one cures it.")
    })
}

fn totals_of_link(name: &str, events: &[PacketEvent]) -> Option<String> {
    let count = |fate: Fate| events.iter().filter(|event| event.fate == fate).count();
    let told: Vec<String> =
        [Fate::LostByLink, Fate::QueueFull, Fate::Corrupted, Fate::Doubled, Fate::HeldBack]
            .into_iter()
            .filter_map(|fate| Some(format!("{} {fate}", std::num::NonZero::new(count(fate))?)))
            .collect();
    (!told.is_empty()).then(|| format!("The link {name}: {} of {} packets.", told.join(", "), events.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_dropped_is_told_and_is_a_guess_for_a_single_packet() {
        let at = |millis: u64| Time::ZERO + Duration::from_millis(millis);
        let data = PacketEvent { kind: Kind::Data, number: 7, flow: 1, length: 10, ..PacketEvent::default() };
        let dropped =
            PacketEvent { way: Way::In, fate: Fate::LostByKernel, at: at(200), ..PacketEvent::default() };
        let mut all = Witnesses {
            own: vec![
                PacketEvent { at: at(1), ..data },
                PacketEvent { at: at(30), fate: Fate::Missing, ..data },
            ],
            links: Vec::new(),
            peers: vec![("files".into(), vec![dropped; 3])],
        };
        let told = |all: &Witnesses| {
            all.explain(7).unwrap().iter().any(|line| line.contains("kernel of files dropped 3"))
        };
        assert!(told(&all));
        assert!(all.explain_all().iter().any(|line| line.starts_with("The kernel of files dropped 3")));
        // A link that lost it knows better.
        all.links.push(("bad".into(), vec![PacketEvent { at: at(2), fate: Fate::LostByLink, ..data }]));
        assert!(!told(&all));
        all.links.clear();
        all.peers[0].1.push(PacketEvent { at: at(5), way: Way::In, fate: Fate::Arrived, ..data });
        assert!(!told(&all), "it arrived");
        let own = Witnesses { own: vec![dropped; 2], ..Witnesses::default() };
        let lines = own.explain_all();
        assert!(
            lines[0].contains("0 came") && lines[1].contains("kernel of this side dropped 2"),
            "{lines:?}"
        );
    }
}
