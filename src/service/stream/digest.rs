//! The hash of a file that arrives: made behind the front of what came, so that little is left to do at the end; and
//! the disk gets what was hashed, so that little is left to wait for.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::report::Failure;

/// Read at once.
const BLOCK: u64 = 256 << 10;
/// What is worth a thread of its own.
const WORTH: u64 = 8 << 20;
/// Given to the disk at once.
const SYNC: u64 = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Digest {
    hasher: blake3::Hasher,
    at: u64,
    synced: u64,
}

impl Digest {
    /// True if so much came that the hash should follow.
    pub(super) const fn lags(&self, front: u64) -> bool {
        front.saturating_sub(self.at) >= WORTH
    }

    /// Up to `front`, where all came up to there. Blocks.
    pub(super) fn follow(&mut self, file: &File, front: u64) -> Result<(), Failure> {
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

    pub(super) fn hash(&self) -> blake3::Hash {
        self.hasher.finalize()
    }
}
