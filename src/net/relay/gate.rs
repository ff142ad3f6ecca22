//! A link with keys: only those pass who show with their first message that they have one. What they say stays encrypted
//! from end to end: it is not opened here, and the server has to have the key, too.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::net::accept::pass;
use crate::net::connection::keys::Keyring;
use crate::reliable::sealing::{KEY_NEEDED, KeyRefusal, Keyholder, NO_CODE_HERE, WRONG_KEY};
use crate::report::Failure;
use crate::wire::Code;
use crate::wire::datagram::{self, HELLO, HELLO_HEAD, Packet};

/// Who may pass a link.
#[derive(Debug)]
pub(super) enum Whom {
    /// Every user of this machine.
    All,
    /// The user who started it, and root.
    User,
    Keys(Gate),
}

/// Who may pass.
#[derive(Clone, Debug)]
pub(super) struct Gate(Keyring);

/// A client that passes.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    /// The name of its key.
    pub(super) key: Arc<str>,
    /// Fires when its key is revoked.
    pub(super) end: CancellationToken,
}

/// What becomes of a datagram.
#[derive(Debug)]
pub(super) enum Judged {
    /// It begins a connection with a key.
    Passes(Passing),
    /// It begins nothing: it passes if its client does.
    Goes,
    /// It begins a connection without one; why, and what the client is told.
    Refused(KeyRefusal, Vec<u8>),
}

impl Gate {
    pub(super) const fn new(keys: Keyring) -> Self {
        Self(keys)
    }

    fn passing(&self, key: Arc<str>) -> Passing {
        Passing { end: self.0.end_of(&key), key }
    }

    /// Waits for the first message of a client over TCP; returns what was read, too. Who does not pass has been told why.
    pub(super) async fn stream(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<(TcpStream, BytesMut, Passing), Failure> {
        let (stream, front, key) = pass(stream, peer, &self.0).await?;
        Ok((stream, front, self.passing(key)))
    }

    /// Judges a datagram. Its refusal is smaller than itself.
    pub(super) fn datagram(&self, bytes: &[u8]) -> Judged {
        if bytes.first() != Some(&HELLO) {
            return Judged::Goes;
        }
        let Ok((id, Packet::Hello { handshake, .. })) = datagram::decode(bytes) else { return Judged::Goes };
        let why = if handshake.is_empty() {
            KEY_NEEDED
        } else if self.0.exchanges(&handshake) {
            NO_CODE_HERE
        } else if let Some(offer) = self.0.read(&bytes[..HELLO_HEAD], &handshake) {
            return Judged::Passes(self.passing(offer.name()));
        } else {
            WRONG_KEY
        };
        Judged::Refused(why, datagram::encode(id, &Packet::Refuse { code: Code::Key, text: why.text() }))
    }
}
