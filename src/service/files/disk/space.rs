//! Free space, and what of it is about to be used.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

use crate::report::Failure;
use crate::service::files::errors;

/// Largest file in bytes: no file system holds a larger one, and sums of offsets cannot overflow.
const FILE_LIMIT: u64 = 1 << 60;

/// Free bytes on the file system.
pub(super) fn free(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Fails if `size` bytes do not fit on the file system of `file`, beside what is about to be written there.
pub(crate) fn check_space(file: &File, size: u64) -> Result<(), Failure> {
    Space::claim(file, size).map(drop)
}

/// Bytes that transfers of this process are about to write, by file system.
static CLAIMED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// Space on a file system that is claimed until it is written or given up.
#[derive(Debug, Default)]
pub(crate) struct Space {
    device: u64,
    bytes: u64,
}

impl Space {
    pub(crate) fn claim(file: &File, bytes: u64) -> Result<Self, Failure> {
        let device = rustix::fs::fstat(file).map_or(0, |stat| stat.st_dev);
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let others = claimed.entry(device).or_default();
        check_free(free(file).saturating_sub(*others), bytes)?;
        *others += bytes;
        Ok(Self { device, bytes })
    }

    /// `bytes` of the claim are written.
    pub(crate) fn used(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if let Some(others) = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&self.device) {
            *others = others.saturating_sub(bytes);
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.used(self.bytes);
    }
}

/// Row 5: refuses a file that cannot fit, before it travels.
pub(crate) fn check_free(free: u64, size: u64) -> Result<(), Failure> {
    if size > FILE_LIMIT || size > free {
        return Err(errors::disk_full(size, free));
    }
    Ok(())
}
