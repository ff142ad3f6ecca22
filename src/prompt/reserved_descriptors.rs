//! Low file descriptors for the line editor. It uses `select`, which is limited to descriptors below 1024 (select(2)),
//! and opens a socket pair for each line: in a shell with a thousand clients those would be too high. So some low ones
//! are reserved, and released just before they are needed.

use std::fs::File;
use std::os::fd::AsRawFd;

/// `FD_SETSIZE`.
const TOO_HIGH: i32 = 1024;
/// Reserved descriptors: more than one line needs, as another thread may take a released one for the life of a
/// connection.
const COUNT: usize = 32;
/// Descriptors needed for one line.
const FOR_A_LINE: usize = 2;

/// The reserved descriptors.
#[derive(Debug, Default)]
pub(super) struct ReservedDescriptors(Vec<File>);

impl ReservedDescriptors {
    /// Reserves free low descriptors up to the full number.
    pub(super) fn fill(&mut self) {
        while self.0.len() < COUNT {
            match File::open("/dev/null") {
                Ok(file) if file.as_raw_fd() < TOO_HIGH => self.0.push(file),
                _ => return,
            }
        }
    }

    /// Releases as many as a line needs; false if none are left.
    pub(super) fn give(&mut self) -> bool {
        let some = !self.0.is_empty();
        self.0.truncate(self.0.len().saturating_sub(FOR_A_LINE));
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_what_is_opened_next_until_nothing_is_left() {
        let mut spare = ReservedDescriptors::default();
        spare.fill();
        assert_eq!(spare.0.len(), COUNT);
        let mut times = 0;
        while spare.give() {
            times += 1;
        }
        assert_eq!(times, COUNT / FOR_A_LINE);
        spare.fill();
        assert!(spare.0.iter().all(|file| file.as_raw_fd() < TOO_HIGH) && spare.0.len() == COUNT);
    }
}
