//! A server's handle to one of its clients.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{ClientRow, WAITING};
use crate::report::Progress;
use crate::session::Handle;

/// A server's handle to one client, which is listed and counted while this lives. Displays as the client's address.
#[derive(Debug)]
pub struct ClientEntry {
    server: Handle,
    key: u64,
    peer: String,
}

impl ClientEntry {
    /// Adds a client to the list; `peer` is its address as text.
    pub fn new(server: &Handle, peer: String) -> Self {
        let guests = &server.session.guests;
        let key = guests.next.fetch_add(1, Ordering::Relaxed);
        let row =
            ClientRow { peer: peer.clone(), doing: WAITING.into(), since: Instant::now(), progress: None };
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

impl fmt::Display for ClientEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer)
    }
}

impl Drop for ClientEntry {
    fn drop(&mut self) {
        self.server.session.guests.lock().remove(&self.key);
        self.server.add("clients", -1);
    }
}
