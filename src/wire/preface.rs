//! The first bytes of a TCP connection, in both directions, and a guess at the protocol of other first bytes.
//!
//! ```text
//!  0      1   2   3   4         5         6          8
//! +------+---+---+---+---------+---------+----------+
//! | 0x8b | N | L | S | version | service | reserved |
//! +------+---+---+---+---------+---------+----------+
//! ```
//! No text protocol begins with a byte above 0x7f, so a plain client is recognised by its first byte. The server
//! answers with its own preface if version and service agree, else with a preface of service 0 and an ERROR frame.

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
/// The bytes that every preface begins with.
pub const MAGIC: [u8; 4] = [0x8b, b'N', b'L', b'S'];

/// The preface of a peer that speaks this family of protocols, whatever its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// Protocol version of the peer, see [`VERSION`].
    pub version: u8,
    /// Number of the service, see [`ServiceId`]; 0 from a server is a refusal.
    pub service: u8,
}

impl Preface {
    /// The preface of this version for a service.
    pub const fn new(service: ServiceId) -> Self {
        Self { version: VERSION, service: service.number() }
    }

    /// The preface as it is sent; the reserved bytes are zeros.
    pub const fn encode(self) -> [u8; SIZE] {
        [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], self.version, self.service, 0, 0]
    }

    /// Reads a preface; `None` if the bytes do not begin with its magic number.
    pub fn decode(bytes: [u8; SIZE]) -> Option<Self> {
        (bytes[..4] == MAGIC).then_some(Self { version: bytes[4], service: bytes[5] })
    }

    /// False if `front`, the first bytes received, cannot be the beginning of a preface.
    pub fn may_begin(front: &[u8]) -> bool {
        front.iter().zip(MAGIC).all(|(a, b)| *a == b)
    }
}

/// The protocol that a foreign peer probably speaks, judged by its first bytes.
pub fn guess(front: &[u8]) -> &'static str {
    const HTTP: [&[u8]; 10] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"OPTIONS ",
        b"DELETE ",
        b"PATCH ",
        b"CONNECT ",
        b"HTTP/",
        b"PRI * HT",
    ];
    if HTTP.iter().any(|method| front.starts_with(method)) {
        return "HTTP";
    }
    match front {
        [0x16 | 0x15, 3, ..] => "TLS",
        _ if front.starts_with(b"SSH-") => "SSH",
        _ if front.starts_with(b"220 ") || front.starts_with(b"220-") => "FTP or SMTP",
        _ if front.starts_with(b"* OK") => "IMAP",
        _ if front.starts_with(b"+OK") => "POP3 or Redis",
        _ if front.starts_with(b"RFB ") => "VNC",
        _ if !front.is_empty() && front.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            "text"
        }
        _ => "another protocol",
    }
}

/// True if these first bytes may begin a line from a person or a plain client; for services that answer lines.
pub fn may_be_text(front: &[u8]) -> bool {
    let begins_so = front
        .first()
        .is_some_and(|&first| first.is_ascii_graphic() || first.is_ascii_whitespace() || first >= 0xc2);
    begins_so && !matches!(guess(front), "HTTP" | "SSH" | "TLS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefaces_read_back() {
        let preface = Preface::new(ServiceId::new(3));
        assert_eq!(Preface::decode(preface.encode()), Some(preface));
        assert_eq!(Preface::decode(*b"GET / HT"), None);
        assert!(Preface::may_begin(b"\x8bN") && !Preface::may_begin(b"G"));
    }

    #[test]
    fn row_43_other_protocols_are_named() {
        for (front, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
            (b"HTTP/1.1 400 Bad", "HTTP"),
            (b"\x16\x03\x01\x02\x00", "TLS"),
            (b"SSH-2.0-OpenSSH", "SSH"),
            (b"hello\n", "text"),
            (b"\x00\xff\x01", "another protocol"),
        ] {
            assert_eq!(guess(front), name);
        }
    }
}
