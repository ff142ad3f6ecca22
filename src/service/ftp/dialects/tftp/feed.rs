//! The bytes of a file that is sent, in order, as they travel. Everything blocks.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::netascii;
use super::packet::Mode;
use crate::report::Failure;
use crate::service::contract::errors::changed_while_reading;
use crate::service::files::root::{Source, stamp};

/// Bytes that are read at once, if the window has as many: a visit to the disk costs more than a block.
const PIECE: u64 = 256 << 10;

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Feed {
    file: File,
    size: u64,
    modified: u64,
    offset: u64,
    piece: u64,
    mode: Mode,
}

impl Feed {
    /// `window`: bytes that may be on their way.
    pub(super) fn new(source: Source, window: usize, mode: Mode) -> Self {
        let piece = PIECE.min(window as u64);
        Self { file: source.file, size: source.size, modified: source.modified, offset: 0, piece, mode }
    }

    /// The next bytes as they travel, and whether they are the last.
    ///
    /// # Errors
    /// The file cannot be read, or changed meanwhile (row 2).
    pub(super) fn next(&mut self) -> Result<(Vec<u8>, bool), Failure> {
        let mut bytes = vec![0; self.piece.min(self.size - self.offset) as usize];
        self.file.read_exact_at(&mut bytes, self.offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => changed_while_reading(self.offset),
            _ => Failure::io(&error, format!("reading at offset {}", self.offset)),
        })?;
        self.offset += bytes.len() as u64;
        let is_last = self.offset == self.size;
        if is_last {
            let now = self.file.metadata().map_err(|error| Failure::io(&error, "reading"))?;
            if now.len() != self.size || stamp(&now) != self.modified {
                return Err(changed_while_reading(now.len().min(self.size)));
            }
        }
        if self.mode == Mode::Netascii {
            let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 16);
            netascii::encode(&bytes, &mut text);
            bytes = text;
        }
        Ok((bytes, is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::root::local_source;

    fn all(path: &std::path::Path, mode: Mode) -> Result<Vec<u8>, Failure> {
        let (mut feed, mut all) = (Feed::new(local_source(path).unwrap(), 1 << 20, mode), Vec::new());
        loop {
            let (bytes, is_last) = feed.next()?;
            all.extend(bytes);
            if is_last {
                return Ok(all);
            }
        }
    }

    #[test]
    fn a_file_is_read_in_pieces_as_it_is_or_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for lines in [0, 1, 30_000] {
            let text = "nine byte\n".repeat(lines);
            std::fs::write(&path, &text).unwrap();
            assert_eq!(all(&path, Mode::Octet).unwrap(), text.as_bytes());
            assert_eq!(all(&path, Mode::Netascii).unwrap(), text.replace('\n', "\r\n").as_bytes());
        }
    }

    #[test]
    fn row_2_a_file_that_shrinks_or_grows_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (before, after) in [(3 * PIECE, 2 * PIECE), (2 * PIECE, 3 * PIECE)] {
            std::fs::write(&path, vec![1; before as usize]).unwrap();
            let mut feed = Feed::new(local_source(&path).unwrap(), 1 << 20, Mode::Octet);
            feed.next().unwrap();
            std::fs::write(&path, vec![2; after as usize]).unwrap();
            let failure = (0..3).find_map(|_| feed.next().err()).unwrap();
            assert!(failure.to_string().contains("changed while reading"), "{failure}");
        }
    }
}
