//! The hash of a file that is being received. It follows the contiguous front of the data, and hashed data is synced to
//! the disk, so that little is left to do and to wait for at the end.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::report::Failure;

/// Bytes read at once.
const BLOCK: u64 = 256 << 10;
/// Bytes to hash that are worth a blocking task.
const WORTH: u64 = 8 << 20;
/// Bytes hashed between two syncs to the disk.
const SYNC: u64 = 32 << 20;

/// A hash, how far it has come, and how far the disk was synced.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    hasher: blake3::Hasher,
    at: u64,
    synced: u64,
}

impl Digest {
    /// True if enough bytes have come up to `front` for the hash to follow.
    pub(crate) const fn lags(&self, front: u64) -> bool {
        front.saturating_sub(self.at) >= WORTH
    }

    /// Hashes up to `front`; all bytes before it must have arrived. Blocks.
    pub(crate) fn follow(&mut self, file: &File, front: u64) -> Result<(), Failure> {
        let mut buffer = vec![0; BLOCK.min(front.saturating_sub(self.at)) as usize];
        while self.at < front {
            let part = &mut buffer[..BLOCK.min(front - self.at) as usize];
            file.read_exact_at(part, self.at).map_err(|error| Failure::io(&error, "reading"))?;
            self.hasher.update(part);
            self.at += part.len() as u64;
            if self.at - self.synced >= SYNC {
                file.sync_data().map_err(|error| Failure::io(&error, "writing"))?;
                self.synced = self.at;
            }
        }
        Ok(())
    }

    pub(crate) fn hash(&self) -> blake3::Hash {
        self.hasher.finalize()
    }
}
