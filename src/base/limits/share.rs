//! How much of a server's capacity one client address may use (faults.md rows 62 and 63).

use std::net::IpAddr;

/// One place in this many stays free for other addresses.
const KEPT: usize = 8;

/// Most clients from one address at a server for `max` clients. Loopback may use all places: its clients share one
/// address, and all of them run on this machine.
pub fn share(max: usize, address: IpAddr) -> usize {
    if address.to_canonical().is_loopback() { max } else { max - max / KEPT }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn one_address_leaves_some_places_to_the_others() {
        let there = "192.0.2.1".parse().unwrap();
        assert_eq!([1, 2, 7, 8, 256].map(|max| share(max, there)), [1, 2, 7, 7, 224]);
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(share(256, loopback.parse().unwrap()), 256);
        }
    }
}
