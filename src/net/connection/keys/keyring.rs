//! The keys of a server, the code that lets one more client in, and how often it may be tried which of them is right.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{CodeOffer, FIRST, Responder};
use crate::base::{Code, Key};
use crate::wire::preface::{self, CODE_MESSAGE};

/// A client that has no key of the server is told so after this time. Keys cannot be guessed; this keeps the log short.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// Clients that wait to be told; any more are dropped without a word.
const REFUSAL_LIMIT: usize = 32;
/// What the key of a client is called that had a code; those of further ones have a number behind it.
const CODE_NAME: &str = "code";

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
    ring: Arc<RwLock<Ring>>,
    refused: Arc<AtomicUsize>,
    code: watch::Sender<CodeState>,
    /// Ends all connections.
    end: CancellationToken,
}

/// What lets clients in.
#[derive(Debug, Default)]
struct Ring {
    known: Vec<Known>,
    code: Option<CodeOffer>,
}

/// How far the code of a port has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CodeState {
    /// There is none, or it has ended.
    #[default]
    None,
    /// One client can use it.
    Offered,
    /// It was tried so often that nobody can begin any more; the last one may still be right.
    Worn,
    /// A client had it, whose key is called so now.
    Used(Arc<str>),
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

impl Ring {
    /// What the key of the next client with a code is called.
    fn free_name(&self) -> Arc<str> {
        let is_free = |name: &String| !self.known.iter().any(|known| *known.key.name == **name);
        let numbered = (2..).map(|n: u32| format!("{CODE_NAME}{n}"));
        let name = std::iter::once(CODE_NAME.to_owned()).chain(numbered).find(is_free);
        name.unwrap_or_default().into()
    }
}

impl Keyring {
    /// `end` is that of the server, and of all connections. Without any key or code the port admits nobody.
    pub fn new(keys: Vec<ClientKey>, end: CancellationToken) -> Self {
        let known = keys.into_iter().map(|key| Known { key, revoked: end.child_token() }).collect();
        let ring = Arc::new(RwLock::new(Ring { known, code: None }));
        Self { ring, refused: Arc::default(), code: watch::Sender::default(), end }
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the keys are called.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.ring().known.iter().map(|known| known.key.name.clone()).collect()
    }

    /// Admits those who have another key, too.
    ///
    /// # Errors
    /// The key or its name is there already.
    pub fn add(&self, key: ClientKey) -> Result<(), Clash> {
        let keys = &mut self.change().known;
        if let Some(same) = keys.iter().find(|known| known.key.key == key.key) {
            return Err(Clash::Key(same.key.name.clone()));
        }
        if keys.iter().any(|known| known.key.name == key.name) {
            return Err(Clash::Name);
        }
        keys.push(Known { key, revoked: self.end.child_token() });
        Ok(())
    }

    /// Admits those who have this key no more, and ends their connections; false if there is none of this name.
    pub fn revoke(&self, name: &str) -> bool {
        let keys = &mut self.change().known;
        let Some(place) = keys.iter().position(|known| &*known.key.name == name) else { return false };
        keys.remove(place).revoked.cancel();
        true
    }

    /// Admits one client that has this code, in place of any code before it.
    pub fn offer(&self, code: Code) {
        self.change().code = Some(CodeOffer::new(code, Instant::now()));
        self.code.send_replace(CodeState::Offered);
    }

    /// The code admits nobody any more.
    pub fn end_code(&self) {
        self.change().code = None;
        self.code.send_replace(CodeState::None);
    }

    /// How far the code has come.
    pub fn code(&self) -> watch::Receiver<CodeState> {
        self.code.subscribe()
    }

    /// The answer to a client that exchanges the code for a key; `None` if there is none, or no more.
    pub(in crate::net) fn exchange(&self, message: &[u8; CODE_MESSAGE]) -> Option<[u8; CODE_MESSAGE]> {
        let mut ring = self.change();
        let offer = ring.code.as_mut()?;
        let answer = offer.answer(message, Instant::now());
        // A message that comes again does not make it last.
        let is_worn = offer.is_worn();
        self.code.send_if_modified(|state| {
            let wears = is_worn && *state == CodeState::Offered;
            if wears {
                *state = CodeState::Worn;
            }
            wears
        });
        answer
    }

    /// Fires when the key of this name is revoked, or the server ends; it has fired if there is none.
    pub fn end_of(&self, name: &str) -> CancellationToken {
        let ring = self.ring();
        let known = ring.known.iter().find(|known| &*known.key.name == name);
        let gone = || {
            let gone = CancellationToken::new();
            gone.cancel();
            gone
        };
        known.map_or_else(gone, |known| known.revoked.clone())
    }

    /// What `read` makes of the first key that it can read with.
    pub(super) fn find<T>(&self, mut read: impl FnMut(&ClientKey) -> Option<T>) -> Option<T> {
        let ring = self.ring();
        let found = ring.known.iter().map(|known| &known.key).find_map(&mut read);
        if found.is_some() || ring.code.is_none() {
            return found;
        }
        drop(ring);
        self.find_with_code(read)
    }

    /// The same with the keys that were exchanged for the code: the first that fits is that of the one client.
    fn find_with_code<T>(&self, mut read: impl FnMut(&ClientKey) -> Option<T>) -> Option<T> {
        let mut ring = self.change();
        let name = ring.free_name();
        let (key, found) = ring.code.as_ref()?.keys().find_map(|key| {
            let key = ClientKey { name: name.clone(), key: key.clone() };
            read(&key).map(|found| (key, found))
        })?;
        ring.code = None;
        ring.known.push(Known { key, revoked: self.end.child_token() });
        self.code.send_replace(CodeState::Used(name));
        Some(found)
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
