//! A file that is sent: read in groups, hashed on the way, and compared with what the receiver has. Everything blocks.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::buffers;
use super::hashes::cache::Hashes;
use super::hashes::in_shares::in_shares;
use super::hashes::tree::{GROUP, HashTree};
use crate::base::{Count, Counted};
use crate::report::Failure;
use crate::service::contract::errors::changed_while_reading;
use crate::service::files::disk::{LastChange, last_change};
use crate::service::files::root::{Source, stamp};
use crate::service::ftp::protocol::GroupHash;

/// Groups that are read in one disk job …
const AHEAD: usize = 2;
/// … unless more files than this are being sent: their peers may never take what was read.
const CROWD: usize = 32;
/// Files that are being sent.
static READINGS: Count = Count::new();
/// Groups that are compared with the receiver's in one disk job.
const COMPARE_AHEAD: usize = 64;

/// A group that was read.
#[derive(Debug)]
pub(crate) struct ReadBlock {
    pub(crate) index: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    pub(crate) hash: GroupHash,
    /// The receiver has the group with other content.
    pub(crate) anew: bool,
    /// The group is a hole of the file: only zeros, which need not travel.
    pub(crate) hole: bool,
}

/// What was read in one disk job.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<ReadBlock>,
    /// Bytes that the receiver has already with the same content.
    pub(crate) same: u64,
    /// Nothing is left to be read.
    pub(crate) last: bool,
}

/// True if so many files are being sent that each holds as little as it can.
pub(crate) fn is_crowded() -> bool {
    READINGS.now() > CROWD
}

/// Returns the buffer of a piece to the pool, if nothing else refers to it.
pub(crate) fn give_back(bytes: Bytes) {
    if let Ok(buffer) = bytes.try_into_mut() {
        buffers::give(buffer.into());
    }
}

/// A file that is being read in order to send it.
#[derive(Debug)]
pub(crate) struct Reading {
    file: Arc<File>,
    size: u64,
    modified: u64,
    /// When anything of it had last changed, which no program can set back.
    changed: LastChange,
    /// All of it is read a second time.
    twice: bool,
    tree: HashTree,
    hashes: Option<Hashes>,
    /// No hole begins before this offset.
    data_until: u64,
    /// Groups that the receiver lacks.
    lacking: VecDeque<Range<u64>>,
    /// Groups that the receiver has with other content.
    differing: VecDeque<u64>,
    /// Groups that the receiver has and that were not compared yet.
    unchecked: VecDeque<(u64, GroupHash)>,
    _counted: Counted,
}

impl Reading {
    /// Loads the hashes that an earlier attempt cached: those groups need not be read again to be compared.
    pub(crate) fn new(source: Source) -> Self {
        let mut tree = HashTree::new(source.size, GROUP);
        let hashes = Hashes::open(&source, &mut tree);
        let all = 0..tree.count();
        let changed = source.file.metadata().as_ref().map_or((0, 0), last_change);
        Self {
            file: Arc::new(source.file),
            size: source.size,
            modified: stamp(&source.state),
            changed,
            twice: false,
            tree,
            hashes,
            data_until: 0,
            lacking: VecDeque::from_iter(Some(all).filter(|all| !all.is_empty())),
            differing: VecDeque::new(),
            unchecked: VecDeque::new(),
            _counted: READINGS.add(),
        }
    }

    /// Number of groups.
    pub(crate) fn count(&self) -> u64 {
        self.tree.count()
    }

    /// A handle that reads single groups again, independent of this one.
    pub(crate) fn again(&self) -> Again {
        Again { file: self.file.clone(), size: self.size }
    }

    /// Notes which groups the receiver has, sorted by index.
    pub(crate) fn receiver_has(&mut self, have: Vec<(u64, GroupHash)>) {
        let (mut lacking, mut at) = (VecDeque::new(), 0);
        for (index, hash) in have {
            if at < index {
                lacking.push_back(at..index);
            }
            at = index + 1;
            match self.tree.get(index) {
                Some(known) if known == hash => {}
                Some(_) => self.differing.push_back(index),
                None => self.unchecked.push_back((index, hash)),
            }
        }
        if at < self.tree.count() {
            lacking.push_back(at..self.tree.count());
        }
        self.lacking = lacking;
    }

    /// Reads the next groups: first those that the receiver lacks, then those that differ, last those to be compared.
    pub(crate) fn next(&mut self) -> Result<Batch, Failure> {
        let (mut batch, most) = (Batch::default(), if is_crowded() { 1 } else { AHEAD });
        while batch.pieces.len() < most {
            let Some(range) = self.lacking.front_mut() else { break };
            let index = range.start;
            range.start += 1;
            if range.is_empty() {
                self.lacking.pop_front();
            }
            let piece = if self.is_hole(index) { self.hole(index) } else { self.read(index, false)? };
            batch.pieces.push(piece);
        }
        while batch.pieces.len() < most
            && let Some(index) = self.differing.pop_front()
        {
            batch.pieces.push(self.read(index, true)?);
        }
        if batch.pieces.is_empty() {
            self.compare(&mut batch)?;
        }
        let is_over = self.lacking.is_empty() && self.differing.is_empty() && self.unchecked.is_empty();
        batch.last = is_over && self.finish()?;
        Ok(batch)
    }

    /// Reads what the receiver has; what differs is read once more when its turn to be sent has come.
    fn compare(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let many = self.unchecked.len().min(COMPARE_AHEAD);
        let (groups, theirs): (Vec<u64>, Vec<GroupHash>) = self.unchecked.drain(..many).unzip();
        let (file, tree) = (&self.file, &self.tree);
        let ours = in_shares(&groups, |share| {
            let mut buffer = buffers::take();
            let hashes = share.iter().map(|&index| read_group(file, tree, index, &mut buffer)).collect();
            buffers::give(buffer);
            hashes
        })?;
        for ((index, ours), theirs) in groups.into_iter().zip(ours).zip(theirs) {
            if ours == theirs {
                self.know(index, ours);
                batch.same += self.tree.extent(index).1 as u64;
            } else if self.twice {
                return Err(changed_while_reading(self.tree.extent(index).0));
            } else {
                self.differing.push_back(index);
            }
        }
        Ok(())
    }

    fn read(&mut self, index: u64, anew: bool) -> Result<ReadBlock, Failure> {
        let mut buffer = buffers::take();
        let hash = read_group(&self.file, &self.tree, index, &mut buffer)?;
        self.know(index, hash);
        let (offset, _) = self.tree.extent(index);
        Ok(ReadBlock { index, offset, bytes: buffer.into(), hash, anew, hole: false })
    }

    fn know(&mut self, index: u64, hash: GroupHash) {
        self.tree.set(index, hash);
        if let Some(hashes) = &mut self.hashes {
            hashes.add(index, hash);
        }
    }

    /// True if the file system says that the group is in a hole. A region of data is looked up only once.
    fn is_hole(&mut self, index: u64) -> bool {
        let (start, length) = self.tree.extent(index);
        let end = start + length as u64;
        if start < self.data_until {
            return false;
        }
        let data = match rustix::fs::seek(&*self.file, rustix::fs::SeekFrom::Data(start)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => self.size,
            Err(_) => return false,
        };
        if data >= end {
            return true;
        }
        let hole = rustix::fs::seek(&*self.file, rustix::fs::SeekFrom::Hole(data));
        self.data_until = hole.unwrap_or(self.size);
        false
    }

    fn hole(&mut self, index: u64) -> ReadBlock {
        let (offset, length) = self.tree.extent(index);
        let buffer = buffers::zeros(length);
        let hash = self.tree.hash(index, &buffer);
        self.know(index, hash);
        ReadBlock { index, offset, bytes: buffer.into(), hash, anew: false, hole: true }
    }

    /// Row 2: fails if the file changed while it was read. False if it is to be read again: its mode may have changed, or
    /// its time was set back.
    fn finish(&mut self) -> Result<bool, Failure> {
        let now = self.file.metadata().map_err(|error| Failure::io(&error, "reading"))?;
        let has_changed = std::mem::replace(&mut self.changed, last_change(&now)) != self.changed;
        if now.len() != self.size || stamp(&now) != self.modified || has_changed && self.twice {
            return Err(changed_while_reading(now.len().min(self.size)));
        }
        if has_changed {
            self.twice = true;
            self.unchecked =
                (0..self.count()).filter_map(|index| Some((index, self.tree.get(index)?))).collect();
            return Ok(self.unchecked.is_empty());
        }
        if let Some(hashes) = &mut self.hashes {
            hashes.save();
        }
        Ok(true)
    }

    /// The hash of the whole, if every group was read or is known.
    pub(crate) fn root(&self) -> Option<blake3::Hash> {
        self.tree.root()
    }
}

/// Reads single groups again that arrived damaged.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    file: Arc<File>,
    size: u64,
}

impl Again {
    pub(crate) fn read(&self, index: u64) -> Result<ReadBlock, Failure> {
        let (tree, mut buffer) = (HashTree::new(self.size, GROUP), Vec::new());
        let hash = read_group(&self.file, &tree, index, &mut buffer)?;
        let (offset, _) = tree.extent(index);
        Ok(ReadBlock { index, offset, bytes: buffer.into(), hash, anew: false, hole: false })
    }
}

/// Reads a group of the file into the buffer; its hash.
fn read_group(file: &File, tree: &HashTree, index: u64, buffer: &mut Vec<u8>) -> Result<GroupHash, Failure> {
    tree.read(index, buffer, |offset, bytes| fill(file, offset, bytes))
}

fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            changed_while_reading(file.metadata().map_or(offset, |now| now.len()))
        }
        _ => Failure::io(&error, format!("reading at offset {offset}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::root::local_source;
    use crate::service::ftp::tests::next_tick;

    fn reading(size: usize) -> (tempfile::TempDir, Reading, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..size).map(|n| (n * 11 % 239) as u8).collect();
        std::fs::write(folder.path().join("a"), &bytes).unwrap();
        let reading = Reading::new(local_source(&folder.path().join("a")).unwrap());
        (folder, reading, bytes)
    }

    fn all(reading: &mut Reading) -> (Vec<(u64, bool)>, u64) {
        let (mut pieces, mut same) = (Vec::new(), 0);
        loop {
            let batch = reading.next().unwrap();
            pieces.extend(batch.pieces.iter().map(|piece| (piece.index, piece.anew)));
            same += batch.same;
            if batch.last {
                return (pieces, same);
            }
        }
    }

    #[test]
    fn what_is_lacking_comes_first_and_what_differs_comes_anew() {
        let size = 6 * GROUP as usize - 5;
        let (_folder, mut reading, bytes) = reading(size);
        let hash = |index: usize| {
            let group = &bytes[index * GROUP as usize..size.min((index + 1) * GROUP as usize)];
            crate::service::ftp::storage::hashes::tree::hash_group(size as u64, GROUP, index as u64, group)
        };
        reading.receiver_has(vec![(0, hash(0)), (1, [9; 32]), (4, hash(4))]);
        let (pieces, same) = all(&mut reading);
        assert_eq!(pieces, [(2, false), (3, false), (5, false), (1, true)]);
        assert_eq!(same, 2 * GROUP);
        assert_eq!(reading.root(), Some(blake3::hash(&bytes)));
    }

    #[test]
    fn row_2_a_file_that_shrinks_or_grows_is_noticed() {
        for size in [3 * GROUP as usize, 100] {
            let (folder, mut reading, bytes) = reading(size);
            std::fs::write(folder.path().join("a"), &bytes[..size / 2]).unwrap();
            let failure = (0..9).find_map(|_| reading.next().err()).unwrap();
            assert!(failure.to_string().contains("changed while reading, at offset"), "{failure}");
        }
    }

    #[test]
    fn row_2_a_file_that_was_changed_and_its_time_set_back_is_noticed_and_a_new_mode_is_none() {
        for content in [true, false] {
            let (folder, mut reading, bytes) = reading(70 * GROUP as usize);
            reading.next().unwrap();
            next_tick(folder.path());
            let file = File::options().write(true).open(folder.path().join("a")).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            if content {
                file.write_all_at(b"changed", 7).unwrap();
                file.set_modified(modified).unwrap();
            } else {
                file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            }
            let ended = (0..99)
                .find_map(|_| reading.next().map(|batch| batch.last.then_some(())).transpose())
                .unwrap();
            if content {
                assert!(ended.unwrap_err().to_string().contains("changed while reading, at offset 0"));
            } else {
                assert_eq!(reading.root(), Some(blake3::hash(&bytes)));
            }
        }
    }

    #[test]
    fn row_4_an_empty_file_has_a_hash() {
        let (_folder, mut reading, _) = reading(0);
        assert!(reading.next().unwrap().last);
        assert_eq!(reading.root(), Some(blake3::hash(b"")));
    }
}
