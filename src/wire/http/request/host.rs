//! The authority of a request: the field `Host`, or the one in an absolute target.

use std::net::Ipv6Addr;

use crate::wire::http::status::HttpError;

/// Longest name of a host, in bytes: that of the domain name system.
const NAME_LIMIT: usize = 255;

/// Of whom something is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// A name or an address; one of version 6 stands here without its brackets.
    pub name: &'a str,
    /// The port, if one is named.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `name`, `name:port`, `[::1]:port` (RFC 3986, section 3.2). Stricter than the RFC: no user, no escapes, no
    /// punctuation but that of domain names, so that a comparison with the own names cannot be led astray.
    pub fn read(text: &'a str) -> Result<Self, HttpError> {
        let (name, port) = if let Some(inside) = text.strip_prefix('[') {
            let (address, after) = inside.split_once(']').ok_or(BAD)?;
            address.parse::<Ipv6Addr>().map_err(|_| BAD)?;
            let port = if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(BAD)? };
            (address, port)
        } else {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(is_plain) {
                return Err(BAD);
            }
            (name, port)
        };
        Ok(Self { name, port: read_port(port)? })
    }
}

const BAD: HttpError = HttpError::bad("the host is neither a name nor an address");

fn read_port(text: &str) -> Result<Option<u16>, HttpError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BAD);
    }
    text.parse().map(Some).map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_told_apart() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("a.example:8080", "a.example", Some(8080)),
            ("127.0.0.1:", "127.0.0.1", None),
            ("[::1]", "::1", None),
            ("[fe80::1]:65535", "fe80::1", Some(65535)),
        ] {
            assert_eq!(Host::read(text), Ok(Host { name, port }), "{text}");
        }
    }

    #[test]
    fn row_111_what_is_no_host_is_refused() {
        let long = "a".repeat(NAME_LIMIT + 1);
        for text in [
            "",
            ":80",
            "a b",
            "a@b",
            "a/b",
            "a:b",
            "a:65536",
            "a:+1",
            "a:1:2",
            "[::1",
            "[::1]80",
            "[x]",
            "[]",
            "[fe80::1%25eth0]",
            "::1",
            "a%41",
            "a,b",
            "ä",
            &long,
        ] {
            assert!(Host::read(text).is_err(), "{text}");
        }
    }
}
