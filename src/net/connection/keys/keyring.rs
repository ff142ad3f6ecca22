//! The keys of a server, and how often a client may try which of them is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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

/// The keys of those who may connect; never none. Clones share the number of refused clients.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<[ClientKey]>,
    refused: Arc<AtomicUsize>,
}

/// Counts one client that waits to be refused while this value lives.
struct Refused(Arc<AtomicUsize>);

impl Drop for Refused {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Keyring {
    /// `None` without a key: then nothing is encrypted.
    pub fn new(keys: Vec<ClientKey>) -> Option<Self> {
        (!keys.is_empty()).then(|| Self { keys: keys.into(), refused: Arc::default() })
    }

    /// What the keys are called.
    pub fn names(&self) -> Vec<&str> {
        self.keys.iter().map(|known| &*known.name).collect()
    }

    #[cfg(feature = "keys")]
    pub(super) fn keys(&self) -> &[ClientKey] {
        &self.keys
    }

    /// The name of the key that `first` was made with, and the handshake; `None` if it was made with another.
    pub(in crate::net) fn open(
        &self,
        client: [u8; preface::SIZE],
        first: &[u8; FIRST],
    ) -> Option<(Arc<str>, Responder)> {
        let mut tried = self.keys.iter().map(|known| (known, Responder::read(&known.key, client, first)));
        tried.find_map(|(known, responder)| Some((known.name.clone(), responder?)))
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
