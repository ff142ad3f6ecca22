//! The two messages of the handshake. What is agreed on is bound to it: the protocol, the version and what the client
//! offers by the prologue, what the server chose by the text of its message. So nobody on the way can change one of them.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use super::cipher::Cipher;
use super::{FIRST, Forged, Opener, SECOND, Sealer, Secrets};
use crate::base::Key;
use crate::wire::preface::{self, Preface};

/// Noise, section 8: both sides are anonymous (NN) but for the key, which is mixed in before the first message (psk0).
const SUITE: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
/// Begins the prologue; the client's preface follows.
const PROLOGUE: &[u8; 14] = b"nls over TCP 1";

/// The preface of a client that has a key: it offers what its processor does well.
pub(in crate::net) fn offer(preface: Preface) -> Preface {
    let fast = if Cipher::Aes.is_fast() { preface::AES } else { 0 };
    Preface { flags: preface::SEALED | fast, ..preface }
}

/// The answer to a client's preface.
fn choose(preface: Preface, client: Preface) -> Preface {
    let both = client.flags & preface::AES != 0 && Cipher::Aes.is_fast();
    Preface { flags: preface::SEALED | if both { preface::AES } else { 0 }, ..preface }
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
pub(super) fn state(
    key: &Key,
    prologue: &[&[u8]],
    is_initiator: bool,
    ephemeral: Ephemeral<'_>,
) -> HandshakeState {
    let prologue = prologue.concat();
    let build = || {
        let params = SUITE.parse()?;
        let builder = match ephemeral {
            Ephemeral::Seeded(seed) => Builder::with_resolver(params, Box::new(Seeded(*seed))),
            Ephemeral::Random => Builder::new(params),
            #[cfg(test)]
            Ephemeral::Fixed(own) => Builder::new(params).fixed_ephemeral_key_for_testing_only(own),
        };
        let builder = builder.prologue(&prologue)?.psk(0, key.bytes())?;
        if is_initiator { builder.build_initiator() } else { builder.build_responder() }
    };
    let state: Result<HandshakeState, snow::Error> = build();
    state.expect("the suite is complete, and needs nothing but the key")
}

/// The primitives of snow, with random bytes that follow from a seed.
struct Seeded([u8; 32]);

impl CryptoResolver for Seeded {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededBytes(blake3::Hasher::new_keyed(&self.0).finalize_xof())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn snow::types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct SeededBytes(blake3::OutputReader);

impl Random for SeededBytes {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// The secrets after the second message. The first of both keys is for what the initiator sends (Noise, section 5.2).
fn split(mut state: HandshakeState, flags: u8, is_initiator: bool) -> Secrets {
    let cipher = if flags & preface::AES != 0 { Cipher::Aes } else { Cipher::ChaCha };
    let (up, down) = state.dangerously_get_raw_split();
    let (out, into) = if is_initiator { (up, down) } else { (down, up) };
    // The client's first record is empty and shows that it has the key: whoever plays back a first message has not.
    Secrets { sealer: Sealer::new(cipher, out), opener: Opener::new(cipher, into, !is_initiator) }
}

/// The client's side.
pub(in crate::net) struct Initiator {
    state: HandshakeState,
    offered: u8,
}

impl Initiator {
    /// Begins; the first message follows `preface` at once.
    pub(in crate::net) fn new(key: &Key, preface: Preface) -> (Self, [u8; FIRST]) {
        Self::with(key, preface, Ephemeral::Random)
    }

    pub(super) fn with(key: &Key, preface: Preface, ephemeral: Ephemeral<'_>) -> (Self, [u8; FIRST]) {
        let mut state = state(key, &[PROLOGUE, &preface.encode()], true, ephemeral);
        let mut first = [0; FIRST];
        let written = state.write_message(&[], &mut first);
        assert_eq!(written.ok(), Some(FIRST), "the first message has one length");
        (Self { state, offered: preface.flags }, first)
    }

    /// Reads the answer to the first message: `server` is the preface before it.
    pub(in crate::net) fn finish(
        mut self,
        server: [u8; preface::SIZE],
        second: &[u8; SECOND],
    ) -> Result<Secrets, Forged> {
        // snow wants room for the tag, too.
        let mut said = [0; SECOND];
        let read = self.state.read_message(second, &mut said).map_err(|_| Forged)?;
        let flags = server[preface::FLAGS];
        if said[..read] != server || flags & preface::SEALED == 0 || flags & !self.offered != 0 {
            return Err(Forged);
        }
        Ok(split(self.state, flags, true))
    }
}

/// The server's side.
pub(in crate::net) struct Responder {
    state: HandshakeState,
    client: Preface,
}

impl Responder {
    /// Reads a first message; `None` if its sender does not have this key, or anything before it was changed.
    pub(in crate::net) fn read(key: &Key, client: [u8; preface::SIZE], first: &[u8; FIRST]) -> Option<Self> {
        Self::with(key, client, first, Ephemeral::Random)
    }

    pub(super) fn with(
        key: &Key,
        client: [u8; preface::SIZE],
        first: &[u8; FIRST],
        ephemeral: Ephemeral<'_>,
    ) -> Option<Self> {
        let preface = Preface::decode(client)?;
        let mut state = state(key, &[PROLOGUE, &client], false, ephemeral);
        let mut said = [0; FIRST];
        let read = state.read_message(first, &mut said).ok()?;
        (read == 0).then_some(Self { state, client: preface })
    }

    /// The preface to answer with, the second message, and the secrets. `None` if the client's public key is none.
    pub(in crate::net) fn answer(mut self, preface: Preface) -> Option<(Preface, [u8; SECOND], Secrets)> {
        let preface = choose(preface, self.client);
        let mut second = [0; SECOND];
        let written = self.state.write_message(&preface.encode(), &mut second).ok()?;
        (written == SECOND).then(|| (preface, second, split(self.state, preface.flags, false)))
    }
}
