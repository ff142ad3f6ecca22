//! Readers without a player: `play` reads the film at playing speed and counts stalls, `count` reads it as it arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::report::Failure;
use crate::service::stream::client::store::Store;

/// Duration of the film that is read in one step.
const SLICE: Duration = Duration::from_millis(100);
/// Buffer of the simulated player, in slices: playing begins, and goes on after a stall, when it is full.
const SLICES_HELD: u32 = 10;

/// How often playing had to wait for data.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    count: AtomicU64,
}

impl Stalls {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Reads a film of `duration` at playing speed; returns its hash.
pub(crate) async fn play(
    store: Arc<Store>,
    duration: Duration,
    stalls: Arc<Stalls>,
) -> Result<blake3::Hash, Failure> {
    let slice = (store.size as f64 * SLICE.as_secs_f64() / duration.as_secs_f64()).ceil().max(1.0) as u64;
    let mut reader = Reader { store, at: 0, hasher: blake3::Hasher::new() };
    // When the next slice must be shown; `None` while the buffer is empty and nothing is shown.
    let mut due = None;
    while reader.at < reader.store.size {
        let Some(shown) = due else {
            reader.take(slice * u64::from(SLICES_HELD)).await?;
            due = Some(Instant::now() + SLICE * SLICES_HELD);
            continue;
        };
        sleep_until(shown - SLICE * SLICES_HELD).await;
        reader.take(slice).await?;
        if Instant::now() > shown {
            stalls.count.fetch_add(1, Ordering::Relaxed);
            due = None;
        } else {
            due = Some(shown + SLICE);
        }
    }
    sleep_until(due.unwrap_or_else(Instant::now)).await;
    Ok(reader.hasher.finalize())
}

/// Reads a film from its beginning, and hashes it.
struct Reader {
    store: Arc<Store>,
    at: u64,
    hasher: blake3::Hasher,
}

impl Reader {
    /// Reads the next `length` bytes, or up to the end.
    async fn take(&mut self, length: u64) -> Result<(), Failure> {
        let end = self.at.saturating_add(length);
        while self.at < end
            && let Some(bytes) = self.store.read(self.at, end - self.at).await?
        {
            self.hasher.update(&bytes);
            self.at += bytes.len() as u64;
        }
        Ok(())
    }
}

/// Reads everything in order, as it arrives; returns its hash.
pub(crate) async fn count(store: Arc<Store>) -> Result<blake3::Hash, Failure> {
    let mut reader = Reader { store, at: 0, hasher: blake3::Hasher::new() };
    reader.take(u64::MAX).await?;
    Ok(reader.hasher.finalize())
}
