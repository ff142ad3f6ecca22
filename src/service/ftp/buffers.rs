//! Buffers of one group, used again by the next transfer: fresh memory costs a page fault and a clearing for each 4 KiB,
//! which for many small transfers is more than all else. What is in one is overwritten before anybody reads it.

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
