//! The names of a folder, in order. There may be a million of them, and hundreds of clients that list them and read no
//! answer: as many names are held as there is room for, and the folder is read again for those behind them, so that
//! nobody waits for another (faults.md rows 58 and 101).

use std::ffi::OsString;

use crate::base::{Budget, Held};

/// Names of all lists in progress together, besides [`LEAST`] of each.
pub(crate) static NAMES: Budget = Budget::new(48 << 20);
/// Bytes of names that each list may hold.
pub(crate) const LEAST: usize = 128 << 10;
/// More is taken in such steps.
const STEP: usize = 64 << 10;
/// What the allocator needs for a name.
const ALLOCATED: usize = 32;

/// Some names of a folder, behind those that were used already.
#[derive(Debug)]
pub(crate) struct Names {
    /// In reverse order once they are [sorted](Self::sorted), so that each page is split off the end.
    names: Vec<OsString>,
    bytes: usize,
    room: Held,
    /// Names up to this one were used.
    after: Option<OsString>,
    /// Names behind this one are left for the next reading …
    until: Option<OsString>,
    /// … so many.
    later: usize,
}

fn cost(name: &OsString) -> usize {
    name.len() + size_of_val(name) + ALLOCATED
}

impl Names {
    /// None yet; those up to `after` are of no interest.
    pub(crate) const fn new(budget: &'static Budget, after: Option<OsString>) -> Self {
        Self { names: Vec::new(), bytes: 0, room: Held::nothing(budget), after, until: None, later: 0 }
    }

    /// Takes a name as the folder is read, in any order.
    pub(crate) fn offer(&mut self, name: OsString) {
        if self.after.as_ref().is_some_and(|after| name <= *after) {
            return;
        }
        if self.until.as_ref().is_some_and(|until| name > *until) {
            self.later += 1;
            return;
        }
        self.bytes += cost(&name);
        self.names.push(name);
        if self.bytes > self.room.bytes().max(LEAST) && !self.room.grow(STEP) {
            self.halve();
        }
    }

    /// Keeps the first half, so that this is seldom needed.
    fn halve(&mut self) {
        self.names.sort_unstable();
        let kept = self.names.len().div_ceil(2);
        self.later += self.names.len() - kept;
        self.names.truncate(kept);
        self.until = self.names.last().cloned();
        self.bytes = self.names.iter().map(cost).sum();
    }

    /// All were offered.
    pub(crate) fn sorted(mut self) -> Self {
        self.names.sort_unstable_by(|a, b| b.cmp(a));
        self
    }

    /// Names that are left, here and for later readings.
    pub(crate) const fn left(&self) -> usize {
        self.names.len() + self.later
    }

    /// What to begin the next reading with, if only that can bring more.
    pub(crate) fn next_reading(&self) -> Option<Self> {
        let used_up = self.names.is_empty() && self.later > 0;
        used_up.then(|| Self::new(self.room.budget(), self.until.clone()))
    }

    /// Takes the first names out.
    pub(crate) fn page(&mut self, most: usize) -> Vec<OsString> {
        let mut page = self.names.split_off(self.names.len().saturating_sub(most));
        page.reverse();
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names of a folder, page by page, and how often it was read.
    fn listed(budget: &'static Budget, folder: &[String]) -> (Vec<String>, usize) {
        let read = |mut names: Names| {
            folder.iter().for_each(|name| names.offer(name.into()));
            names.sorted()
        };
        let (mut names, mut seen, mut readings) = (read(Names::new(budget, None)), Vec::new(), 1);
        while names.left() > 0 {
            assert_eq!(names.left() + seen.len(), folder.len());
            if let Some(next) = names.next_reading() {
                (names, readings) = (read(next), readings + 1);
            }
            seen.extend(names.page(256).into_iter().map(|name| name.into_string().unwrap()));
        }
        (seen, readings)
    }

    #[test]
    fn row_58_a_list_for_which_there_is_no_room_is_read_in_parts_and_waits_for_nobody() {
        static ROOM: Budget = Budget::new(48 << 20);
        static NO_ROOM: Budget = Budget::new(48 << 20);
        let held = NO_ROOM.take(NO_ROOM.limit()).unwrap();
        // In an order of no meaning, as folders have them.
        let folder: Vec<String> = (0..20_011u64).map(|n| format!("file {:05}", n * 7919 % 20_011)).collect();
        let mut sorted = folder.clone();
        sorted.sort();
        let (names, readings) = listed(&ROOM, &folder);
        assert!(names == sorted && readings == 1, "{readings}");
        let (names, readings) = listed(&NO_ROOM, &folder);
        assert!(names == sorted, "the same");
        assert!((10..40).contains(&readings), "{readings}");
        drop(held);
        assert!(ROOM.take(ROOM.limit()).is_some(), "all of it came back");
        assert_eq!(listed(&ROOM, &[]), (vec![], 1));
    }
}
