//! Under which address this machine can be reached.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The IPv4 routing table (Linux).
const ROUTES: &str = "/proc/net/route";
/// Documentation addresses (RFC 5737, RFC 3849): the kernel selects a route and a source address, and nothing is sent.
const SOMEWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const DISCARD: u16 = 9;

/// The address under which other machines reach a socket bound to `address`: the same, or, if it is bound to all
/// addresses, the one that this machine uses towards the network. Loopback if there is no network.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let own = towards(SOMEWHERE_V4)
        .or_else(|| towards(SOMEWHERE_V6).filter(|_| address.is_ipv6()))
        .or_else(|| neighbours().into_iter().find_map(towards));
    SocketAddr::new(own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), address.port())
}

/// One address in each directly known network: for machines without a default route.
fn neighbours() -> Vec<IpAddr> {
    let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
    let network = |line: &str| {
        // Second column: the network, as a hexadecimal number in native byte order.
        let number = u32::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()?;
        let address = u32::from(Ipv4Addr::from(number.to_ne_bytes()));
        (address != 0).then(|| IpAddr::V4(Ipv4Addr::from(address | 1)))
    };
    routes.lines().skip(1).filter_map(network).collect()
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
        assert_eq!(reachable(one), one);
        let any = reachable("0.0.0.0:9000".parse().unwrap());
        assert!(any.port() == 9000 && !any.ip().is_unspecified(), "{any}");
        assert!(!reachable("[::]:9000".parse().unwrap()).ip().is_unspecified());
    }
}
