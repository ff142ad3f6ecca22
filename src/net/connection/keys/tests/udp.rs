//! Both sides over UDP, in virtual time, with a program in the middle.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio_util::sync::CancellationToken;

use super::super::cipher::Cipher;
use super::super::datagram::UdpInitiator;
use super::super::packet::PacketSeal;
use super::{ClientKey, Keyring, key};
use crate::base::{Key, Time};
use crate::reliable::sealing::{Initiator, Keyholder, Seal};
use crate::reliable::{Acceptance, CloseReason, Config, Endpoint, Event};
use crate::wire::datagram::{self, DATA_HEAD, HELLO_HEAD, PROOF, Packet};
use crate::wire::{Code, ConnectionId, Frame, PacketNumber, ServiceId};

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 1], 1000);
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 2], 9000);
const STRANGER: ([u8; 4], u16) = ([192, 0, 2, 66], 666);
const ID: ConnectionId = ConnectionId(7);
const SERVICE: ServiceId = ServiceId::new(200);

fn keyring(keys: &[&Key]) -> Keyring {
    let named = |(n, key): (usize, &&Key)| ClientKey { name: format!("key{n}").into(), key: (*key).clone() };
    Keyring::new(keys.iter().enumerate().map(named).collect(), CancellationToken::new())
}

/// A client and a server; what they send passes `deliver`.
struct Pair {
    now: Time,
    client: Endpoint,
    server: Endpoint,
    events: [Vec<Event>; 2],
    /// Every datagram so far, and whether the client sent it.
    wire: Vec<(bool, Bytes)>,
}

impl Pair {
    fn new(client: Option<&Key>, server: Option<&Keyring>) -> Self {
        let acceptance =
            Acceptance { service: SERVICE, name: "test", lists: false, max: 10, secret: [3; 32] };
        let config = Config::default();
        let mut end = Endpoint::new(config, Some(acceptance));
        if let Some(keys) = server {
            end = end.guarded(Box::new(keys.clone()), [5; 32]);
        }
        let mut begins = Endpoint::new(config, None);
        let initiator = client.map(|key| Box::new(UdpInitiator::new(key)) as Box<dyn Initiator>);
        begins.connect(Time::ZERO, (ID, SERVER.into()), SERVICE, initiator);
        Self { now: Time::ZERO, client: begins, server: end, events: Default::default(), wire: Vec::new() }
    }

    /// Lets both sides send; `change` sees each datagram and says what arrives instead of it.
    fn exchange(&mut self, mut change: impl FnMut(bool, Bytes) -> Vec<Bytes>) {
        for from_client in [true, false] {
            let mut sent = Vec::new();
            let [of_client, of_server] = &mut self.events;
            let (end, events) =
                if from_client { (&mut self.client, of_client) } else { (&mut self.server, of_server) };
            end.handle_timeout(self.now);
            end.drain(
                self.now,
                |_, bytes, _| {
                    sent.push(Bytes::copy_from_slice(bytes));
                    true
                },
                |_, event| events.push(event),
            );
            let (to, peer): (&mut Endpoint, SocketAddr) = if from_client {
                (&mut self.server, CLIENT.into())
            } else {
                (&mut self.client, SERVER.into())
            };
            for bytes in sent {
                self.wire.push((from_client, bytes.clone()));
                for arrives in change(from_client, bytes) {
                    to.handle_datagram(self.now, peer, arrives, false);
                }
            }
        }
        self.now = self.now + Duration::from_millis(10);
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.exchange(|_, bytes| vec![bytes]);
        }
    }

    fn say(&mut self, from_client: bool, text: &[u8]) {
        let end = if from_client { &mut self.client } else { &mut self.server };
        end.connection(ID).expect("it is open").write_frame(&Frame::new(0x10, text.to_vec()));
    }

    fn heard(&self, by_client: bool) -> Vec<Vec<u8>> {
        let events = &self.events[usize::from(!by_client)];
        let frames = events.iter().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame.body.to_vec()),
            _ => None,
        });
        frames.collect()
    }

    fn ended(&self) -> Option<&CloseReason> {
        self.events[0].iter().find_map(|event| match event {
            Event::Ended(reason) => Some(reason),
            _ => None,
        })
    }

    fn open(key: &Key) -> Self {
        let mut pair = Self::new(Some(key), Some(&keyring(&[key])));
        pair.run(3);
        assert!(pair.events[0].contains(&Event::Open), "{:?}", pair.events);
        pair
    }
}

#[test]
fn a_request_and_its_answer_are_encrypted_and_the_server_knows_whose_key_it_is() {
    let (mine, other) = (key(1), key(2));
    let mut pair = Pair::new(Some(&mine), Some(&keyring(&[&other, &mine])));
    pair.say(true, b"the secret question");
    pair.run(3);
    let accepted = pair.server.poll_accepted().expect("the client is let in");
    assert_eq!(accepted.key.as_deref(), Some("key1"));
    pair.say(false, b"the secret answer");
    pair.run(3);
    assert_eq!(pair.heard(false), [b"the secret question"]);
    assert_eq!(pair.heard(true), [b"the secret answer"]);
    for (_, bytes) in &pair.wire {
        assert!(!bytes.windows(6).any(|part| part == b"secret"), "{bytes:?}");
    }
    // The question leaves as soon as without a key: behind the second HELLO.
    let kinds: Vec<u8> = pair.wire.iter().take(4).map(|(_, bytes)| bytes[0]).collect();
    assert_eq!(kinds[..3], [datagram::HELLO, datagram::RETRY, datagram::HELLO]);
    assert!((0x0b..=0x0d).contains(&kinds[3]), "{kinds:?}");
}

#[test]
fn row_114_who_has_another_key_or_none_is_told_so_and_the_server_keeps_nothing() {
    let (mine, other) = (key(1), key(2));
    let ring = keyring(&[&mine]);
    for (client, server, why) in [
        (Some(&other), Some(&ring), "does not open"),
        (None, Some(&ring), "needs a key"),
        (Some(&mine), None, "not encrypted"),
    ] {
        let mut pair = Pair::new(client, server);
        pair.run(3);
        let Some(CloseReason::Refused { code: Code::Key, reason }) = pair.ended() else {
            panic!("{:?}", pair.events)
        };
        assert!(reason.contains(why), "{reason}");
        assert!(pair.server.is_empty() && pair.server.poll_accepted().is_none());
        let (peer, noted) = pair.server.poll_refused().expect("the server's log tells, too");
        assert!(peer == CLIENT.into() && noted.contains(why), "{noted}");
    }
}

#[test]
fn row_113_each_flipped_bit_of_the_handshake_lets_nobody_in() {
    let mine = key(1);
    let ring = keyring(&[&mine]);
    let sizes = [HELLO_HEAD + 1 + 1 + 49, 10 + 16 + 1 + 49, HELLO_HEAD + 1 + 16 + 1 + 49, 25 + PROOF];
    for (nth, size) in sizes.into_iter().enumerate() {
        // The check sum is made right again: who is in the middle can do that.
        for bit in 8..size.min(140) * 8 {
            let mut pair = Pair::new(Some(&mine), Some(&ring));
            let mut count = 0;
            for _ in 0..3 {
                pair.exchange(|_, bytes| {
                    count += 1;
                    if count != nth + 1 {
                        return vec![bytes];
                    }
                    let mut bytes = bytes.to_vec();
                    bytes.truncate(bytes.len() - datagram::CRC);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    datagram::finish(&mut bytes);
                    vec![bytes.into()]
                });
            }
            // The other datagrams pass, so a later try may succeed: what counts is that both agree, or nobody is in.
            pair.run(100);
            if pair.events[0].contains(&Event::Open) {
                pair.say(true, b"question");
                pair.run(5);
                assert_eq!(pair.heard(false), [b"question"], "datagram {nth}, bit {bit}");
            }
        }
    }
}

#[test]
fn row_113_packets_that_are_changed_repeated_reordered_or_of_another_session_change_nothing() {
    let mine = key(1);
    let (mut pair, mut other) = (Pair::open(&mine), Pair::open(&mine));
    other.say(true, b"of another session");
    other.run(2);
    let foreign: Vec<Bytes> = other.wire.iter().map(|(_, bytes)| bytes.clone()).collect();
    let (mut state, mut seen) = (1u64, Vec::<Bytes>::new());
    for round in 0..200u32 {
        pair.say(round % 2 == 0, &round.to_be_bytes());
        for _ in 0..3 {
            pair.exchange(|_, bytes| {
                let mut arrive = Vec::new();
                for _ in 0..10 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let mut forged = bytes.to_vec();
                    let bit = (state >> 33) as usize % (forged.len() * 8);
                    forged[bit / 8] ^= 1 << (bit % 8);
                    arrive.push(forged.into());
                }
                arrive.extend(seen.iter().cloned());
                arrive.extend(foreign.iter().cloned());
                arrive.push(bytes.slice(..bytes.len() - 1));
                arrive.push(bytes.clone());
                arrive.push(bytes.clone());
                seen.push(bytes);
                if seen.len() > 8 {
                    seen.remove(0);
                }
                arrive
            });
        }
    }
    pair.run(20);
    let said = |even: u32| (0..200u32).filter(move |n| n % 2 == even).map(|n| n.to_be_bytes().to_vec());
    assert_eq!(pair.heard(false), said(0).collect::<Vec<_>>());
    assert_eq!(pair.heard(true), said(1).collect::<Vec<_>>());
    assert_eq!(pair.ended(), None);
}

#[test]
fn row_113_plain_packets_of_who_knows_the_id_end_no_session_and_move_it_nowhere() {
    let mut pair = Pair::open(&key(1));
    pair.say(true, b"for the server");
    pair.run(2);
    let sealed = pair.wire.iter().rev().find(|(by_client, bytes)| *by_client && bytes[0] > 0x0a);
    let sealed = sealed.map(|(_, bytes)| bytes.clone()).expect("the client has said something");
    let mut close = Vec::new();
    datagram::begin_data(&mut close, ID, PacketNumber(1000));
    datagram::push_close(&mut close, Code::Cancelled, "forged");
    datagram::finish(&mut close);
    let accept = datagram::accept(ID, Config::default().credit, |_| Some([0; PROOF]));
    let refuse = Packet::Refuse { code: Code::Busy, text: "forged".into() };
    for bytes in [close, datagram::encode(ID, &accept), datagram::encode(ID, &refuse)] {
        for from in [CLIENT, STRANGER] {
            pair.server.handle_datagram(pair.now, from.into(), bytes.clone().into(), false);
        }
        pair.client.handle_datagram(pair.now, SERVER.into(), bytes.into(), false);
    }
    // A copied packet from elsewhere is answered with a cookie; with it alone nobody takes the session over.
    pair.server.handle_datagram(pair.now, STRANGER.into(), sealed, false);
    let mut cookies = Vec::new();
    let look = |to: SocketAddr, bytes: &[u8], _| {
        if let Ok((_, Packet::Retry { cookie, .. })) = datagram::decode(bytes) {
            cookies.push((to, cookie));
        }
        true
    };
    pair.server.drain(pair.now, look, |_, _| {});
    for (to, cookie) in cookies {
        assert_eq!(to, STRANGER.into());
        let hello = datagram::hello(ID, SERVICE.number(), Config::default().credit, cookie, |_| vec![0; 16]);
        pair.server.handle_datagram(pair.now, to, hello.into(), false);
    }
    pair.say(false, b"for the client");
    let mut to = Vec::new();
    pair.server.drain(
        pair.now,
        |peer, _, _| {
            to.push(peer);
            true
        },
        |_, _| {},
    );
    assert!(!to.is_empty() && to.iter().all(|peer| *peer == CLIENT.into()), "{to:?}");
    pair.run(60);
    assert_eq!(pair.heard(true), [b"for the client"]);
    assert_eq!(pair.ended(), None);
}

#[test]
fn a_client_whose_address_changes_proves_the_new_one_and_goes_on() {
    let mut pair = Pair::open(&key(1));
    pair.say(true, b"from elsewhere");
    for _ in 0..10 {
        let mut sent = Vec::new();
        pair.client.handle_timeout(pair.now);
        pair.client.drain(
            pair.now,
            |_, bytes, _| {
                sent.push(Bytes::copy_from_slice(bytes));
                true
            },
            |_, _| {},
        );
        for bytes in sent {
            pair.server.handle_datagram(pair.now, STRANGER.into(), bytes, false);
        }
        let (mut back, events) = (Vec::new(), &mut pair.events[1]);
        pair.server.handle_timeout(pair.now);
        pair.server.drain(
            pair.now,
            |to, bytes, _| {
                back.push((to, Bytes::copy_from_slice(bytes)));
                true
            },
            |_, event| events.push(event),
        );
        for (_, bytes) in back.into_iter().filter(|(to, _)| *to == STRANGER.into()) {
            pair.client.handle_datagram(pair.now, SERVER.into(), bytes, false);
        }
        pair.now = pair.now + Duration::from_millis(100);
    }
    assert_eq!(pair.heard(false), [b"from elsewhere"]);
}

fn seals(cipher: Cipher) -> (PacketSeal, PacketSeal) {
    (PacketSeal::new(cipher, [1; 32], [2; 32]), PacketSeal::new(cipher, [2; 32], [1; 32]))
}

fn sealed(seal: &mut PacketSeal, number: u64) -> BytesMut {
    let mut datagram = vec![8; DATA_HEAD];
    datagram.extend_from_slice(&number.to_be_bytes());
    seal.seal(PacketNumber(number), &mut datagram);
    BytesMut::from(&datagram[..])
}

#[test]
fn keys_are_replaced_in_time_and_packets_of_the_one_before_still_open() {
    for cipher in [Cipher::ChaCha, Cipher::Aes] {
        let (mut one, mut two) = seals(cipher);
        let generation = 1 << 16;
        let (late, last) = (sealed(&mut one, 5), sealed(&mut one, generation - 1));
        let (first, far) = (sealed(&mut one, generation), sealed(&mut one, 3 * generation));
        let mut opens = |number, datagram: &BytesMut| two.open(PacketNumber(number), &mut datagram.clone());
        assert!(opens(generation - 1, &last) && opens(generation, &first) && opens(5, &late));
        assert!(!opens(6, &late) && !opens(3 * generation, &far), "{cipher:?}");
        assert!(opens(generation, &first), "what cannot be opened changes no key");
    }
}

#[test]
fn a_proof_is_of_one_side_and_of_these_bytes() {
    let (one, two) = seals(Cipher::ChaCha);
    let proof = one.prove(b"bytes");
    assert!(two.is_proven(b"bytes", &proof));
    assert!(!one.is_proven(b"bytes", &proof) && !two.is_proven(b"other", &proof));
    assert!(!two.is_proven(b"bytes", &proof[..15]) && !two.is_proven(b"bytes", &[]));
}

#[test]
fn a_server_makes_the_same_answer_again_and_reads_no_message_of_another_context() {
    let mine = key(1);
    let (ring, client) = (keyring(&[&mine]), UdpInitiator::new(&mine));
    let context = [9; HELLO_HEAD];
    let offer = client.offer(&context);
    assert_eq!(client.offer(&context), offer);
    let answer = |seed| {
        ring.read(&context, &offer).and_then(|offer| offer.answer([seed; 32])).map(|(answer, _)| answer)
    };
    assert!(answer(1).is_some() && answer(1) == answer(1) && answer(1) != answer(2));
    assert!(client.finish(&context, &answer(1).unwrap()).is_some());
    assert!(ring.read(&[8; HELLO_HEAD], &offer).is_none());
    assert!(client.finish(&[8; HELLO_HEAD], &answer(1).unwrap()).is_none());
    for length in 0..offer.len() {
        assert!(ring.read(&context, &offer[..length]).is_none());
    }
}
