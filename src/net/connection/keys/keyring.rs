//! The keys of a server, and how often a client may try which of them is right.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FIRST, Responder};
use crate::base::Key;
use crate::wire::preface;

/// A client that has no key of the server is told so after this time. Keys cannot be guessed; this keeps the log short.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// Clients that wait to be told; any more are dropped without a word.
const REFUSAL_LIMIT: usize = 32;

/// A key of those who may connect.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// What the log and the list of clients call it.
    pub name: Arc<str>,
    /// The key.
    pub key: Key,
}

/// The keys of those who may connect. Clones share them, and the number of refused clients: what is added or revoked
/// holds from the next client on.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<RwLock<Vec<Known>>>,
    refused: Arc<AtomicUsize>,
    /// Ends all connections.
    end: CancellationToken,
}

/// A key, and the end of all connections with it.
#[derive(Debug)]
struct Known {
    key: ClientKey,
    revoked: CancellationToken,
}

/// Why a key is not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clash {
    /// It is there under this name.
    Key(Arc<str>),
    /// Another key has its name.
    Name,
}

/// Counts one client that waits to be refused while this value lives.
struct Refused(Arc<AtomicUsize>);

impl Drop for Refused {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Keyring {
    /// `None` without a key: then nothing is encrypted. `end` is that of the server, and of all connections.
    pub fn new(keys: Vec<ClientKey>, end: CancellationToken) -> Option<Self> {
        let known: Vec<Known> =
            keys.into_iter().map(|key| Known { key, revoked: end.child_token() }).collect();
        (!known.is_empty()).then(|| Self { keys: Arc::new(RwLock::new(known)), refused: Arc::default(), end })
    }

    fn known(&self) -> RwLockReadGuard<'_, Vec<Known>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the keys are called.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.known().iter().map(|known| known.key.name.clone()).collect()
    }

    /// Admits those who have another key, too.
    ///
    /// # Errors
    /// The key or its name is there already.
    pub fn add(&self, key: ClientKey) -> Result<(), Clash> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = keys.iter().find(|known| known.key.key == key.key) {
            return Err(Clash::Key(same.key.name.clone()));
        }
        if keys.iter().any(|known| known.key.name == key.name) {
            return Err(Clash::Name);
        }
        keys.push(Known { key, revoked: self.end.child_token() });
        Ok(())
    }

    /// Admits those who have this key no more, and ends their connections; false if there is none of this name. Without
    /// any key the port admits nobody.
    pub fn revoke(&self, name: &str) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = keys.iter().position(|known| &*known.key.name == name) else { return false };
        keys.remove(place).revoked.cancel();
        true
    }

    /// Fires when the key of this name is revoked, or the server ends; it has fired if there is none.
    pub fn end_of(&self, name: &str) -> CancellationToken {
        let known =
            self.known().iter().find(|known| &*known.key.name == name).map(|known| known.revoked.clone());
        known.unwrap_or_else(|| {
            let gone = CancellationToken::new();
            gone.cancel();
            gone
        })
    }

    /// What `read` makes of the first key that it can read with.
    pub(super) fn find<T>(&self, read: impl FnMut(&ClientKey) -> Option<T>) -> Option<T> {
        self.known().iter().map(|known| &known.key).find_map(read)
    }

    /// The name of the key that `first` was made with, and the handshake; `None` if it was made with another.
    pub(in crate::net) fn open(
        &self,
        client: [u8; preface::SIZE],
        first: &[u8; FIRST],
    ) -> Option<(Arc<str>, Responder)> {
        self.find(|known| Some((known.name.clone(), Responder::read(&known.key, client, first)?)))
    }

    /// Waits until a client may be told that it has no key; false if too many wait already.
    pub(in crate::net) async fn slow_down(&self) -> bool {
        let waiting = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let _refused = Refused(self.refused.clone());
        if waiting > REFUSAL_LIMIT {
            return false;
        }
        tokio::time::sleep(REFUSAL_DELAY).await;
        true
    }
}
