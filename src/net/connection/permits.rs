//! Client limit of a TCP server, in total and per address. In a conversation members are counted, not connections: who
//! only looks is a visitor, and who only listens keeps nobody out. When all places are taken, the client that has been
//! idle for longest makes room (faults.md row 62).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::share;
use crate::net::errors;
use crate::report::Failure;

/// Connections of visitors for each place of a client: a browser opens six, and may keep spare ones.
const VISITS: usize = 8;
/// A conversation for a few has visitors, too.
const VISITORS_LEAST: usize = 64;

/// The places of a server.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPermits {
    clients: Mutex<Places>,
    visitors: Mutex<Places>,
}

/// Who has a place.
#[derive(Debug, Default)]
struct Places {
    /// The number of clients by address, silent ones among them.
    taken: HashMap<IpAddr, usize>,
    /// Clients that give way, the oldest first.
    silent: BTreeMap<u64, (IpAddr, CancellationToken)>,
    next: u64,
}

/// Counts one client towards the limit until it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit(Option<Place>);

#[derive(Debug)]
struct Place {
    permits: Arc<ConnectionPermits>,
    address: IpAddr,
    is_visitor: bool,
    /// Its number among those that give way.
    silent: Option<u64>,
}

/// The place of an idle client, offered to others until this is dropped.
struct Offer<'a> {
    place: &'a mut Place,
    needed: CancellationToken,
}

/// The place of a client that has said nothing yet. It is given to another one that needs it.
#[derive(Debug)]
pub struct SilentPermit {
    permit: ConnectionPermit,
    needed: CancellationToken,
}

/// How a visitor becomes a client.
#[derive(Clone, Debug)]
pub struct Door {
    permits: Arc<ConnectionPermits>,
    address: IpAddr,
    max: usize,
}

impl ConnectionPermit {
    /// For a client that is counted elsewhere.
    pub(crate) const fn elsewhere() -> Self {
        Self(None)
    }

    /// Resolves when another client has got this place, which may happen from `idle_at` on: the caller waits for the
    /// client meanwhile, and drops this when the client does something.
    pub(crate) async fn given_away(&mut self, idle_at: Instant) {
        match &mut self.0 {
            Some(place) if !place.is_visitor => place.given_away(idle_at).await,
            _ => std::future::pending().await,
        }
    }
}

impl Place {
    async fn given_away(&mut self, idle_at: Instant) {
        // Given away in the moment in which the client did something.
        if self.silent.is_some() {
            return;
        }
        tokio::time::sleep_until(idle_at).await;
        Offer::new(self).needed.cancelled().await;
    }
}

impl<'a> Offer<'a> {
    fn new(place: &'a mut Place) -> Self {
        let (key, needed) = lock(&place.permits.clients).give_way(place.address);
        place.silent = Some(key);
        Self { place, needed }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.place.permits.clients);
        if self.place.silent.is_some_and(|key| places.silent.remove(&key).is_some()) {
            drop(places);
            self.place.silent = None;
        }
    }
}

impl ConnectionPermits {
    /// Takes one of `max` places for a client; an error if all are taken, or too many by this address. Silent ones give
    /// way.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Result<ConnectionPermit, Failure> {
        let address = address.to_canonical();
        let mut places = lock(&self.clients);
        while let Some((failure, of)) = places.objection(address, max) {
            if !places.dismiss_silent(of) {
                return Err(failure);
            }
        }
        places.add(address);
        Ok(self.permit(address, false, None))
    }

    /// Takes a place for a client that has said nothing yet.
    fn take_silent(self: &Arc<Self>, address: IpAddr, max: usize) -> Result<SilentPermit, Failure> {
        let address = address.to_canonical();
        let mut places = lock(&self.clients);
        if let Some((failure, _)) = places.objection(address, max) {
            return Err(failure);
        }
        places.add(address);
        let (key, needed) = places.give_way(address);
        Ok(SilentPermit { permit: self.permit(address, false, Some(key)), needed })
    }

    /// Counts a visitor of a conversation for `max`.
    pub(crate) fn visit(self: &Arc<Self>, address: IpAddr, max: usize) -> Result<ConnectionPermit, Failure> {
        let (address, most) = (address.to_canonical(), max.saturating_mul(VISITS).max(VISITORS_LEAST));
        let mut places = lock(&self.visitors);
        if let Some((failure, _)) = places.objection(address, most) {
            return Err(failure);
        }
        places.add(address);
        Ok(self.permit(address, true, None))
    }

    /// The way from a visitor of this address to a client.
    pub(crate) fn door(self: &Arc<Self>, address: IpAddr, max: usize) -> Door {
        Door { permits: self.clone(), address, max }
    }

    fn permit(self: &Arc<Self>, address: IpAddr, is_visitor: bool, silent: Option<u64>) -> ConnectionPermit {
        ConnectionPermit(Some(Place { permits: self.clone(), address, is_visitor, silent }))
    }
}

impl Places {
    /// Why there is no place for this address, and whose would help: `None`, anybody's.
    fn objection(&self, address: IpAddr, max: usize) -> Option<(Failure, Option<IpAddr>)> {
        if self.taken.values().sum::<usize>() >= max {
            return Some((errors::server_full(max), None));
        }
        let most = share(max, address);
        let is_greedy = self.taken.get(&address).is_some_and(|own| *own >= most);
        is_greedy.then(|| (errors::too_many_from_one_address(most, max), Some(address)))
    }

    fn add(&mut self, address: IpAddr) {
        *self.taken.entry(address).or_default() += 1;
    }

    fn free(&mut self, address: IpAddr) {
        if let Some(own) = self.taken.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                self.taken.remove(&address);
            }
        }
    }

    /// A client of this address gives way from now on: its number, and what tells that its place is needed.
    fn give_way(&mut self, address: IpAddr) -> (u64, CancellationToken) {
        let (needed, key) = (CancellationToken::new(), self.next);
        self.next += 1;
        self.silent.insert(key, (address, needed.clone()));
        (key, needed)
    }

    /// Takes the place of the oldest silent client, of this address if one is given; false if there is none.
    fn dismiss_silent(&mut self, of: Option<IpAddr>) -> bool {
        let mut silent = self.silent.iter();
        let oldest = silent.find(|(_, (address, _))| of.is_none_or(|of| of == *address)).map(|(key, _)| *key);
        let Some((address, needed)) = oldest.and_then(|key| self.silent.remove(&key)) else { return false };
        needed.cancel();
        self.free(address);
        true
    }
}

impl SilentPermit {
    /// Resolves when another client has been given the place.
    pub async fn is_given_away(&self) {
        self.needed.cancelled().await;
    }

    /// The client has said something: nobody is given its place any more. `None` if somebody has been.
    pub fn keep(mut self) -> Option<ConnectionPermit> {
        let place = self.permit.0.as_mut()?;
        let key = place.silent.take()?;
        if lock(&place.permits.clients).silent.remove(&key).is_some() {
            return Some(self.permit);
        }
        // It is counted no more.
        self.permit.0 = None;
        None
    }
}

impl Door {
    /// Takes a place among the clients, as every client does.
    ///
    /// # Errors
    /// All are taken, or too many by this address.
    pub fn enter(&self) -> Result<ConnectionPermit, Failure> {
        self.permits.take(self.address, self.max)
    }

    /// Takes a place until another client needs it.
    ///
    /// # Errors
    /// As for [`Self::enter`].
    pub fn listen(&self) -> Result<SilentPermit, Failure> {
        self.permits.take_silent(self.address, self.max)
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(Place { permits, address, is_visitor, silent }) = self.0.take() else { return };
        let mut places = lock(if is_visitor { &permits.visitors } else { &permits.clients });
        // A place that was given away is counted for its new client.
        if silent.is_none_or(|key| places.silent.remove(&key).is_some()) {
            places.free(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert!(places.clients.lock().unwrap().taken.is_empty());
    }

    #[test]
    fn who_listens_in_silence_keeps_nobody_out_and_nobody_is_counted_twice() {
        let places = Arc::<ConnectionPermits>::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (oldest, newer) = (places.take_silent(one, 2).unwrap(), places.take_silent(one, 2).unwrap());
        assert!(places.take_silent(other, 2).is_err(), "silence does not push silence out");
        let speaker = places.take(other, 2).unwrap();
        assert!(oldest.needed.is_cancelled() && !newer.needed.is_cancelled());
        assert!(oldest.keep().is_none());
        let kept = newer.keep().unwrap();
        assert!(places.take(other, 2).is_err(), "both speak");
        drop((speaker, kept));
        let again = (places.take(one, 2).unwrap(), places.take_silent(one, 2).unwrap());
        drop(again);
        assert!(lock(&places.clients).taken.is_empty() && lock(&places.clients).silent.is_empty());
    }

    /// Until so many places are offered.
    async fn offered(places: &ConnectionPermits, count: usize) {
        while lock(&places.clients).silent.len() < count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn row_62_the_client_that_is_idle_for_longest_makes_room() {
        let places = Arc::<ConnectionPermits>::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (mut first, mut second) = (places.take(one, 2).unwrap(), places.take(other, 2).unwrap());
        let now = Instant::now();
        tokio::select! {
            () = first.given_away(now + Duration::from_hours(1)) => panic!("nobody needed it"),
            () = tokio::task::yield_now() => {}
        }
        assert!(places.take(one, 2).is_err(), "nobody has been idle for long enough");
        let mut longest = Box::pin(first.given_away(now));
        tokio::select! {
            () = &mut longest => panic!("nobody needed it"),
            () = offered(&places, 1) => {}
        }
        let mut newer = Box::pin(second.given_away(now));
        tokio::select! {
            () = &mut newer => panic!("nobody needed it"),
            () = offered(&places, 2) => {}
        }
        let third = places.take(one, 2).unwrap();
        longest.await;
        // It does something: nobody gets its place.
        drop(newer);
        assert!(places.take(one, 2).is_err());
        first.given_away(now).await;
        drop((first, second, third));
        assert!(lock(&places.clients).taken.is_empty() && lock(&places.clients).silent.is_empty());
    }

    #[test]
    fn visitors_are_no_clients() {
        let places = Arc::<ConnectionPermits>::default();
        let phone = "192.0.2.1".parse().unwrap();
        let visits: Vec<ConnectionPermit> = (0..56).map(|_| places.visit(phone, 1).unwrap()).collect();
        assert!(places.visit(phone, 1).is_err(), "one address does not take all of them either");
        let member = places.door(phone, 1).enter().unwrap();
        assert!(places.door(phone, 1).enter().is_err());
        drop((visits, member));
        assert!(lock(&places.visitors).taken.is_empty() && places.door(phone, 1).listen().is_ok());
    }
}
