//! What one address may take of what a server has for all (FAULTS rows 62 and 63).

use std::net::IpAddr;

/// One place in so many is kept from the address that has the most.
const KEPT: usize = 8;

/// Most clients of one address among `max`. On loopback all come from the same one, and all of them are ours.
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
