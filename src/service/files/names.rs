//! The names of a folder, in order. There may be a million of them, and hundreds of clients that list them and read no
//! answer: as many names are held as there is room for, and the folder is read again for those behind them, so that
//! nobody waits for another (faults.md rows 58 and 101).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use smallvec::SmallVec;

use crate::base::{Budget, Held};

/// Names of all lists in progress together, besides [`LEAST`] of each.
pub(crate) static NAMES: Budget = Budget::new(48 << 20);
/// Bytes of names that each list may hold.
pub(crate) const LEAST: usize = 128 << 10;
/// More is taken in such steps.
const STEP: usize = 64 << 10;
/// What the allocator needs for a long name.
const ALLOCATED: usize = 16;

/// Most names need no memory of their own: a million of them fit.
pub(super) type Name = SmallVec<[u8; 23]>;

/// A folder that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    names: Vec<Name>,
    bytes: usize,
    /// Bytes that need no room.
    least: usize,
    room: Held,
    /// Names up to this one are known already.
    after: Option<Name>,
    /// Names behind this one are left for the next reading …
    until: Option<Name>,
    /// … so many.
    later: usize,
}

/// Some names of a folder, in order.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Name>,
    later: usize,
    _room: Held,
}

fn cost(name: &Name) -> usize {
    size_of_val(name) + if name.spilled() { name.len() + ALLOCATED } else { 0 }
}

impl Reading {
    /// Of the names behind `after`, if there is one; at least `least` bytes of them.
    pub(super) const fn new(budget: &'static Budget, least: usize, after: Option<Name>) -> Self {
        let room = Held::nothing(budget);
        Self { names: Vec::new(), bytes: 0, least, room, after, until: None, later: 0 }
    }

    /// Takes a name as the folder is read, in any order.
    pub(super) fn offer(&mut self, name: &OsStr) {
        let name = name.as_bytes();
        if self.after.as_ref().is_some_and(|after| name <= &**after) {
            return;
        }
        if self.until.as_ref().is_some_and(|until| name > &**until) {
            self.later += 1;
            return;
        }
        let name = Name::from_slice(name);
        self.bytes += cost(&name);
        self.names.push(name);
        if self.bytes > self.room.bytes().max(self.least) && !self.room.grow(STEP) {
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
    pub(super) fn end(mut self) -> Names {
        self.names.sort_unstable();
        self.names.shrink_to_fit();
        self.room.shrink_to(self.bytes);
        Names { names: self.names, later: self.later, _room: self.room }
    }
}

impl Names {
    /// How many are here.
    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// How many are left for later readings.
    pub(super) const fn later(&self) -> usize {
        self.later
    }

    /// At most so many from the given one on.
    pub(super) fn page(&self, from: usize, most: usize) -> impl Iterator<Item = &OsStr> + Clone {
        self.names[from..].iter().take(most).map(|name| OsStr::from_bytes(name))
    }

    /// What the next reading begins behind; `None` if there is none.
    pub(super) fn end(&self) -> Option<Name> {
        self.names.last().filter(|_| self.later > 0).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names of a folder, page by page, and how often it was read.
    fn listed(budget: &'static Budget, folder: &[String]) -> (Vec<String>, usize) {
        let (mut seen, mut readings, mut after) = (Vec::new(), 0, None);
        loop {
            let mut reading = Reading::new(budget, LEAST, after);
            folder.iter().for_each(|name| reading.offer(name.as_ref()));
            let names = reading.end();
            assert_eq!(names.len() + names.later() + seen.len(), folder.len());
            (readings, after) = (readings + 1, names.end());
            for from in (0..names.len()).step_by(256) {
                seen.extend(names.page(from, 256).map(|name| name.to_str().unwrap().to_owned()));
            }
            if after.is_none() {
                return (seen, readings);
            }
        }
    }

    #[test]
    fn row_58_a_list_for_which_there_is_no_room_is_read_in_parts_and_waits_for_nobody() {
        static ROOM: Budget = Budget::new(48 << 20);
        static NO_ROOM: Budget = Budget::new(48 << 20);
        static LITTLE: Budget = Budget::new(300 << 10);
        let held = NO_ROOM.take(NO_ROOM.limit()).unwrap();
        // In an order of no meaning, as folders have them.
        let folder: Vec<String> = (0..20_011u64).map(|n| format!("file {:05}", n * 7919 % 20_011)).collect();
        let mut sorted = folder.clone();
        sorted.sort();
        let (names, readings) = listed(&ROOM, &folder);
        assert!(names == sorted && readings == 1, "{readings}");
        let (names, readings) = listed(&NO_ROOM, &folder);
        assert!(names == sorted, "the same");
        assert!((6..20).contains(&readings), "{readings}");
        // What the names of one reading hold is not missing for the next.
        let (names, readings) = listed(&LITTLE, &folder);
        assert!(names == sorted && (3..=8).contains(&readings), "{readings}");
        assert!(LITTLE.take(LITTLE.limit()).is_some());
        drop(held);
        assert!(ROOM.take(ROOM.limit()).is_some(), "all of it came back");
        assert_eq!(listed(&ROOM, &[]), (vec![], 1));
    }
}
