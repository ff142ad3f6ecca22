//! Tokens with which a client resumes its place in a room after its connection broke (faults.md row 84).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tokens of this shell for rooms that it did not leave: (server, requested name) → (assigned name, token).
#[derive(Debug, Default)]
pub struct Tickets(Mutex<HashMap<(String, String), (String, u64)>>);

/// Maximum number of tokens kept.
const LIMIT: usize = 256;

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), (String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the assigned name and the token, so that only one conversation uses them.
    pub(super) fn take(&self, place: &(String, String)) -> Option<(String, u64)> {
        self.lock().remove(place)
    }

    /// Stores a token after the connection broke: the next one can then replace the stale member in the room.
    pub(super) fn keep(&self, place: (String, String), name: String, token: u64) {
        let mut tickets = self.lock();
        if tickets.len() < LIMIT {
            tickets.insert(place, (name, token));
        }
    }
}
