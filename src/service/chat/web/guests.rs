//! Those who are in the room by way of HTTP. A member speaks on other connections than the one on which it hears, so it is
//! found by its token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::net::connection::permits::ConnectionPermit;
use crate::service::chat::server::flood::Flood;

/// Those who are in the room by way of HTTP.
#[derive(Default)]
pub(crate) struct Guests {
    /// Each holds a place of the server, so they are bounded.
    by_token: Mutex<HashMap<u64, Arc<Guest>>>,
}

/// A member of the room who hears on one connection and speaks on others.
pub(crate) struct Guest {
    pub(super) token: u64,
    name: Mutex<String>,
    flood: Mutex<Flood>,
    /// Its place among the clients of the server.
    place: Mutex<Option<ConnectionPermit>>,
    /// It has said goodbye.
    pub(super) goodbye: CancellationToken,
    /// Its name, or whose turn it is, may have changed.
    pub(super) changed: Notify,
}

impl Guests {
    /// A member that has joined under this name.
    pub(super) fn add(&self, name: &str, token: u64, flood: Flood, place: ConnectionPermit) -> Arc<Guest> {
        let guest = Arc::new(Guest {
            token,
            name: Mutex::new(name.to_owned()),
            flood: Mutex::new(flood),
            place: Mutex::new(Some(place)),
            goodbye: CancellationToken::new(),
            changed: Notify::new(),
        });
        lock(&self.by_token).insert(token, guest.clone());
        guest
    }

    pub(super) fn find(&self, token: u64) -> Option<Arc<Guest>> {
        lock(&self.by_token).get(&token).cloned()
    }

    pub(super) fn remove(&self, token: u64) {
        lock(&self.by_token).remove(&token);
    }
}

impl Guest {
    /// The name, which may be changed; nothing is waited for while it is held.
    pub(super) fn name(&self) -> MutexGuard<'_, String> {
        lock(&self.name)
    }

    /// False if it says too much at once: then this was not counted.
    pub(super) fn may_go_on(&self, bytes: u64) -> bool {
        lock(&self.flood).admits(Instant::now(), bytes)
    }

    /// True if so much more is much, at once or of late.
    pub(super) fn says_much(&self, bytes: u64) -> bool {
        lock(&self.flood).is_much(Instant::now(), bytes)
    }

    /// How much it may say still.
    pub(super) fn flood(&self) -> Flood {
        lock(&self.flood).clone()
    }

    /// Its place, for itself on another connection.
    pub(super) fn hand_over(&self) -> Option<ConnectionPermit> {
        lock(&self.place).take()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
