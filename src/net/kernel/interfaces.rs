//! Network interfaces of this machine and their addresses, as the kernel lists them (proc(5): `/proc/net/route` and
//! `/proc/net/if_inet6`; sysfs: `/sys/class/net`). Nothing is found where the system has no such lists.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The IPv4 routing table.
const ROUTES: &str = "/proc/net/route";
/// The IPv6 addresses.
const ADDRESSES_V6: &str = "/proc/net/if_inet6";
/// A folder for each interface.
const FOLDERS: &str = "/sys/class/net";
/// Lines that are read of a list: a router has many routes, and each that is its own takes some calls to the kernel.
const LINE_LIMIT: usize = 1_000;
/// A bridge of a bond of a VLAN of a card, and some more.
const DEPTH: usize = 6;
/// The scope `global`, and flags of addresses that are not to be handed out: IFA_F_TEMPORARY (RFC 8981: given up soon),
/// IFA_F_DADFAILED, IFA_F_DEPRECATED and IFA_F_TENTATIVE (linux/if_addr.h).
const GLOBAL: &str = "00";
const UNSTABLE: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// What an interface leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// A network card, or what stands on one.
    Card,
    /// A tunnel, the network of a container, and what else has no card.
    Virtual,
    /// A bridge without a card: containers and virtual machines here.
    Inside,
    /// Without a carrier.
    Down,
}

/// The nature of an interface; where the system does not tell, a card.
pub(super) fn nature(name: &str) -> Nature {
    let folder = Path::new(FOLDERS).join(name);
    let state = std::fs::read_to_string(folder.join("operstate")).unwrap_or_default();
    match state.trim() {
        "down" | "lowerlayerdown" | "notpresent" => Nature::Down,
        _ if !folder.exists() || has_card(&folder, DEPTH) => Nature::Card,
        _ if folder.join("bridge").exists() => Nature::Inside,
        _ => Nature::Virtual,
    }
}

/// True if the interface is one of a device, or stands on such an interface: `lower_eth0` in its folder.
fn has_card(folder: &Path, depth: usize) -> bool {
    let is_lower = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"lower_");
    let lower = || std::fs::read_dir(folder).into_iter().flatten().flatten();
    folder.join("device").exists()
        || depth > 0
            && lower().any(|entry| is_lower(&entry.file_name()) && has_card(&entry.path(), depth - 1))
}

/// An address in each IPv4 network that this machine is in, not its own, and the name of the interface.
pub(super) fn neighbours() -> Vec<(Ipv4Addr, String)> {
    let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
    routes.lines().take(LINE_LIMIT).filter_map(neighbour).collect()
}

/// Of a line `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; `None` for a route over a gateway.
fn neighbour(line: &str) -> Option<(Ipv4Addr, String)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, network, gateway, _, _, _, _, mask, ..] = words[..] else { return None };
    // Hexadecimal numbers in native byte order.
    let number = |word: &str| u32::from_str_radix(word, 16).ok().map(|n| u32::from_be_bytes(n.to_ne_bytes()));
    let (network, mask) = (number(network)?, number(mask)?);
    let is_direct = number(gateway)? == 0 && network != 0;
    // Both of a network of two (RFC 3021), and the other end of a tunnel, are as good as any.
    let one = if mask == u32::MAX { network } else { network | 1 };
    is_direct.then(|| (Ipv4Addr::from(one), name.to_owned()))
}

/// The stable, global IPv6 addresses of this machine, and the names of their interfaces.
pub(super) fn addresses_v6() -> Vec<(Ipv6Addr, String)> {
    let addresses = std::fs::read_to_string(ADDRESSES_V6).unwrap_or_default();
    addresses.lines().take(LINE_LIMIT).filter_map(address_v6).collect()
}

/// Of a line `ADDRESS INDEX PREFIX SCOPE FLAGS NAME`.
fn address_v6(line: &str) -> Option<(Ipv6Addr, String)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [address, _, _, scope, flags, name] = words[..] else { return None };
    let is_whole = address.len() == 32;
    let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
    let is_stable = u32::from_str_radix(flags, 16).ok()? & UNSTABLE == 0;
    (is_whole && is_stable && scope == GLOBAL).then(|| (address, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_a_gateway_has_neighbours() {
        let line = |network: [u8; 4], gateway: [u8; 4], mask: [u8; 4]| {
            let [network, gateway, mask] = [network, gateway, mask].map(u32::from_ne_bytes);
            neighbour(&format!("eth0\t{network:08X}\t{gateway:08X}\t0001\t0\t0\t0\t{mask:08X}\t0\t0\t0"))
        };
        let of = |ip: [u8; 4]| Some((Ipv4Addr::from(ip), "eth0".to_owned()));
        assert_eq!(line([192, 168, 1, 0], [0; 4], [255, 255, 255, 0]), of([192, 168, 1, 1]));
        assert_eq!(line([10, 8, 0, 2], [0; 4], [255; 4]), of([10, 8, 0, 2]));
        assert_eq!(line([0; 4], [192, 168, 1, 254], [0; 4]), None);
        assert_eq!(line([10, 0, 0, 0], [192, 168, 1, 9], [255, 0, 0, 0]), None);
    }

    #[test]
    fn lines_of_another_shape_are_no_routes_and_no_addresses() {
        for line in ["", "Iface Destination Gateway", "eth0 zz 00000000 0001 0 0 0 00FFFFFF", "eth0 1", "é"]
        {
            assert_eq!(neighbour(line), None, "{line}");
            assert_eq!(address_v6(line), None, "{line}");
        }
        assert_eq!(address_v6("fd00 04 40 00 80 eth0"), None);
    }

    #[test]
    fn an_ipv6_address_is_handed_out_if_it_is_global_and_stays() {
        let line = |scope: &str, flags: &str| {
            address_v6(&format!("20010db8000000000000000000000007 04 40 {scope} {flags}     eth0"))
        };
        assert_eq!(line("00", "80"), Some(("2001:db8::7".parse().unwrap(), "eth0".to_owned())));
        for (scope, flags) in
            [("20", "80"), ("10", "80"), ("00", "01"), ("00", "a0"), ("00", "c0"), ("00", "88")]
        {
            assert_eq!(line(scope, flags), None, "{scope} {flags}");
        }
    }

    #[test]
    fn loopback_leads_to_no_card() {
        if Path::new(FOLDERS).join("lo").exists() {
            assert_eq!(nature("lo"), Nature::Virtual);
        }
        assert_eq!(nature("no such one"), Nature::Card);
    }
}
