//! What a connection with a key needs from cryptography. The state machines here know neither keys nor ciphers: they are
//! given these values, and every datagram passes them.
//!
//! The server has no state before a client has proved its address, and the handshake takes no round trip more than
//! without a key: RETRY, the answer to the first HELLO, has the server's message already. It is made of a secret of the
//! server and of what the client sent, so the server can make it again when the HELLO with the cookie comes.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::base::Time;
use crate::wire::PacketNumber;
use crate::wire::datagram::PROOF;

/// Why a client is refused for its key, and what to do: over every transport the same words.
#[derive(Clone, Copy, Debug)]
pub struct KeyRefusal {
    /// The reason.
    pub why: &'static str,
    /// What may help.
    pub fix: &'static str,
}

impl KeyRefusal {
    /// Both in one line.
    pub fn text(self) -> String {
        format!("{}; {}", self.why, self.fix)
    }
}

/// The client has no key.
pub const KEY_NEEDED: KeyRefusal = KeyRefusal {
    why: "this port is encrypted and needs a key",
    fix: "connect with nls and `key NAME`, or `code WORDS` if the server shows a code",
};
/// The client has a key, and the server has none.
pub const NO_KEY_HERE: KeyRefusal = KeyRefusal {
    why: "this port is not encrypted, and the client has a key or a code",
    fix: "leave it out, or start the server with `key NAME` or `code`",
};
/// The client wants to exchange a code, and there is none.
pub const NO_CODE_HERE: KeyRefusal = KeyRefusal {
    why: "no code opens this port: there is none, or it was used, tried three times, or ten minutes old",
    fix: "ask for a new one; the server makes it with `set NAME code`",
};
/// The client has another key, or its message was changed.
pub const WRONG_KEY: KeyRefusal = KeyRefusal {
    why: "this key does not open the port",
    fix: "compare the fingerprints on both machines: key list",
};

/// Encrypts what one side of a connection sends, and opens what the other side sent.
pub trait Seal: fmt::Debug + Send {
    /// Encrypts a DATA datagram in place from [`DATA_HEAD`](crate::wire::datagram::DATA_HEAD) on, and appends the tag.
    /// A packet number never comes twice.
    fn seal(&mut self, number: PacketNumber, datagram: &mut Vec<u8>);
    /// Opens a datagram in place and takes the tag off; false if it is not of the other side, or was changed.
    fn open(&mut self, number: PacketNumber, datagram: &mut BytesMut) -> bool;
    /// Shows that these bytes are from this side.
    fn prove(&self, bytes: &[u8]) -> [u8; PROOF];
    /// True if `proof` shows that these bytes are from the other side.
    fn is_proven(&self, bytes: &[u8], proof: &[u8]) -> bool;
}

/// The client's part of a handshake: one for each connection.
pub trait Initiator: fmt::Debug + Send {
    /// The message in HELLO, bound to `context`, the bytes of HELLO before its cookie; the same each time.
    fn offer(&self, context: &[u8]) -> Vec<u8>;
    /// Takes the server's message; `None` if it is not of a server with the key, or was changed.
    fn finish(&self, context: &[u8], answer: &[u8]) -> Option<Box<dyn Seal>>;
}

/// The keys of a server.
pub trait Keyholder: fmt::Debug + Send {
    /// Reads the message of a client; `None` if it was made with another key, or changed.
    fn read(&self, context: &[u8], offer: &[u8]) -> Option<Box<dyn Offer>>;
    /// True if the message is to exchange a code for a key.
    fn exchanges(&self, message: &[u8]) -> bool;
    /// The answer to it; `None` if no code can be exchanged.
    fn exchange(&self, message: &[u8]) -> Option<Vec<u8>>;
}

/// The message of a client that has a key of the server.
pub trait Offer {
    /// What the key is called.
    fn name(&self) -> Arc<str>;
    /// The server's message and what both agree on then; of the same `seed` the same. `None` if the client's public key
    /// is none.
    fn answer(self: Box<Self>, seed: [u8; 32]) -> Option<(Vec<u8>, Box<dyn Seal>)>;
}

/// The secrets of which the server's part of its handshakes is made: one for each period of the cookies, and no older one
/// than that of the oldest cookie that is valid. So what was said before stays secret, whatever becomes known later.
#[derive(Debug)]
pub(in crate::reliable) struct Seeds {
    period: u64,
    secret: [u8; 32],
    before: [u8; 32],
}

impl Seeds {
    /// Begins with a random secret.
    pub(in crate::reliable) fn new(secret: [u8; 32]) -> Self {
        let first = blake3::derive_key("nls over UDP, secret of a period", &secret);
        Self { period: 0, secret: next(&first), before: first }
    }

    /// The seed of the answer to this message with this cookie, which is of this period; `None` if that is over.
    pub(in crate::reliable) fn seed(
        &mut self,
        now: Time,
        period: u64,
        cookie: &[u8],
        offer: &[u8],
    ) -> Option<[u8; 32]> {
        let present = super::period(now);
        while self.period < present {
            (self.before, self.secret) = (self.secret, next(&self.secret));
            self.period += 1;
        }
        let secret = match self.period.checked_sub(period)? {
            0 => &self.secret,
            1 => &self.before,
            _ => return None,
        };
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(cookie).update(offer);
        Some(*hasher.finalize().as_bytes())
    }
}

fn next(secret: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(secret, b"next").as_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_seed_is_the_same_while_its_cookie_is_valid_and_then_gone() {
        let at = |minutes| Time::ZERO + Duration::from_mins(minutes);
        let mut seeds = Seeds::new([7; 32]);
        let first = seeds.seed(at(0), 0, b"cookie", b"offer");
        assert!(first.is_some());
        assert_eq!(seeds.seed(at(1), 0, b"cookie", b"offer"), first);
        let second = seeds.seed(at(1), 1, b"cookie", b"offer");
        assert!(second.is_some() && second != first);
        assert_ne!(seeds.seed(at(1), 1, b"another", b"offer"), second);
        assert_ne!(seeds.seed(at(1), 1, b"cookie", b"another"), second);
        assert_eq!(seeds.seed(at(2), 0, b"cookie", b"offer"), None);
        assert_eq!(seeds.seed(at(2), 1, b"cookie", b"offer"), second);
        assert_ne!(Seeds::new([8; 32]).seed(at(0), 0, b"cookie", b"offer"), first);
    }
}
