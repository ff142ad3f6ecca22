//! Bytes that all peers of this process share: whoever asks for much leaves something to the others (faults.md row 101).

use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit of bytes that all peers together may make this process hold.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
}

/// Bytes of a budget, until this is dropped.
#[derive(Debug)]
pub struct Held {
    budget: &'static Budget,
    bytes: usize,
}

impl Budget {
    /// Nothing of it is held.
    pub const fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0) }
    }

    /// Bytes that may be held at once.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// True if something is left.
    pub fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.limit
    }

    /// Exactly so many bytes; `None` if there are not as many left.
    pub fn take(&'static self, bytes: usize) -> Option<Held> {
        let more = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Held { budget: self, bytes })
    }

    /// As many of the `wanted` bytes as are left, but at least `least`, so that nobody has to wait for the others.
    pub fn take_some(&'static self, least: usize, wanted: usize) -> Held {
        let mut held = Held::nothing(self);
        let left = self.limit.saturating_sub(self.held.load(Ordering::Relaxed));
        held.add(wanted.min(left).max(least));
        held
    }
}

impl Held {
    /// None yet.
    pub const fn nothing(budget: &'static Budget) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Of what they are part.
    pub const fn budget(&self) -> &'static Budget {
        self.budget
    }

    /// How many they are.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if the others hold all of the budget.
    pub fn is_shut_out(&self) -> bool {
        self.budget.held.load(Ordering::Relaxed).saturating_sub(self.bytes) >= self.budget.limit
    }

    /// Takes more, if they are left; false if not.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Some(mut more) = self.budget.take(bytes) else { return false };
        self.bytes += std::mem::take(&mut more.bytes);
        true
    }

    /// Gives back what is more than so many.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.held.fetch_sub(less, Ordering::Relaxed);
    }

    /// Takes more, whether or not they are left.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_101_the_bytes_of_all_together_are_bounded_and_each_gets_its_least() {
        static BUDGET: Budget = Budget::new(100);
        let first = BUDGET.take(60).unwrap();
        assert!(BUDGET.take(41).is_none());
        let second = BUDGET.take_some(10, 50);
        assert_eq!((second.bytes(), BUDGET.has_room()), (40, false));
        let mut third = BUDGET.take_some(10, 50);
        assert_eq!(third.bytes(), 10, "the least, whatever others hold");
        drop(first);
        assert!(third.grow(5) && !third.grow(100), "what is left, or nothing");
        third.add(90);
        assert!(!third.is_shut_out(), "it holds most of it itself");
        let fourth = BUDGET.take_some(1, 1);
        assert!(fourth.is_shut_out());
        drop(fourth);
        third = Held::nothing(&BUDGET);
        third.add(15);
        assert!(BUDGET.take(46).is_none() && BUDGET.take(45).is_some());
        drop((second, third, Held::nothing(&BUDGET)));
        assert!(BUDGET.take(100).is_some(), "all of it came back");
    }
}
