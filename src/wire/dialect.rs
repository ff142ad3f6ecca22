//! Who is there: the protocol that a client speaks, told from its first bytes. A server decides by this alone, and by
//! silence: some clients wait to be spoken to.
//!
//! A new dialect is a row of [`Dialect`] here, and a folder at the service that speaks it.

use super::datagram;
use super::preface::{self, Preface};

/// A protocol that a service may speak with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Our own.
    Own,
    /// HTTP/1.1 (RFC 9112): browsers, curl, wget, media players.
    Http,
    /// The File Transfer Protocol (RFC 959): lftp, curl, file managers.
    Ftp,
    /// The Trivial File Transfer Protocol (RFC 1350), over UDP.
    Tftp,
    /// Lines of text: `nc`, `telnet`.
    Text,
}

impl Dialect {
    /// All, in the order of [`Self::WORDS`].
    pub const ALL: [Self; 5] = [Self::Own, Self::Http, Self::Ftp, Self::Tftp, Self::Text];
    /// Their names, as `listen … dialects` takes them.
    pub const WORDS: [&'static str; 5] = ["own", "http", "ftp", "tftp", "text"];

    /// The name.
    pub const fn name(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The dialect of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A set of dialects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialects(u8);

impl Dialects {
    /// These.
    pub const fn of(dialects: &[Dialect]) -> Self {
        let (mut set, mut n) = (0, 0);
        while n < dialects.len() {
            set |= 1 << dialects[n] as u8;
            n += 1;
        }
        Self(set)
    }

    /// True if the dialect is one of them.
    pub const fn has(self, dialect: Dialect) -> bool {
        self.0 & 1 << dialect as u8 != 0
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their names, in order.
    pub fn names(self) -> Vec<&'static str> {
        Dialect::ALL.into_iter().filter(|dialect| self.has(*dialect)).map(Dialect::name).collect()
    }
}

/// What the first bytes of a client are the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The preface of our own protocol.
    Own,
    /// A request of HTTP.
    Http,
    /// A record of TLS.
    Tls,
    /// Printable text: a person, or a plain client.
    Text,
    /// Something else, with its name where it is known.
    Other(&'static str),
}

/// The methods that begin a request (RFC 9110, 5789, 4918); the last is the preface of HTTP/2 (RFC 9113).
const METHODS: [&[u8]; 17] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"OPTIONS ",
    b"DELETE ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
    b"PRI * HTTP/",
];
/// The first two bytes of a TLS record with a handshake or an alert (RFC 8446, section 5.1).
const TLS: [[u8; 2]; 2] = [[0x16, 3], [0x15, 3]];
/// How other protocols begin.
const OTHERS: [(&[u8], &str); 7] = [
    (b"SSH-", "SSH"),
    (b"HTTP/", "HTTP"),
    (b"220 ", "FTP or SMTP"),
    (b"220-", "FTP or SMTP"),
    (b"* OK", "IMAP"),
    (b"+OK", "POP3 or Redis"),
    (b"RFB ", "VNC"),
];

/// What the bytes that came so far begin; `None` if only more bytes can tell.
pub fn recognise(front: &[u8]) -> Option<Opening> {
    if Preface::may_begin(front) {
        return (front.len() >= preface::SIZE).then_some(Opening::Own);
    }
    if METHODS.iter().any(|method| front.starts_with(method)) {
        return Some(Opening::Http);
    }
    if TLS.iter().any(|tls| front.starts_with(tls)) {
        return Some(Opening::Tls);
    }
    if METHODS.iter().any(|method| method.starts_with(front)) || TLS.iter().any(|tls| tls.starts_with(front))
    {
        return None;
    }
    Some(finally(front))
}

/// The same, for bytes after which no more come for now.
pub fn finally(front: &[u8]) -> Opening {
    let other = OTHERS.iter().find(|(begins, _)| front.starts_with(begins));
    match (other, front.first()) {
        (Some((_, name)), _) => Opening::Other(name),
        (None, Some(&first)) if first.is_ascii_graphic() || first.is_ascii_whitespace() || first >= 0xc2 => {
            Opening::Text
        }
        _ => Opening::Other("another protocol"),
    }
}

/// What the bytes look like, for a message to people.
pub fn guess(front: &[u8]) -> &'static str {
    let is_plain = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
    match recognise(front).unwrap_or_else(|| finally(front)) {
        Opening::Own => "nls",
        Opening::Http => "HTTP",
        Opening::Tls => "TLS",
        Opening::Text if front.iter().all(is_plain) => "text",
        Opening::Text => "another protocol",
        Opening::Other(name) => name,
    }
}

/// True if a datagram may be text from a person or a plain client.
pub fn is_text_datagram(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&first| !datagram::is_ours(first))
        && finally(bytes) == Opening::Text
        && !METHODS.iter().any(|method| bytes.starts_with(method))
}

/// True if a datagram is a request of the Trivial File Transfer Protocol: RRQ or WRQ with a name and a mode, both ended
/// by a zero byte (RFC 1350, section 5). STUN begins alike, but has its cookie where the name is (RFC 9443).
pub fn is_tftp_request(bytes: &[u8]) -> bool {
    const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let Some(rest) = bytes.strip_prefix(&[0, 1]).or_else(|| bytes.strip_prefix(&[0, 2])) else {
        return false;
    };
    bytes.get(4..8) != Some(&STUN_COOKIE)
        && rest.first().is_some_and(|first| *first != 0)
        && rest.iter().filter(|byte| **byte == 0).count() >= 2
        && rest.last() == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ServiceId;

    #[test]
    fn clients_are_told_apart_by_their_first_bytes() {
        let own = Preface::new(ServiceId::new(3)).encode();
        for (front, opening) in [
            (&own[..], Some(Opening::Own)),
            (&own[..7], None),
            (b"", None),
            (b"G", None),
            (b"GET / HTTP/1.1\r\n", Some(Opening::Http)),
            (b"PUT /a HTTP/1.1\r\n", Some(Opening::Http)),
            (b"P", None),
            (b"PAS", Some(Opening::Text)),
            (b"USER anonymous\r\n", Some(Opening::Text)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Opening::Http)),
            (b"\x16", None),
            (b"\x16\x03\x01\x02\x00", Some(Opening::Tls)),
            (b"SSH-2.0-OpenSSH", Some(Opening::Other("SSH"))),
            ("für\n".as_bytes(), Some(Opening::Text)),
            (b"\x00\xff\x01", Some(Opening::Other("another protocol"))),
        ] {
            assert_eq!(recognise(front), opening, "{front:?}");
        }
        assert_eq!(finally(b"G"), Opening::Text, "a word that a person has not ended");
    }

    #[test]
    fn every_prefix_is_decided_as_the_whole_or_not_yet() {
        for whole in
            [&b"GET / HTTP/1.1\r\n"[..], b"PASV\r\n", b"\x16\x03\x01", b"hello\n", b"\x8bNLS\x01\x02\0\0"]
        {
            for end in 0..whole.len() {
                let early = recognise(&whole[..end]);
                assert!(early.is_none() || early == recognise(whole), "{:?}", &whole[..end]);
            }
        }
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

    #[test]
    fn tftp_requests_are_told_from_stun_and_from_text() {
        assert!(is_tftp_request(b"\0\x01file\0octet\0"));
        assert!(is_tftp_request(b"\0\x02file\0netascii\0blksize\x001428\0"));
        assert!(!is_tftp_request(b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl"));
        assert!(!is_tftp_request(b"\0\x03\0\x01data\0\0"));
        assert!(!is_tftp_request(b"\0\x01file"));
        assert!(!is_tftp_request(b"\0\x01\0octet\0"));
        assert!(is_text_datagram(b"7 % 3\n") && !is_text_datagram(b"GET / HTTP/1.1"));
    }

    #[test]
    fn sets_of_dialects_are_sets() {
        let set = Dialects::of(&[Dialect::Own, Dialect::Ftp]);
        assert!(set.has(Dialect::Own) && !set.has(Dialect::Http));
        assert_eq!(set.names(), ["own", "ftp"]);
        assert_eq!(set.and(Dialects::of(&[Dialect::Ftp])).names(), ["ftp"]);
        for (n, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(dialect as usize, n);
            assert_eq!(Dialect::named(dialect.name()), Some(dialect));
        }
    }
}
