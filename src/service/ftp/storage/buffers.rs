//! A pool of buffers of one group each: fresh memory costs a page fault and zeroing for each 4 KiB, which for many
//! small transfers is more than all else. The content of a reused buffer is overwritten before it is read.

use std::sync::{Mutex, PoisonError};

use super::hashes::tree::GROUP;
use crate::base::Held;
use crate::service::ftp::budgets::BLOCKS;

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

/// Room for one group; `None` if peers hold too much already. The first group of a connection always has room.
pub(crate) fn hold(is_first: bool) -> Option<Held> {
    if is_first { Some(Held::nothing(&BLOCKS)) } else { BLOCKS.take(GROUP as usize) }
}
