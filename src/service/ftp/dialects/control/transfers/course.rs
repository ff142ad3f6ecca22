//! How far a transfer is, for STAT.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::reply::Reply;
use crate::base::escape::escape_line;

/// A transfer on its way. Clones are of the same one.
#[derive(Clone, Debug)]
pub(in super::super) struct Course {
    /// The file, as `ls` writes it.
    pub(in super::super) name: String,
    /// Bytes that it will move, where that is known.
    total: Option<u64>,
    done: Arc<AtomicU64>,
}

impl Course {
    pub(in super::super) fn new(name: &str, total: Option<u64>) -> Self {
        Self { name: name.to_owned(), total, done: Arc::default() }
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The answer to STAT.
    pub(in super::super) fn status(&self) -> Reply {
        let (name, done) = (escape_line(&self.name), self.done());
        let of = self.total.map_or_else(String::new, |total| format!(" of {total}"));
        Reply::new(213, format!("{name}: {done}{of} bytes so far"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_how_far_it_is() {
        let course = Course::new("a", Some(10));
        course.moved(4);
        assert_eq!(course.status().encode(), b"213 a: 4 of 10 bytes so far\r\n");
        assert_eq!(Course::new("b", None).status().encode(), b"213 b: 0 bytes so far\r\n");
    }
}
