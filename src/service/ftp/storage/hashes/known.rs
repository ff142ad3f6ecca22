//! Hashes of files that were just received, and the tags of a file for clients that keep copies (RFC 9110, section
//! 8.8.3): by its hash, where that is known already, and by its stamp, which changes whenever the file does. Hashes are
//! never made for a request.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use super::cache;
use crate::service::files::disk::{LastChange, last_change};
use crate::service::files::root::Source;
use crate::wire::http::EntityTag;

/// Most hashes that a server remembers; then it forgets all.
const KNOWN_LIMIT: usize = 4096;

/// One state of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: LastChange,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: last_change(metadata),
        }
    }

    /// Short, and different for each state; it tells nothing of the machine.
    fn tag(&self) -> String {
        let Self { device, inode, size, modified, changed } = self;
        let parts = [
            *device,
            *inode,
            *size,
            modified.0 as u64,
            modified.1 as u64,
            changed.0 as u64,
            changed.1 as u64,
        ];
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&part.to_be_bytes());
        }
        hasher.finalize().to_hex()[..24].to_owned()
    }
}

/// The hashes of files that this server received from clients of other protocols.
#[derive(Debug, Default)]
pub(crate) struct KnownHashes(Mutex<HashMap<Stamp, blake3::Hash>>);

impl KnownHashes {
    /// The file has this hash now.
    pub(crate) fn note(&self, metadata: &Metadata, hash: blake3::Hash) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_LIMIT {
            known.clear();
        }
        known.insert(Stamp::of(metadata), hash);
    }

    fn get(&self, stamp: &Stamp) -> Option<blake3::Hash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(stamp).copied()
    }

    /// All tags of the file as it was when it was opened, the best one first: who gets bytes that are newer asks again.
    /// Reads the disk.
    pub(crate) fn tags(&self, source: &Source) -> Vec<EntityTag> {
        let stamp = Stamp::of(&source.state);
        let hash = self.get(&stamp).or_else(|| cache::known(source));
        let by_hash = hash.map(|hash| EntityTag::strong(hash.to_hex().as_str()));
        by_hash.into_iter().chain([EntityTag::strong(stamp.tag())]).collect()
    }
}
