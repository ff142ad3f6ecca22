//! At which address this machine can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address of the documentation (RFC 5737, RFC 3849): the system chooses the way to it, and nothing is sent.
const SOMEWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const DISCARD: u16 = 9;

/// Where others find what listens on `address`: that itself, or, of every address, the one that this machine uses
/// towards the network. A machine without a network has only loopback.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let own = towards(SOMEWHERE_V4).or_else(|| towards(SOMEWHERE_V6).filter(|_| address.is_ipv6()));
    SocketAddr::new(own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), address.port())
}

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
