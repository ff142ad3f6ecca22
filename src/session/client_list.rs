//! The clients connected to a server, and what each is doing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::report::Progress;

/// Activity of an idle client.
pub(super) const WAITING: &str = "waiting";

#[derive(Debug)]
pub(super) struct ClientRow {
    pub(super) peer: String,
    pub(super) doing: Cow<'static, str>,
    pub(super) since: Instant,
    /// Bytes transferred in the current activity, and their total.
    pub(super) progress: Option<Progress>,
}

/// One client, as shown by `sessions X`.
#[derive(Debug)]
pub struct ClientState {
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
pub(super) struct ClientList {
    rows: Mutex<BTreeMap<u64, ClientRow>>,
    pub(super) next: AtomicU64,
}

impl ClientList {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, ClientRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first `most` clients, and the total number.
    pub(super) fn show(&self, most: usize) -> (Vec<ClientState>, usize) {
        let rows = self.lock();
        let shown = rows.values().take(most).map(|row| ClientState {
            peer: row.peer.clone(),
            doing: row.doing.clone().into_owned(),
            time: row.since.elapsed(),
            progress: row.progress,
        });
        (shown.collect(), rows.len())
    }
}
