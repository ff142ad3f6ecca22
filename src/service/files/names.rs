//! The names of a folder, in order. There may be a million of them, and hundreds of clients that list them and read no
//! answer: as many names are held as there is room for, and the folder is read again for those behind them, so that
//! nobody waits for another (faults.md rows 58 and 101).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

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
type Name = SmallVec<[u8; 23]>;

/// Some names of a folder, behind those that were used already.
#[derive(Debug)]
pub(crate) struct Names {
    /// In reverse order once they are [sorted](Self::sorted), so that each page is split off the end.
    names: Vec<Name>,
    bytes: usize,
    room: Held,
    /// Names up to this one were used.
    after: Option<Name>,
    /// Names behind this one are left for the next reading …
    until: Option<Name>,
    /// … so many.
    later: usize,
}

fn cost(name: &Name) -> usize {
    size_of_val(name) + if name.spilled() { name.len() + ALLOCATED } else { 0 }
}

impl Names {
    /// None yet.
    pub(crate) const fn new(budget: &'static Budget) -> Self {
        let room = Held::nothing(budget);
        Self { names: Vec::new(), bytes: 0, room, after: None, until: None, later: 0 }
    }

    /// Takes a name as the folder is read, in any order.
    pub(crate) fn offer(&mut self, name: &OsString) {
        let name = Name::from_slice(name.as_bytes());
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

    /// Turns into what the next reading begins with, if only that can bring more; false if not.
    pub(crate) fn begin_next_reading(&mut self) -> bool {
        let used_up = self.names.is_empty() && self.later > 0;
        if used_up {
            *self = Self { after: self.until.take(), ..Self::new(self.room.budget()) };
        }
        used_up
    }

    /// Takes the first names out, and gives back the room that they had.
    pub(crate) fn page(&mut self, most: usize) -> Vec<OsString> {
        let page = self.names.split_off(self.names.len().saturating_sub(most));
        self.bytes -= page.iter().map(cost).sum::<usize>();
        if self.room.bytes() > self.bytes + STEP {
            self.room.shrink_to(self.bytes);
            if self.names.capacity() > 2 * self.names.len() {
                self.names.shrink_to_fit();
            }
        }
        page.into_iter().rev().map(|name| OsString::from_vec(name.into_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names of a folder, page by page, and how often it was read.
    fn listed(budget: &'static Budget, folder: &[String]) -> (Vec<String>, usize) {
        let read = |mut names: Names| {
            folder.iter().for_each(|name| names.offer(&name.into()));
            names.sorted()
        };
        let (mut names, mut seen, mut readings) = (read(Names::new(budget)), Vec::new(), 1);
        while names.left() > 0 {
            assert_eq!(names.left() + seen.len(), folder.len());
            if names.begin_next_reading() {
                (names, readings) = (read(names), readings + 1);
            }
            seen.extend(names.page(256).into_iter().map(|name| name.into_string().unwrap()));
        }
        (seen, readings)
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
