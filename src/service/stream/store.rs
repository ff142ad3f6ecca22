//! What has arrived of a file: bytes at their places, and who waits for which.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::base::RangeSet;
use crate::report::Failure;
use crate::wire::Code;

/// Given to a player at once.
const READ: u64 = 64 << 10;
/// Ranges that may be there with gaps between: jumps and lost datagrams make a few.
const GAP_LIMIT: usize = 16 << 10;
/// A place that is missing by more than this is asked for; nearer, it is about to come.
const NEAR: u64 = 256 << 10;

/// Shared by who writes (the network) and who reads (the player's address).
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    pub(super) size: u64,
    arrived: Mutex<Arrived>,
    changed: watch::Sender<u64>,
    wants: mpsc::Sender<u64>,
}

#[derive(Debug, Default)]
struct Arrived {
    ranges: RangeSet,
    /// Where the server was asked to go on.
    asked: u64,
}

impl Store {
    /// `wants` gets the offsets that readers miss.
    pub(super) fn new(file: File, size: u64, wants: mpsc::Sender<u64>) -> Arc<Self> {
        Arc::new(Self { file, size, arrived: Mutex::default(), changed: watch::Sender::new(0), wants })
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a chunk at its place. Blocks, but only on the page cache.
    pub(super) fn put(&self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= self.size);
        let end = end.ok_or_else(|| {
            Failure::new(
                Code::Integrity,
                format!("the server sent more than it declared, at offset {offset}"),
            )
        })?;
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| Failure::io(&error, format!("writing at offset {offset}")))?;
        let mut arrived = self.lock();
        arrived.ranges.insert_range(offset..end);
        if arrived.ranges.pieces() > GAP_LIMIT {
            return Err(Failure::new(Code::Misbehaved, "the server leaves too many gaps"));
        }
        drop(arrived);
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        Ok(())
    }

    pub(super) fn covered(&self) -> u64 {
        self.lock().ranges.covered()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.covered() == self.size
    }

    /// Bytes from `offset` on, at least one, as soon as they are there; `None` at the end.
    pub(super) async fn read(&self, offset: u64, most: u64) -> Result<Option<Bytes>, Failure> {
        if offset >= self.size || most == 0 {
            return Ok(None);
        }
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(end) = self.available(offset) {
                let mut bytes = vec![0; (end - offset).min(most).min(READ) as usize];
                self.file
                    .read_exact_at(&mut bytes, offset)
                    .map_err(|error| Failure::io(&error, "reading"))?;
                return Ok(Some(bytes.into()));
            }
            if changes.changed().await.is_err() {
                return Err(Failure::new(Code::Broken, "the stream ended"));
            }
        }
    }

    /// How far one can read from here; what is missing is asked for.
    fn available(&self, offset: u64) -> Option<u64> {
        let mut arrived = self.lock();
        if let Some(end) = arrived.ranges.end_of(offset) {
            return Some(end);
        }
        let frontier = arrived.ranges.first_gap(arrived.asked);
        if (offset < arrived.asked || offset > frontier.saturating_add(NEAR))
            && self.wants.try_send(offset).is_ok()
        {
            arrived.asked = offset;
        }
        None
    }

    /// Blocks: reads everything again.
    pub(super) fn hash(&self) -> Result<blake3::Hash, Failure> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        let mut at = 0;
        while at < self.size {
            let length = (self.size - at).min(buffer.len() as u64) as usize;
            self.file
                .read_exact_at(&mut buffer[..length], at)
                .map_err(|error| Failure::io(&error, "reading"))?;
            hasher.update(&buffer[..length]);
            at += length as u64;
        }
        Ok(hasher.finalize())
    }
}
