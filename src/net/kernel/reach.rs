//! Under which addresses this machine can be reached.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::interfaces::{Nature, addresses_v6, nature, neighbours};

/// Most addresses that are looked at: a machine with more of them has them for a purpose of its own.
const ADDRESS_LIMIT: usize = 64;
/// Documentation addresses (RFC 5737, RFC 3849): the kernel selects a route and a source address, and nothing is sent.
const SOMEWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const DISCARD: u16 = 9;

/// The first address under which other machines reach a socket bound to `address`; loopback if there is none.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let first = reachable_addresses(address).first().copied();
    first.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()))
}

/// The addresses under which other machines reach a socket bound to `address`, the most useful first: the same, or, if it
/// is bound to all addresses, those of this machine. None for loopback.
pub fn reachable_addresses(address: SocketAddr) -> Vec<SocketAddr> {
    let ip = address.ip();
    if !ip.is_unspecified() {
        return if ip.is_loopback() { Vec::new() } else { vec![address] };
    }
    let usual = [towards(SOMEWHERE_V4), towards(SOMEWHERE_V6)];
    let mut own = own_addresses();
    for usual in usual.into_iter().flatten() {
        // Elsewhere than on Linux these are all that is known.
        if !own.iter().any(|(own, _)| own.is_ipv4() == usual.is_ipv4()) {
            own.push((usual, Nature::Card));
        }
    }
    own.retain(|(own, _)| (ip.is_ipv6() || own.is_ipv4()) && is_for_others(*own));
    own.sort_by_key(|(ip, nature)| (rank(*ip, *nature), !usual.contains(&Some(*ip))));
    let mut ips: Vec<IpAddr> = Vec::new();
    for (ip, _) in own {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips.into_iter().map(|ip| SocketAddr::new(ip, address.port())).collect()
}

/// The addresses of the interfaces that are up and lead out of this machine.
fn own_addresses() -> Vec<(IpAddr, Nature)> {
    let leads_out = |name: &str| Some(nature(name)).filter(|n| !matches!(n, Nature::Inside | Nature::Down));
    let v4 = neighbours().into_iter().filter_map(|(neighbour, name)| {
        let nature = leads_out(&name)?;
        Some((towards(neighbour.into())?, nature))
    });
    let v6 = addresses_v6().into_iter().filter_map(|(ip, name)| Some((ip.into(), leads_out(&name)?)));
    v4.take(ADDRESS_LIMIT).chain(v6.take(ADDRESS_LIMIT)).collect()
}

/// The order in which addresses are offered: a phone is in the network of this house or room (RFC 1918), and may know no
/// IPv6; what leads through a tunnel, or into the network of a container, comes last.
fn rank(ip: IpAddr, nature: Nature) -> u8 {
    match (ip, nature) {
        (IpAddr::V4(ip), Nature::Card) if ip.is_private() => 0,
        (IpAddr::V6(ip), Nature::Card) if !ip.is_unique_local() => 1,
        (IpAddr::V4(_), Nature::Card) => 2,
        (IpAddr::V6(_), Nature::Card) => 3,
        (IpAddr::V4(_), _) => 4,
        (IpAddr::V6(_), _) => 5,
    }
}

/// False for loopback, and for addresses that mean nothing without the name of an interface.
fn is_for_others(ip: IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !is_local && !ip.is_loopback() && !ip.is_unspecified()
}

/// True if this machine has the address now.
pub fn has_address(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).err().is_none_or(|error| error.kind() != ErrorKind::AddrNotAvailable)
}

/// The source address that the kernel chooses towards `somewhere`; `None` without a route.
fn towards(somewhere: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if somewhere.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((somewhere, DISCARD)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_to_one_address_is_there_and_what_is_bound_to_all_is_somewhere() {
        let one = "127.0.0.1:9000".parse().unwrap();
        assert_eq!((reachable(one), reachable_addresses(one)), (one, Vec::new()));
        let other = "192.0.2.7:9000".parse().unwrap();
        assert_eq!((reachable(other), reachable_addresses(other)), (other, vec![other]));
        let any = reachable("0.0.0.0:9000".parse().unwrap());
        assert!(any.port() == 9000 && !any.ip().is_unspecified(), "{any}");
        assert!(!reachable("[::]:9000".parse().unwrap()).ip().is_unspecified());
    }

    #[test]
    fn addresses_that_are_named_are_of_this_machine_and_each_once() {
        let all = reachable_addresses("[::]:9000".parse().unwrap());
        for (at, address) in all.iter().enumerate() {
            assert!(has_address(address.ip()) && address.port() == 9000, "{address}");
            assert!(!all[..at].contains(address), "{address} twice");
        }
        let v4 = reachable_addresses("0.0.0.0:9000".parse().unwrap());
        assert!(v4.iter().all(SocketAddr::is_ipv4), "{v4:?}");
    }

    #[test]
    fn a_phone_is_offered_the_private_network_first_and_tunnels_last() {
        let offers = [
            ("192.168.1.7", Nature::Card),
            ("2001:db8::7", Nature::Card),
            ("203.0.113.7", Nature::Card),
            ("fd00::7", Nature::Card),
            ("10.8.0.7", Nature::Virtual),
            ("fd01::7", Nature::Virtual),
        ];
        let ranks = offers.map(|(ip, nature)| rank(ip.parse().unwrap(), nature));
        assert!(ranks.is_sorted() && ranks[0] < ranks[5], "{ranks:?}");
    }

    #[test]
    fn an_address_that_others_cannot_use_is_not_offered() {
        for ip in ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0"] {
            assert!(!is_for_others(ip.parse().unwrap()), "{ip}");
        }
        assert!(is_for_others("192.168.1.7".parse().unwrap()) && is_for_others("fd00::7".parse().unwrap()));
    }
}
