//! What a peer may send before and after it has shown that it has a key, for the fuzzer: see `fuzz/`.

use bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::cipher::Cipher;
use super::packet::PacketSeal;
use super::{ClientKey, Exchange, HEADER, Initiator, Keyring, Opener, offer};
use crate::base::{Code, Key};
use crate::reliable::sealing::{Keyholder, Seal};
use crate::wire::preface::{self, Preface};
use crate::wire::{PacketNumber, ServiceId};

/// The key that the samples of the handshake are made with.
const KEY: [u8; 32] = {
    let mut key = [0; 32];
    let mut n = 0;
    while n < key.len() {
        key[n] = 0x10 + n as u8;
        n += 1;
    }
    key
};

fn key() -> Key {
    Key::made_by(|bytes| *bytes = KEY)
}

/// A server that has the key of the samples, and a code.
fn keyring() -> Keyring {
    let ring = Keyring::new(vec![ClientKey { name: "key".into(), key: key() }], CancellationToken::new());
    assert_eq!(ring.offer(Code::made_by(|bytes| bytes.fill(7))), Ok(false));
    ring
}

/// The bytes as those of a client to a server, over both transports: none of them is served that cannot have the key.
pub fn client(bytes: &[u8]) {
    let ring = keyring();
    if let Some((head, rest)) = bytes.split_first_chunk::<{ preface::SIZE }>()
        && let Some((first, records)) = rest.split_first_chunk()
        && let Some((_, responder)) = ring.open(*head, first)
        && let Some((_, _, secrets)) = responder.answer(Preface::new(ServiceId::new(1)))
    {
        // The server's part is random: whoever plays a first message back cannot go on.
        assert!(!reads(secrets.opener, records), "a record that nobody can have sealed");
    }
    let context = &bytes[..bytes.len().min(27)];
    drop(Keyholder::read(&ring, context, bytes).and_then(|offer| offer.answer([1; 32])));
    let _ = Keyholder::exchanges(&ring, bytes);
    drop(Keyholder::exchange(&ring, bytes));
    if let Some(message) = bytes.first_chunk() {
        let _answer = ring.exchange(message);
    }
}

/// The bytes as those of a server to a client that has another key: nothing is believed.
pub fn server(bytes: &[u8]) {
    let (initiator, _) = Initiator::new(&key(), offer(Preface::new(ServiceId::new(1))));
    if let Some((head, rest)) = bytes.split_first_chunk()
        && let Some(second) = rest.first_chunk()
    {
        assert!(initiator.finish(*head, second).is_err(), "an answer that nobody can have made");
    }
    if let Ok((exchange, _)) = Exchange::begin(&Code::made_by(|bytes| bytes.fill(7))) {
        drop(exchange.finish(bytes));
    }
    for cipher in [Cipher::ChaCha, Cipher::Aes] {
        assert!(!reads(Opener::new(cipher, KEY, false), bytes) || bytes.len() < HEADER);
        let mut seal = PacketSeal::new(cipher, KEY, KEY);
        let number = PacketNumber(bytes.len() as u64);
        assert!(!seal.open(number, &mut BytesMut::from(bytes)), "a packet that nobody can have sealed");
        assert!(!seal.is_proven(bytes, &bytes[..bytes.len().min(16)]));
    }
}

/// True if a record opens.
fn reads(mut opener: Opener, bytes: &[u8]) -> bool {
    let mut front = BytesMut::from(bytes);
    let mut opened = false;
    // Each turn takes bytes, or is the last.
    while let Ok(Some(_)) = opener.open(&mut front) {
        opened = true;
    }
    opened
}
