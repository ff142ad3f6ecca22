//! How many there are of something in this process, such as files that are being sent.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are now.
#[derive(Debug)]
pub struct Count(AtomicUsize);

/// One that is counted, until this is dropped.
#[derive(Debug)]
pub struct Counted(&'static Count);

impl Count {
    /// None yet.
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// How many there are.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn add(&'static self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    /// One more, unless there are `limit`.
    pub fn add_below(&'static self, limit: usize) -> Option<Counted> {
        let more = |count: usize| (count < limit).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Counted(self))
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_as_long_as_it_is_there_and_no_more_than_the_limit() {
        static COUNT: Count = Count::new();
        let first = COUNT.add();
        let second = COUNT.add_below(2);
        assert!(second.is_some() && COUNT.add_below(2).is_none() && COUNT.now() == 2);
        drop(first);
        assert!(COUNT.now() == 1 && COUNT.add_below(2).is_some());
        drop(second);
        assert_eq!(COUNT.now(), 0);
    }
}
