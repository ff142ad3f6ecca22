//! The hash of a file from the hashes of its groups. BLAKE3 is a tree, so groups can be hashed in any order and joined
//! to the plain BLAKE3 of the whole (the `hazmat` part of its crate): what was hashed once, by either side, today or
//! in an earlier attempt, need not be read again.

use std::collections::HashMap;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::service::ftp::protocol::GroupHash;

/// Bytes of a group: a power of two chunks of BLAKE3, large enough to hash at full speed.
pub(crate) const GROUP: u64 = 256 << 10;

/// The hash of one group of a file of `size` bytes: that of its subtree; a file of one group has its plain hash.
pub(crate) fn hash_group(size: u64, group: u64, index: u64, bytes: &[u8]) -> GroupHash {
    if size <= group {
        return blake3::hash(bytes).into();
    }
    blake3::Hasher::new().set_input_offset(index * group).update(bytes).finalize_non_root()
}

/// The hashes of the groups of one file.
#[derive(Debug)]
pub(crate) struct HashTree {
    size: u64,
    group: u64,
    groups: HashMap<u64, ChainingValue>,
}

impl HashTree {
    /// For a file of `size` bytes in groups of `group`, a power of two from 1024 on. Memory grows as hashes come, not
    /// with the declared size.
    pub(crate) fn new(size: u64, group: u64) -> Self {
        Self { size, group, groups: HashMap::new() }
    }

    /// How many groups the file has.
    pub(crate) const fn count(&self) -> u64 {
        self.size.div_ceil(self.group)
    }

    /// Where a group begins, and its length.
    pub(crate) fn extent(&self, index: u64) -> (u64, usize) {
        let start = index * self.group;
        (start, self.group.min(self.size.saturating_sub(start)) as usize)
    }

    /// The hash that `bytes` have as this group.
    pub(crate) fn hash(&self, index: u64, bytes: &[u8]) -> GroupHash {
        hash_group(self.size, self.group, index, bytes)
    }

    /// Fills the buffer with a group, which `read` reads from an offset; its hash.
    pub(crate) fn read<E>(
        &self,
        index: u64,
        buffer: &mut Vec<u8>,
        read: impl FnOnce(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<GroupHash, E> {
        let (start, length) = self.extent(index);
        buffer.resize(length, 0);
        read(start, buffer)?;
        Ok(self.hash(index, buffer))
    }

    /// Sets the hash of a group.
    pub(crate) fn set(&mut self, index: u64, hash: GroupHash) {
        self.groups.insert(index, hash);
    }

    /// Forgets the hash of a group.
    pub(crate) fn forget(&mut self, index: u64) {
        self.groups.remove(&index);
    }

    /// The groups that are known, in order.
    pub(crate) fn known(&self) -> Vec<u64> {
        let mut known: Vec<u64> = self.groups.keys().copied().collect();
        known.sort_unstable();
        known
    }

    /// The hash of a group, if it is known.
    pub(crate) fn get(&self, index: u64) -> Option<GroupHash> {
        self.groups.get(&index).copied()
    }

    /// The hash of the whole, if every group is known.
    pub(crate) fn root(&self) -> Option<blake3::Hash> {
        if self.size == 0 {
            return Some(blake3::hash(b""));
        }
        // Checked first, so that no memory is allocated for groups that did not come.
        if self.groups.len() as u64 != self.count() {
            return None;
        }
        let groups: Vec<ChainingValue> =
            (0..self.count()).map(|index| self.get(index)).collect::<Option<_>>()?;
        if let [whole] = groups[..] {
            return Some(whole.into());
        }
        let (left, right) = groups.split_at(left_len(groups.len()));
        Some(merge_subtrees_root(&join(left), &join(right), Mode::Hash))
    }
}

/// Groups in the left subtree: the largest power of two that leaves something for the right one.
fn left_len(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn join(groups: &[ChainingValue]) -> ChainingValue {
    match groups {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            merge_subtrees_non_root(&join(left), &join(right), Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_any_order_give_the_plain_hash() {
        for group in [1024, 4096, GROUP as usize] {
            for size in [
                0,
                1,
                1023,
                1025,
                group - 1,
                group,
                group + 1,
                2 * group,
                3 * group + 5,
                7 * group,
                9 * group - 1,
            ] {
                let bytes: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
                let mut tree = HashTree::new(size as u64, group as u64);
                for (index, part) in bytes.chunks(group).enumerate().rev() {
                    tree.set(index as u64, tree.hash(index as u64, part));
                }
                assert_eq!(tree.root(), Some(blake3::hash(&bytes)), "{size}");
            }
        }
    }

    #[test]
    fn a_missing_group_has_no_hash() {
        let mut tree = HashTree::new(3 * GROUP, GROUP);
        tree.set(2, [0; 32]);
        assert_eq!(tree.root(), None);
        tree.set(0, [0; 32]);
        assert_eq!(tree.root(), None);
    }
}
