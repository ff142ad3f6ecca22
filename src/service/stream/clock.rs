//! Readers without a player: one plays by the clock and counts how often it had to wait, one only takes what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::store::Store;
use crate::report::Failure;

/// Played at once.
const SLICE: Duration = Duration::from_millis(100);
/// Playing begins, and goes on after a stall, when so much is there.
const BUFFER: Duration = Duration::from_secs(1);
/// What comes later than this is a stall; a screen would show it.
const PATIENCE: Duration = Duration::from_millis(50);

/// What playing was like.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    count: AtomicU64,
}

impl Stalls {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Reads a film of `duration` as it would be played.
pub(super) async fn play(store: Arc<Store>, duration: Duration, stalls: Arc<Stalls>) -> Result<(), Failure> {
    let slice = (store.size as f64 * SLICE.as_secs_f64() / duration.as_secs_f64()).ceil().max(1.0) as u64;
    let buffer = (BUFFER.as_millis() / SLICE.as_millis()) as u64;
    let (mut at, mut due) = (0, None);
    while at < store.size {
        // Before the first picture, and after a stall: some slices first.
        let slices = if due.is_none() { buffer } else { 1 };
        let end = at.saturating_add(slice * slices).min(store.size);
        at = take(&store, at, end).await?;
        let now = Instant::now();
        let next = due.unwrap_or(now) + SLICE * slices as u32;
        if due.is_some_and(|due| now > due + PATIENCE) {
            stalls.count.fetch_add(1, Ordering::Relaxed);
            due = None;
        } else {
            sleep_until(next - SLICE).await;
            due = Some(next);
        }
    }
    Ok(())
}

/// Reads up to `end`.
async fn take(store: &Store, mut at: u64, end: u64) -> Result<u64, Failure> {
    while at < end
        && let Some(bytes) = store.read(at, end - at).await?
    {
        at += bytes.len() as u64;
    }
    Ok(at)
}

/// Reads everything in order, as it comes; its hash.
pub(super) async fn count(store: Arc<Store>) -> Result<blake3::Hash, Failure> {
    let (mut at, mut hasher) = (0, blake3::Hasher::new());
    while let Some(bytes) = store.read(at, u64::MAX).await? {
        hasher.update(&bytes);
        at += bytes.len() as u64;
    }
    Ok(hasher.finalize())
}
