//! A pool of buffers of one group each: fresh memory costs a page fault and zeroing for each 4 KiB, which for many
//! small transfers is more than all else. The content of a reused buffer is overwritten before it is read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::hash_tree::GROUP;

/// Most buffers that are kept for reuse: 32 MiB.
const KEPT_LIMIT: usize = 128;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of one group.
pub(crate) fn take() -> Vec<u8> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.unwrap_or_else(|| vec![0; GROUP as usize])
}

/// Returns a buffer to the pool; a smaller one is freed.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() < GROUP as usize {
        return;
    }
    buffer.resize(GROUP as usize, 0);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT_LIMIT {
        kept.push(buffer);
    }
}

/// A buffer of `length` zeros.
pub(crate) fn zeros(length: usize) -> Vec<u8> {
    let mut buffer = take();
    buffer.clear();
    buffer.resize(length, 0);
    buffer
}

/// Most bytes of incomplete groups that all peers together may make this process hold, besides one group for each
/// connection (faults.md row 101).
pub(crate) const HELD_LIMIT: usize = 96 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// A share of [`HELD_LIMIT`] for one group that is incomplete, or that waits for its hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held(usize);

impl Held {
    /// `None` if peers hold too much already. The first group of a connection always has room.
    pub(crate) fn one(is_first: bool) -> Option<Self> {
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
