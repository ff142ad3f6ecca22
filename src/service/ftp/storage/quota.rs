//! How much a server accepts in all: bytes, and how many files, folders and links. The declared size is reserved before
//! the first byte travels, and given back if the file is not stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::Failure;
use crate::service::ftp::errors;

/// A quota has one entry for so many bytes: what a file takes of a disk at least.
pub(crate) const BYTES_FOR_ENTRY: u64 = 4 << 10;
/// Entries of a quota, beside those for its bytes.
pub(crate) const ENTRIES: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Quota {
    total: Option<u64>,
    left: AtomicU64,
    /// Files, folders and links that may still be made.
    entries: AtomicU64,
}

/// What is reserved of a quota for one entry.
#[derive(Debug)]
pub(crate) struct Reserved {
    quota: Arc<Quota>,
    bytes: u64,
    /// 1, or 0 for more bytes of an entry.
    entries: u64,
}

impl Quota {
    pub(crate) fn new(total: Option<u64>) -> Self {
        let entries = total.map_or(u64::MAX, entries_for);
        Self { total, left: AtomicU64::new(total.unwrap_or(0)), entries: AtomicU64::new(entries) }
    }

    /// Reserves a new file, folder or link with so many bytes, or fails with the reason.
    pub(crate) fn entry(self: &Arc<Self>, bytes: u64) -> Result<Reserved, Failure> {
        let mut reserved = self.set_apart(bytes)?;
        if self.total.is_some() {
            let no_entry = |_| errors::quota_of_entries(self.total.map_or(0, entries_for));
            take(&self.entries, 1).map_err(no_entry)?;
            reserved.entries = 1;
        }
        Ok(reserved)
    }

    /// Reserves bytes; `None` if the quota has fewer left.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        // Without a quota nothing is reserved: a client that declares too much keeps nobody out.
        let bytes = if self.total.is_some() { bytes } else { 0 };
        take(&self.left, bytes).ok()?;
        Some(Reserved { quota: self.clone(), bytes, entries: 0 })
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

/// How many entries belong to a quota of so many bytes.
const fn entries_for(bytes: u64) -> u64 {
    ENTRIES + bytes / BYTES_FOR_ENTRY
}

/// Takes so much from what is left; an error if there is less.
fn take(left: &AtomicU64, wanted: u64) -> Result<u64, u64> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(wanted))
}

impl Reserved {
    /// It is stored: all of it is used up.
    pub(crate) fn keep(mut self) {
        (self.bytes, self.entries) = (0, 0);
    }

    /// All of it is used up but `unused` bytes, which are given back; returns those of them that another one holds.
    pub(crate) fn keep_all_but(mut self, unused: u64) -> u64 {
        (self.bytes, self.entries) = (self.bytes.min(unused), 0);
        unused - self.bytes
    }

    /// Only `bytes` of it are used up; the others are given back.
    pub(crate) fn keep_only(mut self, bytes: u64) {
        (self.bytes, self.entries) = (self.bytes.saturating_sub(bytes), 0);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.quota.left.fetch_add(self.bytes, Ordering::Relaxed);
        self.quota.entries.fetch_add(self.entries, Ordering::Relaxed);
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
    #[test]
    fn row_17_a_quota_bounds_how_many_entries_are_made() {
        let quota = Arc::new(Quota::new(Some(2 * BYTES_FOR_ENTRY)));
        (0..=ENTRIES).for_each(|_| quota.entry(0).unwrap().keep());
        let last = quota.entry(10).unwrap();
        assert!(
            quota.entry(0).unwrap_err().to_string().contains("it takes 1002 files, folders and links in all")
        );
        assert!(quota.set_apart(2 * BYTES_FOR_ENTRY - 10).is_ok(), "more bytes of an entry are no other one");
        drop(last);
        assert!(quota.entry(2 * BYTES_FOR_ENTRY).is_ok(), "bytes and entry are given back");
        assert_eq!(quota.entry(2 * BYTES_FOR_ENTRY + 1).unwrap_err().code, crate::wire::Code::Full);
        let none = Arc::new(Quota::new(None));
        (0..2 * ENTRIES).for_each(|_| none.entry(u64::MAX).unwrap().keep());
    }
}
