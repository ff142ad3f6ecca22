//! Name resolution and connection racing: IPv4 and IPv6 alternate, so that one broken family costs little (RFC 8305).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::{Endpoint, Host};
use crate::net::{CONNECT_LIMIT, errors};
use crate::report::Failure;

/// All addresses of an endpoint, alternating between IPv4 and IPv6; never empty.
pub async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let name = match &endpoint.host {
        Host::Loopback => return Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), endpoint.port)]),
        Host::Scoped(address, zone) => return Ok(vec![scoped(*address, zone, endpoint.port)?]),
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, endpoint.port)]),
        Host::Name(name) => name,
    };
    let found =
        tokio::time::timeout(CONNECT_LIMIT, tokio::net::lookup_host((name.as_str(), endpoint.port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(errors::name_not_resolved(name, &error)),
        Err(_) => return Err(errors::name_server_timed_out(name)),
    };
    if found.is_empty() {
        return Err(errors::name_without_address(name));
    }
    Ok(alternate(&found))
}

fn scoped(address: Ipv6Addr, zone: &str, port: u16) -> Result<SocketAddr, Failure> {
    Ok(SocketAddrV6::new(address, port, 0, zone_index(zone)?).into())
}

/// The number of an interface that is named by its name or its number (RFC 4007, section 11).
pub fn zone_index(zone: &str) -> Result<u32, Failure> {
    let number = zone.parse().ok();
    number.or_else(|| interface_index(zone)).ok_or_else(|| errors::interface_missing(zone))
}

fn interface_index(name: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

/// IPv4 first, as `listen` binds it by default, then the families alternate.
fn alternate(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) = found.iter().partition(|address| address.is_ipv4());
    let longest = v4.len().max(v6.len());
    let mut out: Vec<SocketAddr> =
        (0..longest).flat_map(|n| [v4.get(n).copied(), v6.get(n).copied()]).flatten().collect();
    out.dedup();
    out
}

/// Delay before the next address is tried (row 38; RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Tries the addresses, each `STAGGER` after the one before, or at once when an attempt fails; the first success wins.
pub async fn race<T, F>(addresses: &[SocketAddr], start: impl Fn(SocketAddr) -> F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.iter().copied();
    let mut last = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(start(address));
        } else if attempts.is_empty() {
            return Err(last.unwrap_or_else(errors::no_address_to_try));
        }
        let pause = if waiting.len() > 0 { STAGGER } else { CONNECT_LIMIT * 2 };
        if let Ok(Some(Ok(result))) = tokio::time::timeout(pause, attempts.join_next()).await {
            match result {
                Ok(won) => return Ok(won),
                Err(failure) => last = Some(failure),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_38_families_are_tried_by_turns() {
        let list: Vec<SocketAddr> =
            ["[::1]:1", "[::2]:1", "127.0.0.1:1"].iter().map(|a| a.parse().unwrap()).collect();
        let shown: Vec<String> = alternate(&list).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:1", "[::1]:1", "[::2]:1"]);
    }
}
