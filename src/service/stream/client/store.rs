//! The received data of a file: bytes at their offsets, and readers that wait for more.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::digest::Digest;
use super::plan::{Plan, TooManyGaps};
use crate::net::errors::malformed;
use crate::report::Failure;
use crate::service::contract::errors::more_than_declared;
use crate::service::stream::container::on_disk::OnDisk;
use crate::service::stream::container::{filler, patch};
use crate::service::stream::errors;
use crate::service::stream::parity::Decoder;
use crate::service::stream::protocol::{Message, PARITY_PLACE, Parity};

/// Maximum bytes given to a player at once.
const READ: u64 = 64 << 10;
/// Live: maximum bytes of filler written for one part that is left out.
const FILL_LIMIT: u64 = 16 << 20;
/// Live: how long a reader waits for a gap to be filled: several round trips of most paths.
const LATE: Duration = Duration::from_millis(500);
/// Live: the same at the beginning and after a jump, where nothing is played yet.
const LATE_AT_FIRST: Duration = Duration::from_secs(2);

/// Shared by the writer (the network) and the readers (the player's HTTP connections).
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    pub(crate) size: u64,
    live: bool,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    asks: Notify,
    counts: StoreCounts,
    digest: Mutex<Digest>,
}

#[derive(Debug)]
struct Inner {
    plan: Plan,
    parity: Decoder,
    /// Number of the last jump, and when it was.
    jump: (u64, Instant),
}

impl Inner {
    /// Live: until when to wait for what is missing now.
    fn late_at(&mut self) -> Instant {
        if self.jump.0 != self.plan.jumps() {
            self.jump = (self.plan.jumps(), Instant::now());
        }
        (Instant::now() + LATE).max(self.jump.1 + LATE_AT_FIRST)
    }
}

/// Counters for the result.
#[derive(Debug, Default)]
struct StoreCounts {
    rebuilt: AtomicU64,
    late: AtomicU64,
}

impl Store {
    pub(crate) fn new(file: File, size: u64, plan: Plan, live: bool) -> Arc<Self> {
        let asks = Notify::new();
        asks.notify_one();
        if live {
            // What is left out may lie after all that has come. If the file cannot be extended, reading reports it.
            file.set_len(size).ok();
        }
        let inner = Mutex::new(Inner { plan, parity: Decoder::default(), jump: (0, Instant::now()) });
        Arc::new(Self {
            file,
            size,
            live,
            inner,
            changed: watch::Sender::new(0),
            asks,
            counts: StoreCounts::default(),
            digest: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a block: a chunk, or parity. Blocks, but only on the page cache.
    pub(crate) fn put(&self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        if offset >= PARITY_PLACE {
            self.lock().parity.add(Parity::decode(bytes).map_err(malformed)?);
        } else {
            self.put_chunk(offset, bytes)?;
        }
        while let Some((offset, bytes)) = self.rebuild()? {
            self.counts.rebuilt.fetch_add(1, Ordering::Relaxed);
            self.put_chunk(offset, &bytes)?;
        }
        Ok(())
    }

    fn put_chunk(&self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= self.size);
        let end = end.ok_or_else(|| more_than_declared("the server", offset))?;
        let (is_late, missing) = {
            let inner = self.lock();
            (self.live && inner.plan.is_late(&(offset..end)), inner.plan.missing_from(offset))
        };
        if is_late {
            self.counts.late.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // Bytes that are here already may be hashed: they are not overwritten.
        let start = missing.min(end);
        self.file
            .write_all_at(&bytes[(start - offset) as usize..], start)
            .map_err(|error| Failure::io(&error, format!("writing at offset {start}")))?;
        let given_up = self.lock().plan.put(offset..end).map_err(too_many)?;
        self.tell(&given_up);
        Ok(())
    }

    /// Wakes the readers. Frees the discarded ranges, and lets the server be told of them.
    fn tell(&self, given_up: &[Range<u64>]) {
        given_up.iter().for_each(|range| self.give_back(range));
        if !given_up.is_empty() {
            self.asks.notify_one();
        }
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Live: the server has skipped this range.
    pub(crate) fn leave_out(&self, range: &Range<u64>) -> Result<(), Failure> {
        if !self.live || range.start > range.end || range.end > self.size {
            return Err(errors::skipped_needlessly());
        }
        let (missing, room) = {
            let inner = self.lock();
            (inner.plan.missing_in(range), inner.plan.room())
        };
        let mut left = FILL_LIMIT.min(room / 4);
        missing.iter().try_for_each(|range| self.fill(range, &mut left))?;
        let given_up = self.lock().plan.leave_out(&missing).map_err(too_many)?;
        self.tell(&given_up);
        Ok(())
    }

    /// Live: gives up the gap at `offset`, unless a decoder cannot go on with what is here.
    fn give_up(&self, offset: u64) -> Result<(), Failure> {
        let Some(gap) = self.lock().plan.gap(offset) else { return Ok(()) };
        let patch = patch(&OnDisk(&self.file, self.size), &gap);
        if !self.lock().plan.skip(&gap, patch.end) {
            return Ok(());
        }
        self.give_back(&gap);
        self.fill(&patch, &mut { FILL_LIMIT })
    }

    /// Live: writes filler for a decoder where nothing came; at most `left` bytes of it.
    fn fill(&self, range: &Range<u64>, left: &mut u64) -> Result<(), Failure> {
        // Bytes that came earlier and were discarded may still be there.
        self.give_back(range);
        let (front, unit) = filler(&OnDisk(&self.file, self.size), range);
        let write = |bytes: &[u8], at: u64| {
            self.file
                .write_all_at(bytes, at)
                .map_err(|error| Failure::io(&error, format!("writing at offset {at}")))
        };
        write(&front, range.start)?;
        // There are zeros already.
        if unit == [0] {
            return Ok(());
        }
        let mut at = range.start + front.len() as u64;
        let end = range.end.min(at.saturating_add(*left));
        *left -= end.saturating_sub(at);
        let units = unit.repeat(READ as usize / unit.len());
        while at < end {
            let length = (end - at).min(units.len() as u64);
            write(&units[..length as usize], at)?;
            at += length;
        }
        Ok(())
    }

    /// Frees the disk space of a range, where the file system can do that; elsewhere it is overwritten later.
    fn give_back(&self, range: &Range<u64>) {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&self.file, flags, range.start, range.end - range.start).ok();
        }
    }

    /// The next lost chunk that parity can restore, if any.
    fn rebuild(&self) -> Result<Option<(u64, Bytes)>, Failure> {
        let mut inner = self.lock();
        let Inner { plan, parity, .. } = &mut *inner;
        parity
            .rebuild(
                |range| plan.has(range) && !plan.is_late(range),
                |offset, chunk| self.file.read_exact_at(chunk, offset),
            )
            .map_err(|error| Failure::io(&error, "reading"))
    }

    pub(crate) const fn is_live(&self) -> bool {
        self.live
    }

    pub(crate) fn covered(&self) -> u64 {
        self.lock().plan.covered()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.lock().plan.is_complete()
    }

    /// True if something that was requested is not here yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().plan.is_waiting()
    }

    /// The playhead, and the contiguous bytes that are here from there on.
    pub(crate) fn playhead(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.plan.playhead(), inner.plan.ahead())
    }

    /// Number of chunks restored by parity.
    pub(crate) fn rebuilt(&self) -> u64 {
        self.counts.rebuilt.load(Ordering::Relaxed)
    }

    /// Live: bytes that were left out.
    pub(crate) fn skipped(&self) -> u64 {
        self.lock().plan.skipped()
    }

    /// Live: number of chunks that came too late.
    pub(crate) fn late(&self) -> u64 {
        self.counts.late.load(Ordering::Relaxed)
    }

    /// Waits for messages to be sent to the server. Cancel-safe.
    pub(crate) async fn asks(&self) -> Vec<Message> {
        loop {
            let messages = self.lock().plan.messages();
            if !messages.is_empty() {
                return messages;
            }
            self.asks.notified().await;
        }
    }

    /// Waits for bytes at `offset`, and returns 1 to `most` of them; `None` at the end of the file.
    pub(crate) async fn read(&self, offset: u64, most: u64) -> Result<Option<Bytes>, Failure> {
        if offset >= self.size || most == 0 {
            return Ok(None);
        }
        let mut changes = self.changed.subscribe();
        let mut late_at = None;
        loop {
            changes.borrow_and_update();
            let readable = self.lock().plan.readable(offset);
            if let Some(end) = readable {
                let mut bytes = vec![0; (end - offset).min(most).min(READ) as usize];
                self.file
                    .read_exact_at(&mut bytes, offset)
                    .map_err(|error| Failure::io(&error, "reading"))?;
                self.lock().plan.read(&(offset..offset + bytes.len() as u64));
                self.asks.notify_one();
                return Ok(Some(bytes.into()));
            }
            self.asks.notify_one();
            let too_late = *late_at.get_or_insert_with(|| self.lock().late_at());
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    return Err(errors::stream_ended());
                },
                () = tokio::time::sleep_until(too_late), if self.live => {
                    late_at = None;
                    self.give_up(offset)?;
                }
            }
        }
    }

    /// The hash of the whole file. Blocks: reads what was not hashed on the way.
    pub(crate) fn hash(&self) -> Result<blake3::Hash, Failure> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        digest.follow(&self.file, self.size)?;
        Ok(digest.hash())
    }

    /// True if it is time for [`Self::hash_on`], and nobody else is hashing.
    pub(crate) fn wants_hashing(&self) -> bool {
        self.digest.try_lock().is_ok_and(|digest| digest.lags(self.front()))
    }

    /// Hashes what has arrived up to the first gap. Blocks.
    pub(crate) fn hash_on(&self) -> Result<(), Failure> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        digest.follow(&self.file, self.front())
    }

    /// Offset of the first missing byte.
    fn front(&self) -> u64 {
        self.lock().plan.missing_from(0)
    }
}

fn too_many(TooManyGaps: TooManyGaps) -> Failure {
    errors::too_many_gaps()
}
