//! The two messages of the handshake over TCP. What is agreed on is bound to it: the protocol, the version and what the client
//! offers by the prologue, what the server chose by the text of its message. So nobody on the way can change one of them.

use snow::HandshakeState;

use super::noise::{self, Agreed, Ephemeral, offered};
use super::{FIRST, Forged, Opener, SECOND, Sealer, Secrets};
use crate::base::Key;
use crate::wire::preface::{self, Preface};

/// Begins the prologue; the client's preface follows.
const PROLOGUE: &[u8; 14] = b"nls over TCP 1";

/// The preface of a client that has a key: it offers what its processor does well.
pub(in crate::net) fn offer(preface: Preface) -> Preface {
    Preface { flags: preface::SEALED | offered(), ..preface }
}

/// The answer to a client's preface.
fn choose(preface: Preface, client: Preface) -> Preface {
    Preface { flags: preface::SEALED | client.flags & offered(), ..preface }
}

/// The secrets after the second message.
fn secrets(state: HandshakeState, flags: u8, is_initiator: bool) -> Secrets {
    let Agreed { cipher, out, into } = noise::split(state, flags, is_initiator);
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
        let (state, first) = noise::begin(key, &[PROLOGUE, &preface.encode()], ephemeral);
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
        Ok(secrets(self.state, flags, true))
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
        let state = noise::read(key, &[PROLOGUE, &client], first, ephemeral)?;
        Some(Self { state, client: preface })
    }

    /// The preface to answer with, the second message, and the secrets. `None` if the client's public key is none.
    pub(in crate::net) fn answer(mut self, preface: Preface) -> Option<(Preface, [u8; SECOND], Secrets)> {
        let preface = choose(preface, self.client);
        let mut second = [0; SECOND];
        let written = self.state.write_message(&preface.encode(), &mut second).ok()?;
        (written == SECOND).then(|| (preface, second, secrets(self.state, preface.flags, false)))
    }
}
