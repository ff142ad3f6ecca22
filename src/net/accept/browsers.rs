//! Where browsers come from. A browser opens connections in reserve, says nothing on them, and uses one for a request when it
//! needs it: then whatever was sent there before stands where the answer should.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A browser closes a connection that it keeps in reserve before this time: nothing is sent on it until then.
const RESERVE_LIMIT: Duration = Duration::from_secs(12);
/// A page that was not used for this time may be forgotten.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// Addresses that are remembered; with more the one that was not seen for longest is forgotten.
const ADDRESSES: usize = 1024;

/// The addresses that browsers came from, for one listener.
#[derive(Debug, Default)]
pub(super) struct Browsers(Mutex<HashMap<IpAddr, Instant>>);

impl Browsers {
    /// A browser came from here.
    pub(super) fn note(&self, address: IpAddr) {
        self.note_at(address, Instant::now());
    }

    /// How long a silent client of this address may be a browser's reserve; zero: it is none.
    pub(super) fn reserve(&self, address: IpAddr) -> Duration {
        self.reserve_at(address, Instant::now())
    }

    fn note_at(&self, address: IpAddr, now: Instant) {
        let (address, mut seen) = (address.to_canonical(), self.lock());
        if seen.len() >= ADDRESSES && !seen.contains_key(&address) {
            let oldest = seen.iter().min_by_key(|(_, at)| **at).map(|(address, _)| *address);
            oldest.and_then(|oldest| seen.remove(&oldest));
        }
        seen.insert(address, now);
    }

    fn reserve_at(&self, address: IpAddr, now: Instant) -> Duration {
        let seen = self.lock().get(&address.to_canonical()).copied();
        let is_remembered = seen.is_some_and(|at| now.saturating_duration_since(at) < REMEMBERED_FOR);
        if is_remembered { RESERVE_LIMIT } else { Duration::ZERO }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn row_110_where_browsers_come_from_is_known_for_an_hour_and_for_a_bounded_number_of_addresses() {
        let (browsers, start) = (Browsers::default(), Instant::now());
        let host = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number));
        let after = |seconds| start + Duration::from_secs(seconds);
        browsers.note_at(host(0), start);
        assert_eq!(browsers.reserve_at(host(0), after(3599)), RESERVE_LIMIT);
        assert_eq!(browsers.reserve_at(host(0), after(3600)), Duration::ZERO);
        assert_eq!(browsers.reserve_at(host(1), start), Duration::ZERO);
        assert_eq!(browsers.reserve_at("::ffff:10.0.0.0".parse().unwrap(), start), RESERVE_LIMIT);
        for number in 1..=ADDRESSES as u32 {
            browsers.note_at(host(number), after(u64::from(number)));
        }
        assert_eq!(browsers.lock().len(), ADDRESSES);
        assert_eq!(browsers.reserve_at(host(0), after(2000)), Duration::ZERO, "the oldest is forgotten");
        assert_eq!(browsers.reserve_at(host(1), after(2000)), RESERVE_LIMIT);
    }
}
