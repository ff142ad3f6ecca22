//! Lets the parsers read a container from an open file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::ReadAt;

/// A file and its size, for the container parsers.
pub(crate) struct OnDisk<'a>(pub(crate) &'a File, pub(crate) u64);

impl ReadAt for OnDisk<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
                Ok(n @ 1..) => filled += n,
                _ => break,
            }
        }
        filled
    }

    fn size(&self) -> u64 {
        self.1
    }
}
