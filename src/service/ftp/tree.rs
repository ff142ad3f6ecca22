//! The hash of a file from the hashes of its groups. BLAKE3 is a tree, so groups of 256 KiB can be hashed in any
//! order and joined to the plain BLAKE3 of the whole (the `hazmat` part of its crate).

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a group: a power of two chunks of BLAKE3, large enough to hash at full speed.
pub(super) const GROUP: u64 = 256 << 10;

/// The hashes of the groups of one file.
#[derive(Debug)]
pub(super) struct Tree {
    groups: Vec<Option<ChainingValue>>,
    /// A file of one group has no tree.
    single: Option<blake3::Hash>,
}

impl Tree {
    /// For a file of `size` bytes; memory grows as groups come, not with what was declared.
    pub(super) fn new(size: u64) -> Self {
        let single = (size == 0).then(|| blake3::hash(b""));
        Self { groups: Vec::new(), single }
    }

    /// Takes the bytes of a group; `size` is that of the whole file.
    pub(super) fn add(&mut self, index: u64, bytes: &[u8], size: u64) {
        if size <= GROUP {
            self.single = Some(blake3::hash(bytes));
            return;
        }
        let index = index as usize;
        if self.groups.len() <= index {
            self.groups.resize(index + 1, None);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(index as u64 * GROUP).update(bytes);
        self.groups[index] = Some(hasher.finalize_non_root());
    }

    /// The hash of the whole, if every group came.
    pub(super) fn root(&self) -> Option<blake3::Hash> {
        if self.single.is_some() {
            return self.single;
        }
        let groups: Vec<ChainingValue> = self.groups.iter().copied().collect::<Option<_>>()?;
        if groups.len() < 2 {
            return None;
        }
        let (left, right) = groups.split_at(left_len(groups.len()));
        Some(merge_subtrees_root(&join(left), &join(right), Mode::Hash))
    }
}

/// The left subtree is the largest power of two that leaves something for the right one.
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
        let group = GROUP as usize;
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
            let mut tree = Tree::new(size as u64);
            for (index, part) in bytes.chunks(group).enumerate().rev() {
                tree.add(index as u64, part, size as u64);
            }
            assert_eq!(tree.root(), Some(blake3::hash(&bytes)), "{size}");
        }
    }

    #[test]
    fn a_missing_group_has_no_hash() {
        let mut tree = Tree::new(3 * GROUP);
        tree.add(2, &vec![0; GROUP as usize], 3 * GROUP);
        assert_eq!(tree.root(), None);
    }
}
