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
/// Most keys of one server: it tries them one after the other on the first message of a client.
pub const KEYS_LIMIT: usize = 16;
/// What the key of a client is called that had a code; those of further ones have a number behind it.
pub const CODE_NAME: &str = "code";

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
    /// Codes so far.
    offers: u64,
}

/// How far the code of a port has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CodeState {
    /// There is none, or it has ended.
    #[default]
    None,
    /// One client can use it. The codes of a port are numbered.
    Offered(u64),
    /// It was tried so often that nobody can begin any more; the last one may still be right.
    Worn(u64),
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
    /// There are as many as a port can have, the client with the code among them.
    Full,
}

/// Counts one client that waits to be refused while this value lives.
struct Refused(Arc<AtomicUsize>);

impl Drop for Refused {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ring {
    /// What `read` makes of the first key that it can read with.
    fn find<T>(&self, read: impl FnMut(&ClientKey) -> Option<T>) -> Option<T> {
        self.known.iter().map(|known| &known.key).find_map(read)
    }

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
        let ring = Arc::new(RwLock::new(Ring { known, ..Ring::default() }));
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
    /// The key or its name is there already, or there are too many.
    pub fn add(&self, key: ClientKey) -> Result<(), Clash> {
        let mut ring = self.change();
        if ring.known.len() + usize::from(ring.code.is_some()) >= KEYS_LIMIT {
            return Err(Clash::Full);
        }
        let keys = &mut ring.known;
        if let Some(same) = keys.iter().find(|known| known.key.key == key.key) {
            return Err(Clash::Key(same.key.name.clone()));
        }
        if keys.iter().any(|known| known.key.name == key.name) {
            return Err(Clash::Name);
        }
        keys.push(Known { key, revoked: self.end.child_token() });
        Ok(())
    }

    /// Admits those who have this key no more, and ends their connections; false if there is none of this name. With the
    /// name of clients with a code, a code that was not used yet ends, too.
    pub fn revoke(&self, name: &str) -> bool {
        let mut ring = self.change();
        let withdrawn = name == CODE_NAME && ring.code.take().is_some();
        if withdrawn {
            self.code.send_replace(CodeState::None);
        }
        let Some(place) = ring.known.iter().position(|known| &*known.key.name == name) else {
            return withdrawn;
        };
        ring.known.remove(place).revoked.cancel();
        true
    }

    /// Admits one client that has this code, in place of any code before it; true if there was one.
    ///
    /// # Errors
    /// There are too many keys.
    pub fn offer(&self, code: Code) -> Result<bool, Clash> {
        let mut ring = self.change();
        if ring.known.len() >= KEYS_LIMIT {
            return Err(Clash::Full);
        }
        let before = ring.code.replace(CodeOffer::new(code, Instant::now()));
        ring.offers += 1;
        self.code.send_replace(CodeState::Offered(ring.offers));
        Ok(before.is_some())
    }

    /// The code with this number admits nobody any more; false if it has ended already.
    pub fn end_code(&self, number: u64) -> bool {
        let mut ring = self.change();
        let is_there = ring.offers == number && ring.code.take().is_some();
        if is_there {
            self.code.send_replace(CodeState::None);
        }
        is_there
    }

    /// Tells `show` the words that one more client can begin with, empty without; they do not change meanwhile.
    pub fn show_code(&self, show: impl FnOnce(&str)) {
        let ring = self.ring();
        show(ring.code.as_ref().filter(|code| !code.is_worn()).map_or("", CodeOffer::words));
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
        let worn = offer.is_worn().then_some(CodeState::Worn(ring.offers));
        self.code.send_if_modified(|state| {
            worn.is_some_and(|worn| std::mem::replace(state, worn.clone()) != worn)
        });
        answer
    }

    /// Fires when the key of a client is revoked, or the server ends; it has fired if that was before. `name`: as it was
    /// given with that client, since another key may be called the same by now.
    pub fn end_of(&self, name: &Arc<str>) -> CancellationToken {
        let ring = self.ring();
        let known = ring.known.iter().find(|known| Arc::ptr_eq(&known.key.name, name));
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
        let found = ring.find(&mut read);
        if found.is_some() || ring.code.is_none() {
            return found;
        }
        drop(ring);
        self.find_with_code(read)
    }

    /// The same with the keys that were exchanged for the code: the first that fits is that of the one client.
    fn find_with_code<T>(&self, mut read: impl FnMut(&ClientKey) -> Option<T>) -> Option<T> {
        let mut ring = self.change();
        // Another connection of the same client may have been first.
        if let Some(found) = ring.find(&mut read) {
            return Some(found);
        }
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
