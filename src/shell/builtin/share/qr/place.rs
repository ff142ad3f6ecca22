//! The address of a session, as others use it.

use std::net::SocketAddr;

use crate::net::{reachable, show};
use crate::report::Failure;
use crate::session::Session;
use crate::shell::builtin::share::errors;
use crate::shell::errors::{not_a_server, server_ended};

/// What a code says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) url: String,
    /// Address and port; `None` for a text.
    pub(super) addr: Option<String>,
    /// What to know about it.
    pub(super) note: Option<String>,
}

impl Place {
    pub(super) fn of_text(text: String) -> Self {
        Self { url: text, addr: None, note: None }
    }
}

/// Where other machines find a server: its URL if it has one (the field `url` of services that speak HTTP), else address
/// and port. Of a server that listens on all addresses it is the first that others reach.
///
/// # Errors
/// It listens nowhere, or where no other machine can come.
pub(super) fn address_for_others(session: &Session) -> Result<Place, Failure> {
    let label = session.label();
    if session.has_ended() {
        return Err(server_ended(&label));
    }
    let url = session.field("url").map(|url| url.to_string());
    let Some(listening) = session.listening() else {
        // A page of this shell, which is on loopback.
        let url = url.ok_or_else(|| not_a_server(&label))?;
        let addr = session.field("addr").map(|addr| addr.to_string());
        return Ok(Place { url, addr, note: Some(ONLY_HERE.into()) });
    };
    let bound = listening.address.socket().ok_or_else(|| errors::reached_by_a_path(&label))?;
    let addr = reachable(bound);
    let note = note(bound, addr, listening.service.is_some());
    let addr = show(addr);
    let url = url.map_or_else(|| addr.clone(), |url| at(&url, &addr));
    Ok(Place { url, addr: Some(addr), note })
}

const ONLY_HERE: &str = "only this machine reaches this address";

/// `is_service`: it was started by `listen`, and could listen on other addresses.
fn note(bound: SocketAddr, reached: SocketAddr, is_service: bool) -> Option<String> {
    match (reached.ip().is_loopback(), bound.ip().is_unspecified()) {
        (false, _) => None,
        (true, true) => Some(format!("{ONLY_HERE}: it has no other, join a network")),
        (true, false) if is_service => Some(format!("{ONLY_HERE}; `listen … on any` serves the network")),
        (true, false) => Some(ONLY_HERE.into()),
    }
}

/// The URL with another host and port.
fn at(url: &str, addr: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let path = rest.find(['/', '?', '#']).map_or("/", |start| &rest[start..]);
    format!("{scheme}://{addr}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_the_address_that_others_reach_and_keeps_its_path() {
        assert_eq!(at("http://[::]:9000/", "192.168.1.7:9000"), "http://192.168.1.7:9000/");
        assert_eq!(
            at("https://0.0.0.0:9000/a?b=c", "[2001:db8::7]:9000"),
            "https://[2001:db8::7]:9000/a?b=c"
        );
        assert_eq!(at("http://0.0.0.0:9000", "10.0.0.7:9000"), "http://10.0.0.7:9000/");
    }

    #[test]
    fn who_cannot_be_reached_is_told_how_to_change_that() {
        let note = |bound: &str, reached: &str, is_service| {
            note(bound.parse().unwrap(), reached.parse().unwrap(), is_service)
        };
        let here = note("127.0.0.1:9000", "127.0.0.1:9000", true).unwrap();
        assert!(here.contains("only this machine") && here.contains("`listen … on any`"), "{here}");
        assert!(!note("127.0.0.1:9000", "127.0.0.1:9000", false).unwrap().contains("on any"));
        assert!(note("[::]:9000", "127.0.0.1:9000", true).unwrap().contains("join a network"));
        assert_eq!(note("[::]:9000", "192.168.1.7:9000", true), None);
    }
}
