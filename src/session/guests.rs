//! Who is connected to a server, and what each is doing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Handle;
use crate::report::Progress;

/// What a client does until it asks for something.
const WAITING: &str = "waiting";

#[derive(Debug)]
struct Row {
    peer: String,
    doing: Cow<'static, str>,
    since: Instant,
    /// Bytes of what it does that came or went, and of all of it.
    progress: Option<Progress>,
}

/// One client as `sessions X` shows it.
#[derive(Debug)]
pub struct GuestState {
    pub peer: String,
    pub doing: String,
    pub time: Duration,
    pub progress: Option<Progress>,
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

    /// At most `most`; and how many there are.
    pub(super) fn show(&self, most: usize) -> (Vec<GuestState>, usize) {
        let rows = self.lock();
        let shown = rows.values().take(most).map(|row| GuestState {
            peer: row.peer.clone(),
            doing: row.doing.clone().into_owned(),
            time: row.since.elapsed(),
            progress: row.progress,
        });
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
        let row = Row { peer: peer.clone(), doing: WAITING.into(), since: Instant::now(), progress: None };
        guests.lock().insert(key, row);
        server.add("clients", 1);
        server.add("served", 1);
        Self { server: server.clone(), key, peer }
    }

    /// From now on it does this; foreign text in it is escaped by the caller.
    pub fn does(&self, what: impl Into<Cow<'static, str>>) {
        if let Some(row) = self.server.session.guests.lock().get_mut(&self.key) {
            (row.doing, row.since, row.progress) = (what.into(), Instant::now(), None);
        }
    }

    /// How far it is with that, in bytes.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(row) = self.server.session.guests.lock().get_mut(&self.key) {
            row.progress = Some(Progress { done, total });
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
