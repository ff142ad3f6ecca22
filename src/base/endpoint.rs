//! Addresses of peers as they are written: `host:port`, `[v6]:port`, `:port`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The transport protocol below a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

impl Transport {
    /// The keyword for it: `tcp` or `udp`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// UDP for TCP, TCP for UDP.
    pub const fn other(self) -> Self {
        match self {
            Self::Tcp => Self::Udp,
            Self::Udp => Self::Tcp,
        }
    }

    /// The transport that the keyword names; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a server listens on and a raw client connects with: a transport, bare or below TLS, or a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The transport itself.
    Bare(Transport),
    /// TLS over TCP (RFC 8446).
    Tls,
    /// A stream socket in the file system (unix(7)).
    Unix,
}

impl Carrier {
    /// TCP.
    pub const TCP: Self = Self::Bare(Transport::Tcp);
    /// UDP.
    pub const UDP: Self = Self::Bare(Transport::Udp);
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TCP, Self::UDP, Self::Tls, Self::Unix];

    /// The keyword for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bare(transport) => transport.word(),
            Self::Tls => "tls",
            Self::Unix => "unix",
        }
    }

    /// The carrier that the keyword names; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.word() == word)
    }

    /// The transport whose ports it uses; `None` for a Unix socket.
    pub const fn transport(self) -> Option<Transport> {
        match self {
            Self::Bare(transport) => Some(transport),
            Self::Tls => Some(Transport::Tcp),
            Self::Unix => None,
        }
    }
}

impl From<Transport> for Carrier {
    fn from(transport: Transport) -> Self {
        Self::Bare(transport)
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The host part of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name, not resolved yet.
    Name(String),
    /// A literal address.
    Address(IpAddr),
    /// A link-local address and its zone, the interface it is valid on (RFC 4007, section 11).
    Scoped(Ipv6Addr, String),
    /// The host was left out: this machine, 127.0.0.1.
    Loopback,
}

impl Host {
    /// True if the host is this machine, as far as can be told without name resolution.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Loopback => true,
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost",
            Self::Scoped(..) => false,
        }
    }
}

/// The address a peer listens on. [`parse`] never yields port 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host to connect to.
    pub host: Host,
    /// From 1 to 65535.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]:{}", self.port),
            Host::Address(v4 @ IpAddr::V4(_)) => write!(f, "{v4}:{}", self.port),
            Host::Scoped(v6, zone) => write!(f, "[{v6}%{zone}]:{}", self.port),
            Host::Loopback => write!(f, "127.0.0.1:{}", self.port),
        }
    }
}

/// Longest host name that DNS can carry (RFC 1035, section 2.3.4).
const HOST_NAME_LIMIT: usize = 253;

/// Parses an endpoint; the error is the reason and, if one can be suggested, a valid form.
pub fn parse(word: &str) -> Result<Endpoint, (String, Option<String>)> {
    if let Some(rest) = word.strip_prefix('[') {
        return parse_bracketed(rest);
    }
    if let Some((endpoint, _)) = of_url(word) {
        let why = "an endpoint is host:port, without a scheme and without a path";
        let transport = word.split_once("://").map(|(scheme, _)| scheme).filter(|word| is_transport(word));
        let fix = match transport {
            Some(word) => format!("{word} {endpoint}"),
            None => endpoint,
        };
        return Err((why.into(), Some(fix)));
    }
    if word.matches(':').count() > 1 {
        return Err(many_colons(word));
    }
    let Some((host, port)) = word.split_once(':') else {
        let fix = if word.parse::<u16>().is_ok() { format!(":{word}") } else { format!("{word}:9000") };
        return Err(("an endpoint is host:port".into(), Some(fix)));
    };
    let port = peer_port(port)?;
    if host.is_empty() {
        return Ok(Endpoint { host: Host::Loopback, port });
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Endpoint { host: Host::Address(address), port });
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.len() > HOST_NAME_LIMIT || !host.chars().all(plain) || host.starts_with('-') {
        return Err((format!("`{host}` is not a host name"), Some(format!("localhost:{port}"))));
    }
    Ok(Endpoint { host: Host::Name(host.into()), port })
}

fn is_transport(word: &str) -> bool {
    matches!(word, "tcp" | "udp")
}

/// True for an IPv6 address, perhaps with its interface behind a `%`.
fn is_address(text: &str) -> bool {
    text.split('%').next().is_some_and(|front| front.parse::<Ipv6Addr>().is_ok())
}

/// Why a word with several colons is no endpoint, and what was probably meant.
fn many_colons(word: &str) -> (String, Option<String>) {
    if let Some((transport, rest)) = word.split_once(':').filter(|(front, _)| is_transport(front)) {
        return ("the transport is a word of its own".into(), Some(format!("{transport} {rest}")));
    }
    let fix = word.rsplit_once(':').filter(|(host, port)| is_address(host) && port.parse::<u16>().is_ok());
    if fix.is_none() && !word.chars().all(|c| c.is_ascii_hexdigit() || ":.%".contains(c)) {
        let front: Vec<&str> = word.split(':').take(2).collect();
        return ("an endpoint is host:port".into(), Some(front.join(":")));
    }
    let fix = fix.map_or_else(|| "[::1]:9000".into(), |(host, port)| format!("[{host}]:{port}"));
    ("an IPv6 address is written in brackets".into(), Some(fix))
}

/// Parses `[ADDRESS]:PORT` or `[ADDRESS%ZONE]:PORT`, from behind the `[`.
fn parse_bracketed(rest: &str) -> Result<Endpoint, (String, Option<String>)> {
    let Some((inside, port)) = rest.split_once("]:") else {
        let inside = rest.trim_end_matches(']');
        let fix = if is_address(inside) { format!("[{inside}]:9000") } else { "[::1]:9000".into() };
        return Err(("an IPv6 endpoint is written [address]:port".into(), Some(fix)));
    };
    let (address, zone) = inside.split_once('%').map_or((inside, None), |(a, zone)| (a, Some(zone)));
    let address: Ipv6Addr = address
        .parse()
        .map_err(|_| (format!("`{inside}` is not an IPv6 address"), Some("[::1]:9000".into())))?;
    let host = match zone {
        None if address.is_unicast_link_local() => {
            let why = "a link-local address needs its interface behind a %; `ip address` names them";
            return Err((why.into(), None));
        }
        None => Host::Address(address.into()),
        Some("") => return Err(("the interface after % is missing".into(), None)),
        Some(zone) => Host::Scoped(address, zone.into()),
    };
    Ok(Endpoint { host, port: peer_port(port)? })
}

/// The endpoint and the path of `[SCHEME://]HOST:PORT/PATH`; `None` if it has neither a scheme nor a path. After a
/// scheme the port may be left out.
pub fn of_url(word: &str) -> Option<(String, &str)> {
    let (scheme, rest) = word.split_once("://").map_or((None, word), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    if scheme.is_none() && path.is_none() {
        return None;
    }
    let port = match scheme {
        Some("http" | "ws") => "80",
        Some("https" | "wss") => "443",
        Some("ftp") => "21",
        _ => "9000",
    };
    let bare = !authority.is_empty() && !authority.contains(':');
    let endpoint =
        if bare && scheme.is_some() { format!("{authority}:{port}") } else { authority.to_owned() };
    // Only a host with a valid port is an endpoint.
    let (host, port) = endpoint.rsplit_once(':')?;
    (!host.contains('/') && peer_port(port).is_ok()).then(|| (endpoint, path.unwrap_or("")))
}

/// Parses a port that a peer listens on: 1 to 65535.
fn peer_port(word: &str) -> Result<u16, (String, Option<String>)> {
    match port(word)? {
        0 => Err(("port 0 means \"any free port\" and only `listen` can ask for it".into(), None)),
        port => Ok(port),
    }
}

/// Parses a port to listen on: 0 (any free one) to 65535. The error is as for [`parse`].
pub fn port(word: &str) -> Result<u16, (String, Option<String>)> {
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    match word.parse::<u64>() {
        Ok(number) if digits => {
            u16::try_from(number).map_err(|_| (format!("{number} is not a port: ports end at 65535"), None))
        }
        _ if digits => Err(("ports end at 65535".into(), None)),
        _ if word.is_empty() => Err(("the port is missing".into(), None)),
        _ => Err((format!("`{word}` is not a port: a port is a number from 0 to 65535"), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_back_as_they_are_shown() {
        for word in ["host:9000", "127.0.0.1:9000", "[::1]:9000", "[2001:db8::1]:1", "[fe80::1%eth0]:9000"] {
            assert_eq!(parse(word).unwrap().to_string(), word);
        }
        assert_eq!(parse(":9000").unwrap().host, Host::Loopback);
    }

    #[test]
    fn row_89_ports_and_ambiguous_hosts_are_refused_with_the_right_form() {
        assert_eq!(parse("::1:9000").unwrap_err().1.as_deref(), Some("[::1]:9000"));
        assert_eq!(parse("host").unwrap_err().1.as_deref(), Some("host:9000"));
        assert_eq!(parse("9000").unwrap_err().1.as_deref(), Some(":9000"));
        for (word, fix) in [
            ("http://host/x", "host:80"),
            ("https://host:8443/", "host:8443"),
            ("host:9000/film", "host:9000"),
            (":9000/a/b", ":9000"),
        ] {
            assert_eq!(parse(word).unwrap_err().1.as_deref(), Some(fix), "{word}");
        }
        assert!(parse("[fe80::1%]:1").is_err());
        for word in [
            "h:65536",
            "h:-1",
            "h:http",
            "h:0",
            "h:",
            "[::1]9000",
            "a b:1",
            "-o:1",
            "h:99999999999999999999999",
        ] {
            assert!(parse(word).is_err(), "{word}");
        }
        assert!(port("65536").unwrap_err().0.contains("65535") && port("+5").is_err());
    }
}
