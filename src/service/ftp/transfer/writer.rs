//! The part of a file that is being received: a disk job takes it while it writes.

use std::time::Instant;

use super::bottleneck::Clock;
use super::{Work, by_disk};
use crate::report::Failure;
use crate::service::files::disk::RealDisk;
use crate::service::ftp::storage::part::Part;
use crate::session::Handle;

/// The part after a write, and the indices of damaged groups.
pub(super) type Saved = (Box<Part<RealDisk>>, Result<Vec<u64>, Failure>);

/// A failure, and the part if it still exists.
pub(super) type Spoilt = (Failure, Option<Box<Part<RealDisk>>>);

/// Where the part is.
pub(super) enum WriterState {
    Idle(Box<Part<RealDisk>>),
    Busy(Work<Saved>),
    Gone,
}

impl WriterState {
    /// Resolves when the disk job is done; never if there is none.
    pub(super) async fn saved(&mut self) -> Result<Saved, Failure> {
        let Self::Busy(job) = self else { return std::future::pending().await };
        let saved = job.done().await;
        *self = Self::Gone;
        saved
    }

    /// Waits for the disk; returns the part, and what was `received`. If the disk failed, that is the cause, not the
    /// network error that followed from it.
    pub(super) async fn into_part<T>(
        self,
        received: Result<T, Failure>,
    ) -> Result<(Box<Part<RealDisk>>, T), Spoilt> {
        let part = match self {
            Self::Idle(part) => part,
            Self::Busy(mut job) => match job.done().await {
                Ok((part, Ok(_))) => part,
                Ok((part, Err(failure))) => return Err((failure, Some(part))),
                Err(failure) => return Err((failure, None)),
            },
            Self::Gone => return Err((Failure::of_worker(), None)),
        };
        match received {
            Ok(received) => Ok((part, received)),
            Err(failure) => Err((failure, Some(part))),
        }
    }
}

/// Keeps what arrived; the returned failure says where.
pub(super) async fn keep(session: &Handle, (failure, part): Spoilt) -> Failure {
    let Some(part) = part else { return failure };
    match by_disk(session, move || part.keep(failure)).await {
        Ok(failure) | Err(failure) => failure,
    }
}

/// Gives the file its name.
pub(super) async fn commit(
    session: &Handle,
    clock: &mut Clock,
    part: Box<Part<RealDisk>>,
    expected: [u8; 32],
    fast: bool,
) -> Result<blake3::Hash, Failure> {
    let commit = move || part.commit(expected);
    let waiting = Instant::now();
    // A sync may take long: it runs outside the disk queue, so that it does not delay other transfers.
    let hash = if fast { by_disk(session, commit).await?? } else { session.block(commit).await?? };
    clock.disk += waiting.elapsed();
    Ok(hash)
}
