//! Client limit of a TCP server, in total and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::share;
use crate::net::errors;
use crate::report::Failure;

/// The number of clients by address.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPermits(Mutex<HashMap<IpAddr, usize>>);

/// Counts one client towards the limit until it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit(Option<(Arc<ConnectionPermits>, IpAddr)>);

impl ConnectionPermit {
    /// For a client that is counted elsewhere.
    pub(crate) const fn elsewhere() -> Self {
        Self(None)
    }
}

impl ConnectionPermits {
    /// Takes one of `max` places for a client; an error if all are taken, or too many by this address.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Result<ConnectionPermit, Failure> {
        let address = address.to_canonical();
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = share(max, address);
        if taken.values().sum::<usize>() >= max {
            return Err(errors::server_full(max));
        }
        let own = taken.entry(address).or_default();
        if *own >= most {
            return Err(errors::too_many_from_one_address(most, max));
        }
        *own += 1;
        Ok(ConnectionPermit(Some((self.clone(), address))))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some((places, address)) = self.0.take() else { return };
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_63_one_address_does_not_take_all_places_and_gives_its_own_back() {
        let places = Arc::<ConnectionPermits>::default();
        let (greedy, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut taken: Vec<ConnectionPermit> = (0..14).map(|_| places.take(greedy, 16).unwrap()).collect();
        let refused = places.take(greedy, 16).unwrap_err();
        assert_eq!(refused.why, "busy: 14 of 16 clients are from your address, retry in 5 s");
        taken.extend((0..2).map(|_| places.take(other, 16).unwrap()));
        assert_eq!(places.take(other, 16).unwrap_err().why, "busy: 16 of 16 clients, retry in 5 s");
        drop(taken);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
