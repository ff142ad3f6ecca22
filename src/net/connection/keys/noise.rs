//! The handshake `NNpsk0` of Noise, whatever carries its messages: begun, read, and what both sides agree on.

use std::sync::{Mutex, PoisonError};

use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use super::FIRST;
use super::cipher::{Cipher, KEY};
use crate::base::Key;
use crate::wire::preface;

/// Noise, section 8: both sides are anonymous (NN) but for the key, which is mixed in before the first message (psk0).
const SUITE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// Bytes of a public key of X25519, and of what two agree on.
const PUBLIC: usize = 32;

/// The ciphers besides ChaCha20-Poly1305 that this processor computes fast, as a flag.
pub(super) fn offered() -> u8 {
    if Cipher::Aes.is_fast() { preface::AES } else { 0 }
}

/// Where an ephemeral key comes from.
#[derive(Clone, Copy)]
pub(super) enum Ephemeral<'s> {
    /// The system.
    Random,
    /// This seed, which nobody else knows: of the same seed the same key.
    Seeded(&'s [u8; 32]),
    /// It is this one.
    #[cfg(test)]
    Fixed(&'s [u8]),
}

/// Starts a handshake.
fn state(key: &Key, prologue: &[&[u8]], is_initiator: bool, ephemeral: Ephemeral<'_>) -> HandshakeState {
    let prologue = prologue.concat();
    let build = || {
        let params = SUITE.parse()?;
        let builder = match ephemeral {
            Ephemeral::Seeded(seed) => Builder::with_resolver(params, Box::new(Primitives(Some(*seed)))),
            Ephemeral::Random => Builder::with_resolver(params, Box::new(Primitives(None))),
            #[cfg(test)]
            Ephemeral::Fixed(own) => Builder::new(params).fixed_ephemeral_key_for_testing_only(own),
        };
        let builder = builder.prologue(&prologue)?.psk(0, key.bytes())?;
        if is_initiator { builder.build_initiator() } else { builder.build_responder() }
    };
    let state: Result<HandshakeState, snow::Error> = build();
    state.expect("the suite is complete, and needs nothing but the key")
}

/// The primitives of snow, but for ephemeral keys: of a seed they follow from it; without one `ring` makes them, which on
/// x86 takes a tenth less time.
struct Primitives(Option<[u8; 32]>);

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        match &self.0 {
            Some(seed) => Some(Box::new(SeededBytes(blake3::Hasher::new_keyed(seed).finalize_xof()))),
            None => DefaultResolver.resolve_rng(),
        }
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match self.0 {
            Some(_) => DefaultResolver.resolve_dh(choice),
            None => Some(Box::new(Once::default())),
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn snow::types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// X25519 (RFC 7748) with a secret that the system draws and that is used once, as `NN` does.
#[derive(Default)]
struct Once {
    secret: Mutex<Option<EphemeralPrivateKey>>,
    public: [u8; PUBLIC],
}

impl Dh for Once {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        PUBLIC
    }

    fn priv_len(&self) -> usize {
        PUBLIC
    }

    /// There is no other secret than the drawn one.
    fn set(&mut self, _: &[u8]) {}

    fn generate(&mut self, _: &mut dyn Random) -> Result<(), snow::Error> {
        let secret =
            EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).map_err(|_| snow::Error::Rng)?;
        let public = secret.compute_public_key().map_err(|_| snow::Error::Dh)?;
        self.public.copy_from_slice(public.as_ref());
        *self.secret.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    /// It is never given away.
    fn privkey(&self) -> &[u8] {
        &[]
    }

    fn dh(&self, peer: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner).take();
        let peer = UnparsedPublicKey::new(&X25519, peer.get(..PUBLIC).ok_or(snow::Error::Dh)?);
        let agreed = agree_ephemeral(secret.ok_or(snow::Error::Dh)?, &peer, |agreed| {
            out[..PUBLIC].copy_from_slice(agreed);
        });
        agreed.map_err(|_| snow::Error::Dh)
    }
}

struct SeededBytes(blake3::OutputReader);

impl Random for SeededBytes {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// The client's side: the state after the first message, and that message.
pub(super) fn begin(
    key: &Key,
    prologue: &[&[u8]],
    ephemeral: Ephemeral<'_>,
) -> (HandshakeState, [u8; FIRST]) {
    let mut state = state(key, prologue, true, ephemeral);
    let mut first = [0; FIRST];
    let written = state.write_message(&[], &mut first);
    assert_eq!(written.ok(), Some(FIRST), "the first message has one length");
    (state, first)
}

/// The server's side: the state after the first message; `None` if it was made with another key or prologue.
pub(super) fn read(
    key: &Key,
    prologue: &[&[u8]],
    first: &[u8; FIRST],
    ephemeral: Ephemeral<'_>,
) -> Option<HandshakeState> {
    let mut state = state(key, prologue, false, ephemeral);
    let mut said = [0; FIRST];
    let read = state.read_message(first, &mut said).ok()?;
    (read == 0).then_some(state)
}

/// What both sides have after the second message.
pub(super) struct Agreed {
    pub(super) cipher: Cipher,
    /// The key of what this side sends.
    pub(super) out: [u8; KEY],
    /// The key of what the other side sends.
    pub(super) into: [u8; KEY],
}

/// Ends the handshake; `flags` has the chosen cipher. The first of both keys is for what the initiator sends (Noise,
/// section 5.2).
pub(super) fn split(mut state: HandshakeState, flags: u8, is_initiator: bool) -> Agreed {
    let cipher = if flags & preface::AES != 0 { Cipher::Aes } else { Cipher::ChaCha };
    let (up, down) = state.dangerously_get_raw_split();
    let (out, into) = if is_initiator { (up, down) } else { (down, up) };
    Agreed { cipher, out, into }
}
