//! The first bytes of a TCP connection of our own protocol, in both directions.
//!
//! ```text
//!  0      1   2   3   4         5         6          8
//! +------+---+---+---+---------+---------+----------+
//! | 0x8b | N | L | S | version | service | flags, 0 |
//! +------+---+---+---+---------+---------+----------+
//! ```
//! No text protocol begins with a byte above 0x7f, so a plain client is recognised by its first byte. The server
//! answers with its own preface if version and service agree, else with a preface of service 0 and an ERROR frame. With
//! [`SEALED`] a handshake follows each of them, with [`CODE`], too, what exchanges a code for a key.

use super::VERSION;

/// The number of a service on the wire. Each service has its own in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceId(u8);

impl ServiceId {
    /// Any service that answers LIST; from a server, a refusal.
    pub const ANY: Self = Self(0);

    /// A service of this number, which no other has.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Bytes of a preface.
pub const SIZE: usize = 8;
/// Where the flags are.
pub const FLAGS: usize = 6;
/// Flag: a handshake follows, and then everything is encrypted.
pub const SEALED: u8 = 1;
/// Flag, with [`SEALED`]: a message of [`CODE_MESSAGE`] bytes follows, which exchanges a code for a key.
pub const CODE: u8 = 4;
/// Bytes of a message that exchanges a code for a key: a byte for its side, and a point of Curve25519.
pub const CODE_MESSAGE: usize = 33;
/// Flag: with AES-256-GCM; a client offers it, a server that was offered it may choose it.
pub const AES: u8 = 2;
/// Bytes of the handshake behind a client's preface: an ephemeral public key, and the tag of an empty text.
pub const FIRST: usize = 32 + TAG;
/// Bytes of the handshake behind a server's preface: an ephemeral public key, and the preface, sealed.
pub const SECOND: usize = 32 + SIZE + TAG;
/// Bytes before an encrypted record: the length of what follows.
pub const RECORD_HEADER: usize = 2;
/// Bytes that prove that a text is from who has the key.
pub const TAG: usize = 16;
/// The bytes that every preface begins with.
pub const MAGIC: [u8; 4] = [0x8b, b'N', b'L', b'S'];

/// How a server of ours greets a client that says nothing for a while. A slow client of ours may hear that, too, before
/// its own preface is answered: it skips the line.
pub const GREETINGS: [&[u8]; 2] = [b"220 nls", b"* nls"];

/// The bytes of a greeting before the preface; `None` while its end is missing, 0 if there is none.
pub fn greeting_length(front: &[u8]) -> Option<usize> {
    if GREETINGS.iter().any(|greeting| front.starts_with(greeting)) {
        return front.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
    }
    let may_become = !front.is_empty() && GREETINGS.iter().any(|greeting| greeting.starts_with(front));
    (!may_become).then_some(0)
}

/// Longest greeting, in bytes.
pub const GREETING_LIMIT: usize = 256;

/// The preface of a peer that speaks this family of protocols, whatever its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// Protocol version of the peer, see [`VERSION`].
    pub version: u8,
    /// Number of the service, see [`ServiceId`]; 0 from a server is a refusal.
    pub service: u8,
    /// [`SEALED`], [`AES`], [`CODE`].
    pub flags: u8,
}

impl Preface {
    /// The preface of this version for a service.
    pub const fn new(service: ServiceId) -> Self {
        Self { version: VERSION, service: service.number(), flags: 0 }
    }

    /// The preface as it is sent; the last byte is reserved.
    pub const fn encode(self) -> [u8; SIZE] {
        [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], self.version, self.service, self.flags, 0]
    }

    /// Reads a preface; `None` if the bytes do not begin with its magic number.
    pub fn decode(bytes: [u8; SIZE]) -> Option<Self> {
        (bytes[..4] == MAGIC).then_some(Self { version: bytes[4], service: bytes[5], flags: bytes[FLAGS] })
    }

    /// True if a handshake follows it.
    pub const fn is_sealed(self) -> bool {
        self.flags & SEALED != 0
    }

    /// True if a code is exchanged for a key behind it, and nothing else.
    pub const fn exchanges(self) -> bool {
        self.is_sealed() && self.flags & CODE != 0
    }

    /// False if `front`, the first bytes received, cannot be the beginning of a preface.
    pub fn may_begin(front: &[u8]) -> bool {
        front.iter().zip(MAGIC).all(|(a, b)| *a == b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_for_silent_clients_is_skipped_and_that_of_another_server_is_not() {
        assert_eq!(greeting_length(b"220 nls: files\r\n\x8bNLS"), Some(16));
        assert_eq!(greeting_length(b"* nls: a calculator\n"), Some(20));
        assert_eq!(greeting_length(b"220 nls: fi"), None);
        assert_eq!(greeting_length(b"22"), None);
        for none in [&b"220 ready\r\n"[..], b"\x8bNLS", b""] {
            assert_eq!(greeting_length(none), Some(0), "{none:?}");
        }
    }

    #[test]
    fn prefaces_read_back() {
        let preface = Preface::new(ServiceId::new(3));
        assert_eq!(Preface::decode(preface.encode()), Some(preface));
        assert_eq!(Preface::decode(*b"GET / HT"), None);
        assert!(Preface::may_begin(b"\x8bN") && !Preface::may_begin(b"G"));
    }
}
