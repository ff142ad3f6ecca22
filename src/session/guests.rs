//! Who is connected to a server, and what each is doing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Handle;

/// What a client does until it asks for something.
const WAITING: &str = "waiting";

#[derive(Debug)]
struct Row {
    peer: String,
    doing: Cow<'static, str>,
    since: Instant,
}

/// The clients of one server, oldest first.
#[derive(Debug, Default)]
pub(super) struct Guests {
    rows: Mutex<BTreeMap<u64, Row>>,
    next: AtomicU64,
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Address, what it does, and for how long, of at most `most`; and how many there are.
    pub(super) fn show(&self, most: usize) -> (Vec<(String, String, Duration)>, usize) {
        let rows = self.lock();
        let shown = rows
            .values()
            .take(most)
            .map(|row| (row.peer.clone(), row.doing.clone().into_owned(), row.since.elapsed()));
        (shown.collect(), rows.len())
    }
}

/// One client as its service sees it: counted among the clients as long as this lives. Shows as its address.
#[derive(Debug)]
pub struct Guest {
    server: Handle,
    key: u64,
    peer: String,
}

impl Guest {
    pub fn new(server: &Handle, peer: String) -> Self {
        let guests = &server.session.guests;
        let key = guests.next.fetch_add(1, Ordering::Relaxed);
        let row = Row { peer: peer.clone(), doing: WAITING.into(), since: Instant::now() };
        guests.lock().insert(key, row);
        server.add("clients", 1);
        server.add("served", 1);
        Self { server: server.clone(), key, peer }
    }

    /// From now on it does this; foreign text in it is escaped by the caller.
    pub fn does(&self, what: impl Into<Cow<'static, str>>) {
        if let Some(row) = self.server.session.guests.lock().get_mut(&self.key) {
            (row.doing, row.since) = (what.into(), Instant::now());
        }
    }

    /// It did what it asked for.
    pub fn waits(&self) {
        self.does(WAITING);
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.server.session.guests.lock().remove(&self.key);
        self.server.add("clients", -1);
    }
}
