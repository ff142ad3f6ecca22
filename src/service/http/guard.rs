//! Which pages of which sites may ask, and which may change something. A page of another site can make a browser send
//! requests here, even under a name of its own that it made to mean this machine (DNS rebinding): so on loopback, and
//! wherever something is changed, the host must be a name that only this machine has, and what changes something must
//! come from a page of ours or from no page at all (faults.md row 111).

use std::net::IpAddr;

use super::Exchange;
use crate::wire::http::RequestHead;

/// Why a request is refused whose host is another.
pub(crate) const ELSEWHERE: &str = "this server does not have that name; use its address";
/// Why a page of another site may change nothing.
pub(crate) const FOREIGN_PAGE: &str = "only a page of this server may change something here";

/// True if the request is for a host that somebody else may have named.
pub(super) fn is_elsewhere(exchange: &Exchange<'_>) -> bool {
    exchange.is_on_loopback() && !has_own_host(&exchange.head)
}

/// Why the request may change nothing; `None` if it may.
pub(crate) fn objection_to_writing(head: &RequestHead) -> Option<&'static str> {
    if !has_own_host(head) {
        return Some(ELSEWHERE);
    }
    let mut origins = head.headers.all("origin");
    let is_ours =
        |origin: &str| head.headers.get("host").is_some_and(|host| origin == format!("http://{host}"));
    let from_elsewhere = match (origins.next(), origins.next()) {
        (None, _) => {
            head.headers.get("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
        }
        (Some(origin), None) => !is_ours(origin),
        _ => true,
    };
    from_elsewhere.then_some(FOREIGN_PAGE)
}

/// True if the host is an address, `localhost`, or the name of this machine; also for an old client that names none.
fn has_own_host(head: &RequestHead) -> bool {
    let Some(host) = head.host() else { return true };
    let name = host.name.trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address || name == "localhost" || name.ends_with(".localhost") || is_this_machine(&name)
}

fn is_this_machine(name: &str) -> bool {
    let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    !own.is_empty() && (name == own || name.strip_suffix(".local") == Some(&own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, fields: &[(&str, &str)]) -> RequestHead {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        RequestHead::read(format!("{method} /a HTTP/1.1\r\n{fields}\r\n").as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn row_111_only_names_that_this_machine_has_are_its_own() {
        for host in
            ["127.0.0.1:9000", "[::1]:9000", "localhost", "LOCALHOST:80", "a.localhost", "192.168.1.7:9000"]
        {
            assert!(has_own_host(&head("GET", &[("Host", host)])), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9000"] {
            assert!(!has_own_host(&head("GET", &[("Host", host)])), "{host}");
        }
    }

    #[test]
    fn row_111_a_page_of_another_site_changes_nothing() {
        let own = ("Host", "127.0.0.1:9000");
        let may = |fields: &[(&str, &str)]| objection_to_writing(&head("PUT", fields)).is_none();
        assert!(may(&[own]), "curl");
        assert!(may(&[own, ("Origin", "http://127.0.0.1:9000")]));
        assert!(may(&[own, ("Sec-Fetch-Site", "same-origin")]));
        for origin in ["null", "http://evil.example", "https://127.0.0.1:9000", "http://127.0.0.1:9001", ""] {
            assert!(!may(&[own, ("Origin", origin)]), "{origin}");
        }
        assert!(!may(&[own, ("Sec-Fetch-Site", "cross-site")]));
        assert!(!may(&[("Host", "evil.example"), ("Origin", "http://evil.example")]), "rebinding");
        let twice = [own, ("Origin", "http://127.0.0.1:9000"), ("Origin", "http://evil.example")];
        assert!(!may(&twice));
    }
}
