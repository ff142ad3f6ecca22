//! The clients connected to a server, and what each is doing.
//!
//! | file | holds |
//! |---|---|
//! | `entry` | a server's handle to one of them |

mod entry;

pub use entry::ClientEntry;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::report::Progress;

/// Activity of an idle client.
const WAITING: &str = "waiting";

#[derive(Debug)]
struct ClientRow {
    peer: String,
    doing: Cow<'static, str>,
    since: Instant,
    /// Bytes transferred in the current activity, and their total.
    progress: Option<Progress>,
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
pub(in crate::session) struct ClientList {
    rows: Mutex<BTreeMap<u64, ClientRow>>,
    next: AtomicU64,
}

impl ClientList {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, ClientRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first `most` clients, and the total number.
    pub(in crate::session) fn show(&self, most: usize) -> (Vec<ClientState>, usize) {
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
