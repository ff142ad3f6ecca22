//! The handshake over UDP: the client's message travels in HELLO, the server's in RETRY. What is agreed on is bound to it:
//! the head of HELLO and the offered ciphers by the prologue, the chosen cipher by the text of the server's message.

use std::fmt;
use std::sync::Arc;

use snow::HandshakeState;

use super::keyring::Keyring;
use super::noise::{self, Agreed, Ephemeral, offered};
use super::packet::PacketSeal;
use super::{FIRST, TAG};
use crate::base::Key;
use crate::net::random;
use crate::reliable::sealing::{Initiator, Keyholder, Offer, Seal};
use crate::report::Failure;
use crate::wire::preface::CODE_MESSAGE;

/// Begins the prologue; the bytes of HELLO before its cookie follow, and the byte of the offered ciphers.
pub(super) const PROLOGUE: &[u8] = b"nls over UDP 1";
/// Bytes of the client's message: what it offers, and the first message of Noise.
const OFFER: usize = 1 + FIRST;
/// Begins the message of a client that exchanges a code; a message of [`super::code`] follows.
const EXCHANGE: u8 = 0x80;
/// Bytes of the server's message: an ephemeral public key, and the chosen cipher, encrypted.
const ANSWER: usize = 32 + 1 + TAG;

fn seal(state: HandshakeState, chosen: u8, is_initiator: bool) -> Box<dyn Seal> {
    let Agreed { cipher, out, into } = noise::split(state, chosen, is_initiator);
    Box::new(PacketSeal::new(cipher, out, into))
}

/// The client's side of a connection with this key.
pub(in crate::net) fn initiator(key: &Key) -> Result<Box<dyn Initiator>, Failure> {
    Ok(Box::new(UdpInitiator::new(key)))
}

/// The client's side of one connection.
pub(super) struct UdpInitiator {
    key: Key,
    seed: [u8; 32],
    offers: u8,
}

impl UdpInitiator {
    pub(super) fn new(key: &Key) -> Self {
        Self { key: key.clone(), seed: random::random(), offers: offered() }
    }

    /// The state after the first message, and that message: the same each time.
    fn begin(&self, context: &[u8]) -> (HandshakeState, [u8; FIRST]) {
        let prologue = [PROLOGUE, context, &[self.offers]];
        noise::begin(&self.key, &prologue, Ephemeral::Seeded(&self.seed))
    }
}

impl Initiator for UdpInitiator {
    fn offer(&self, context: &[u8]) -> Vec<u8> {
        [&[self.offers][..], &self.begin(context).1].concat()
    }

    fn finish(&self, context: &[u8], answer: &[u8]) -> Option<Box<dyn Seal>> {
        if answer.len() != ANSWER {
            return None;
        }
        let (mut state, _) = self.begin(context);
        let mut chosen = [0; ANSWER];
        let read = state.read_message(answer, &mut chosen).ok()?;
        (read == 1 && chosen[0] & !self.offers == 0).then(|| seal(state, chosen[0], true))
    }
}

/// What a client sends in HELLO to exchange a code.
pub(in crate::net) fn exchange_message(first: &[u8; CODE_MESSAGE]) -> Vec<u8> {
    [&[EXCHANGE][..], first].concat()
}

impl fmt::Debug for UdpInitiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpInitiator").finish_non_exhaustive()
    }
}

impl Keyholder for Keyring {
    fn read(&self, context: &[u8], offer: &[u8]) -> Option<Box<dyn Offer>> {
        let first: &[u8; OFFER] = offer.try_into().ok()?;
        self.find(|known| {
            let offer = Offered {
                name: known.name.clone(),
                key: known.key.clone(),
                prologue: [PROLOGUE, context, &first[..1]].concat(),
                message: *first,
            };
            // With another key or another prologue it does not open.
            offer.read(Ephemeral::Random).is_some().then(|| Box::new(offer) as Box<dyn Offer>)
        })
    }

    fn exchanges(&self, message: &[u8]) -> bool {
        message.first() == Some(&EXCHANGE)
    }

    fn exchange(&self, message: &[u8]) -> Option<Vec<u8>> {
        let first = message.strip_prefix(&[EXCHANGE])?.try_into().ok()?;
        Keyring::exchange(self, first).map(|answer| answer.to_vec())
    }
}

/// The message of a client that has a key of ours.
struct Offered {
    name: Arc<str>,
    key: Key,
    prologue: Vec<u8>,
    message: [u8; OFFER],
}

impl Offered {
    fn read(&self, ephemeral: Ephemeral<'_>) -> Option<HandshakeState> {
        noise::read(&self.key, &[&self.prologue], self.message.last_chunk()?, ephemeral)
    }
}

impl Offer for Offered {
    fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    fn answer(self: Box<Self>, seed: [u8; 32]) -> Option<(Vec<u8>, Box<dyn Seal>)> {
        let mut state = self.read(Ephemeral::Seeded(&seed))?;
        let chosen = self.message[0] & offered();
        let mut answer = [0; ANSWER];
        let written = state.write_message(&[chosen], &mut answer).ok()?;
        (written == ANSWER).then(|| (answer.to_vec(), seal(state, chosen, false)))
    }
}
