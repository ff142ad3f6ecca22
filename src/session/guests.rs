//! The clients connected to a server, and what each is doing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Handle;
use crate::report::Progress;

/// Activity of an idle client.
const WAITING: &str = "waiting";

#[derive(Debug)]
struct Row {
    peer: String,
    doing: Cow<'static, str>,
    since: Instant,
    /// Bytes transferred in the current activity, and their total.
    progress: Option<Progress>,
}

/// One client, as shown by `sessions X`.
#[derive(Debug)]
pub struct GuestState {
    /// Its address.
    pub peer: String,
    /// Its current activity.
    pub doing: String,
    /// Since the current activity began.
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

    /// The first `most` clients, and the total number.
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

/// A server's handle to one client, which is listed and counted while this lives. Displays as the client's address.
#[derive(Debug)]
pub struct Guest {
    server: Handle,
    key: u64,
    peer: String,
}

impl Guest {
    /// Adds a client to the list; `peer` is its address as text.
    pub fn new(server: &Handle, peer: String) -> Self {
        let guests = &server.session.guests;
        let key = guests.next.fetch_add(1, Ordering::Relaxed);
        let row = Row { peer: peer.clone(), doing: WAITING.into(), since: Instant::now(), progress: None };
        guests.lock().insert(key, row);
        server.add("clients", 1);
        server.add("served", 1);
        Self { server: server.clone(), key, peer }
    }

    /// Sets the current activity; the caller must escape text from the peer.
    pub fn does(&self, what: impl Into<Cow<'static, str>>) {
        if let Some(row) = self.server.session.guests.lock().get_mut(&self.key) {
            (row.doing, row.since, row.progress) = (what.into(), Instant::now(), None);
        }
    }

    /// Sets the progress of the current activity, in bytes.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(row) = self.server.session.guests.lock().get_mut(&self.key) {
            row.progress = Some(Progress { done, total });
        }
    }

    /// The activity is over: the client is idle.
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
