//! Buffers of one group, used again by the next transfer: fresh memory costs a page fault and a clearing for each 4 KiB,
//! which for many small transfers is more than all else. What is in one is overwritten before anybody reads it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::tree::GROUP;

/// Most buffers that wait for their next use: 32 MiB.
const KEPT_LIMIT: usize = 128;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of one group.
pub(super) fn take() -> Vec<u8> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.unwrap_or_else(|| vec![0; GROUP as usize])
}

/// Takes a buffer back; one of another size is let go.
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() < GROUP as usize {
        return;
    }
    buffer.resize(GROUP as usize, 0);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT_LIMIT {
        kept.push(buffer);
    }
}

/// One that holds so many zeros.
pub(super) fn zeros(length: usize) -> Vec<u8> {
    let mut buffer = take();
    buffer.clear();
    buffer.resize(length, 0);
    buffer
}

/// Bytes of unfinished groups that all peers together may make this process hold, beside one group for each connection
/// (FAULTS row 101).
pub(crate) const HELD_LIMIT: usize = 96 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Room for one group that came in part, or that waits for its hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held(usize);

impl Held {
    /// `None`: peers hold too much already. The first group of a connection always has room.
    pub(super) fn one(is_first: bool) -> Option<Self> {
        if is_first {
            return Some(Self(0));
        }
        let group = GROUP as usize;
        let more = |held: usize| held.checked_add(group).filter(|sum| *sum <= HELD_LIMIT);
        HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(group))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}
