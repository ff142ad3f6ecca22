//! The record of a transfer in virtual time: complete, the same for the same seed, and with the true cause of each
//! retransmission.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::simulation::{Pair, send_file};
use crate::link::Profile;
use crate::record::diagram::{Lane, Options, mermaid, svg, text};
use crate::record::{Cause, Fate, Kind, PacketEvent, Ring, Way};
use crate::reliable::{Arq, Config};

const EVENTS: usize = 1 << 20;

fn profile(loss: f64) -> Profile {
    Profile { loss, delay: Duration::from_millis(10), rate: 20_000_000, queue: 1 << 20, ..Profile::default() }
}

/// The records of both ends of a transfer, and what the sender counted as retransmitted.
fn transfer(arq: Arq, loss: f64, seed: u64) -> (Vec<PacketEvent>, Vec<PacketEvent>, u64) {
    let mut pair = Pair::new(profile(loss), seed, Config { arq, record: EVENTS, ..Config::default() });
    send_file(&mut pair, 60_000);
    let (mut client, mut server) = (Ring::new(EVENTS), Ring::new(EVENTS));
    pair.sender.take_record(&mut client);
    pair.endpoint.take_record(&mut server);
    assert_eq!((client.forgotten(), server.forgotten()), (0, 0));
    let retransmitted = pair.sender.stats().retransmitted;
    (client.events().copied().collect(), server.events().copied().collect(), retransmitted)
}

const METHODS: [Arq; 4] = [Arq::Selective, Arq::SelectiveRepeat(16), Arq::GoBackN(16), Arq::StopAndWait];

#[test]
fn the_same_seed_gives_the_same_record() {
    for arq in METHODS {
        assert_eq!(transfer(arq, 0.05, 7), transfer(arq, 0.05, 7));
        assert_ne!(transfer(arq, 0.05, 7), transfer(arq, 0.05, 8));
    }
}

#[test]
fn every_packet_that_left_is_recorded_and_every_arrival_left_before() {
    for arq in METHODS {
        let (client, server, _) = transfer(arq, 0.1, 3);
        let sent: BTreeMap<u64, &PacketEvent> = client
            .iter()
            .filter(|event| event.way == Way::Out && event.fate == Fate::Sent)
            .filter_map(|event| Some((event.number()?, event)))
            .collect();
        for arrived in server.iter().filter(|event| event.way == Way::In) {
            let Some(number) = arrived.number() else { continue };
            let sent = sent[&number];
            assert!(sent.at < arrived.at);
            assert_eq!(
                (sent.kind, sent.offset, sent.length, sent.size, sent.acked),
                (arrived.kind, arrived.offset, arrived.length, arrived.size, arrived.acked)
            );
        }
    }
}

#[test]
fn every_retransmission_has_one_cause_and_names_the_packet_before_it() {
    for arq in METHODS {
        for seed in 0..50 {
            let (client, _, retransmitted) = transfer(arq, 0.1, seed);
            let sent = |event: &&PacketEvent| event.way == Way::Out && event.fate == Fate::Sent;
            let again =
                client.iter().filter(sent).filter(|event| event.kind == Kind::Data && event.cause.is_some());
            assert_eq!(again.clone().count() as u64, retransmitted, "{arq:?} seed {seed}");
            let before: BTreeMap<u64, &PacketEvent> =
                client.iter().filter(sent).filter_map(|event| Some((event.number()?, event))).collect();
            for event in again {
                let first = before[&event.again().unwrap()];
                let content = first.offset..first.offset + u64::from(first.length);
                assert!(
                    content.contains(&event.offset) && first.number < event.number,
                    "{arq:?} seed {seed}: {event:?}"
                );
            }
        }
    }
}

/// What the sender says is checked against what the link did: a packet that is sent again because of a gap was lost, or is
/// said to have been late.
#[test]
fn the_cause_of_a_retransmission_is_true() {
    for arq in METHODS {
        for seed in 0..250 {
            let (client, server, _) = transfer(arq, 0.1, seed);
            let arrived: BTreeSet<u64> = server
                .iter()
                .filter(|event| event.way == Way::In && event.fate == Fate::Arrived)
                .filter_map(PacketEvent::number)
                .collect();
            let missing = |number: u64| {
                client.iter().any(|event| event.fate == Fate::Missing && event.number() == Some(number))
            };
            let late = |number: u64| {
                client.iter().any(|event| event.fate == Fate::Late && event.number() == Some(number))
            };
            for event in client.iter().filter(|event| event.fate == Fate::Sent && event.kind == Kind::Data) {
                match event.cause {
                    Some(Cause::Gap) => {
                        let first = event.again().unwrap();
                        assert!(missing(first), "{arq:?} {seed}: {event:?}");
                        assert!(!arrived.contains(&first) || late(first), "{arq:?} {seed}: {event:?}");
                    }
                    Some(Cause::Timeout) => assert_ne!(arq, Arq::Selective),
                    Some(Cause::Probe | Cause::TailCopy) => assert_eq!(arq, Arq::Selective),
                    None => {}
                }
            }
        }
    }
}

/// Pictures of one seed have this hash on every machine.
const PICTURES: [&str; 3] = ["c92a951e139c7ab8", "0e451f500f4a48fd", "2f04bb683e43a74e"];

#[test]
fn the_same_seed_draws_the_same_pictures_on_every_machine() {
    let drawn = [Arq::StopAndWait, Arq::GoBackN(4), Arq::SelectiveRepeat(4)].map(|arq| {
        let (client, server, _) = transfer(arq, 0.1, 7);
        let lane = |name: &str, events| Lane { name: name.into(), events };
        let lanes = [lane("client", client), lane("server", server)];
        let options = Options { last: Some(40), ..Options::default() };
        let pictures = [text(&lanes, &options), svg(&lanes, &options), mermaid(&lanes, &options)].concat();
        blake3::hash(pictures.as_bytes()).to_hex()[..16].to_owned()
    });
    assert_eq!(drawn, PICTURES, "if the pictures were to change, these are the new hashes");
}
