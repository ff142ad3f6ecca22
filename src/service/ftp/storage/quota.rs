//! How many bytes a server accepts in all. The declared size is reserved before the first byte travels, and given back
//! if the file is not stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::Failure;
use crate::service::ftp::errors;

#[derive(Debug)]
pub(crate) struct Quota {
    total: Option<u64>,
    left: AtomicU64,
}

/// Bytes of a quota that are reserved for one file.
#[derive(Debug)]
pub(crate) struct Reserved {
    quota: Arc<Quota>,
    bytes: u64,
}

impl Quota {
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self { total, left: AtomicU64::new(total.unwrap_or(0)) }
    }

    /// Reserves bytes; `None` if the quota has fewer left.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        // Without a quota nothing is reserved: a client that declares too much keeps nobody out.
        let bytes = if self.total.is_some() { bytes } else { 0 };
        let take = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Reserved { quota: self.clone(), bytes })
    }

    /// Reserves bytes, or fails with the reason.
    pub(crate) fn set_apart(self: &Arc<Self>, bytes: u64) -> Result<Reserved, Failure> {
        self.reserve(bytes).ok_or_else(|| self.refusal(bytes))
    }

    /// Row 5: the failure for a file that is larger than what is left of the quota.
    pub(crate) fn refusal(&self, bytes: u64) -> Failure {
        errors::quota_exceeded(bytes, self.left.load(Ordering::Relaxed), self.total.unwrap_or(0))
    }
}

impl Reserved {
    /// The file is stored: its bytes are used up.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }

    /// All of it is used up but `unused` bytes, which are given back; returns those of them that another one holds.
    pub(crate) fn keep_all_but(mut self, unused: u64) -> u64 {
        self.bytes = self.bytes.min(unused);
        unused - self.bytes
    }

    /// Only `bytes` of it are used up; the others are given back.
    pub(crate) fn keep_only(mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.quota.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_5_and_17_what_is_over_the_quota_is_refused_before_it_travels() {
        let quota = Arc::new(Quota::new(Some(100)));
        let first = quota.reserve(60).unwrap();
        assert!(quota.reserve(41).is_none());
        assert!(quota.refusal(41).to_string().contains("41 B are needed, 40 B of 100 B are left"));
        drop(first);
        quota.reserve(90).unwrap().keep();
        assert!(quota.reserve(11).is_none() && quota.reserve(10).is_some());
        let part = quota.reserve(10).unwrap();
        part.keep_only(4);
        assert!(quota.reserve(7).is_none() && quota.reserve(6).is_some());
        let none = Arc::new(Quota::new(None));
        let (_first, second) = (none.reserve(u64::MAX).unwrap(), none.reserve(u64::MAX));
        assert!(second.is_some());
    }
}
