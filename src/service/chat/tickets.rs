//! What a client needs to take its place again when its connection broke (FAULTS row 84).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places of this shell in rooms that it did not leave, by server and the name that was asked for.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<HashMap<(String, String), (String, u64)>>);

/// Places that are remembered.
const LIMIT: usize = 256;

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), (String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name that was given there, and the token; from now on somebody has it.
    pub(super) fn take(&self, place: &(String, String)) -> Option<(String, u64)> {
        self.lock().remove(place)
    }

    /// The connection broke: what is left of it in the room can be replaced.
    pub(super) fn keep(&self, place: (String, String), name: String, token: u64) {
        let mut tickets = self.lock();
        if tickets.len() < LIMIT {
            tickets.insert(place, (name, token));
        }
    }
}
