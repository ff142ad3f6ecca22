//! A file that is being received. Its data is in `.NAME.nls-part` and a journal of its known groups in
//! `.NAME.nls-journal`, both beside the final name; it gets that name when it is complete and verified (faults.md N1, N2,
//! N4).
//!
//! This order survives a crash at any instant: data, sync of the data, record in the journal; at the end sync, rename,
//! sync of the folder, and only then is the journal removed. A stale journal is emptied and synced before new data is
//! written that it could seem to describe.
//!
//! | file | holds |
//! |---|---|
//! | `begin` | what has the name, and what an earlier attempt left |
//! | `recover` | what of that can be trusted |
//! | `there` | a file that is there, and may be the one that is offered |
//! | `writing` | groups are written, and recorded when the disk has them |
//! | `commit` | the file gets its name |

mod begin;
mod commit;
mod recover;
mod there;
mod writing;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use self::begin::begin;
pub(super) use self::begin::claim_part;
pub(crate) use self::there::There;
use super::assembly::Group;
use super::hashes::tree::{GROUP, HashTree};
use super::quota::{Quota, Reserved};
use crate::report::Failure;
use crate::service::files::disk::{Disk, LastChange, Space};
use crate::service::files::name::part_name;
use crate::service::ftp::protocol::{GroupHash, Mode};

/// How a new file is to be created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    /// Replace an existing file of this name.
    pub(crate) replace: bool,
    /// Do not sync: a power loss may undo the transfer.
    pub(crate) fast: bool,
    /// Permissions of the sender's file.
    pub(crate) mode: Mode,
    /// Bytes of a group.
    pub(crate) group: u64,
    /// What arrived is kept if the transfer fails, for the next attempt.
    pub(crate) kept: bool,
}

impl Intent {
    pub(crate) const fn new(size: u64, modified: u64) -> Self {
        Self { size, modified, replace: false, fast: false, mode: 0o644, group: GROUP, kept: true }
    }
}

/// What there is of a file when its transfer begins.
#[derive(Debug)]
pub(crate) enum Begun<D: Disk> {
    Part(Part<D>),
    /// A file of that name and size exists: nothing need travel if its content is the same.
    There(There<D>),
}

/// A file that is being received.
#[derive(Debug)]
pub(crate) struct Part<D: Disk> {
    disk: D,
    file: D::File,
    name: String,
    intent: Intent,
    replaces: bool,
    /// The journal, and the offset of its next record. `None` for a file of one group: it cannot be resumed.
    journal: Option<(D::File, u64)>,
    /// The folder was synced after part and journal were created.
    named: bool,
    tree: HashTree,
    /// Groups that were there at the start, sorted.
    have: Vec<u64>,
    /// Groups that are written but not yet in the journal.
    unsaved: Vec<(u64, GroupHash)>,
    unsaved_bytes: u64,
    saved_at: Instant,
    /// A sync of the part failed: what the system shows of it may never have reached the disk.
    spoilt: bool,
    /// The part after our last write; `None` before the first.
    written: Option<LastChange>,
    /// Another program wrote to the part since then.
    meddled: bool,
    /// Disk space that is claimed for the missing bytes.
    space: Option<Space>,
    /// Its share of the server's quota: bytes that stay on the disk are used up, even if the file is incomplete.
    reserved: Option<Reserved>,
}

/// A group to be written, and the hash that its sender gave.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) group: Group,
    pub(crate) hash: GroupHash,
}

/// Reads a group of a file into the buffer; its hash.
fn read_group<D: Disk>(
    disk: &D,
    file: &D::File,
    tree: &HashTree,
    index: u64,
    buffer: &mut Vec<u8>,
) -> std::io::Result<GroupHash> {
    tree.read(index, buffer, |start, bytes| disk.read_at(file, start, bytes))
}

impl<D: Disk> Part<D> {
    fn new(disk: D, claimed: D::File, name: &str, intent: Intent) -> Self {
        let replaces = disk.find(name).is_some();
        Self {
            disk,
            file: claimed,
            name: name.into(),
            intent,
            replaces,
            journal: None,
            named: false,
            tree: HashTree::new(intent.size, intent.group),
            have: Vec::new(),
            unsaved: Vec::new(),
            unsaved_bytes: 0,
            saved_at: Instant::now(),
            spoilt: false,
            written: None,
            meddled: false,
            space: None,
            reserved: None,
        }
    }

    fn know(&mut self, index: u64, hash: GroupHash, bytes: usize) {
        self.tree.set(index, hash);
        self.unsaved.push((index, hash));
        self.unsaved_bytes += bytes as u64;
    }

    /// Row 5: claims disk space for the missing bytes; fails if they do not fit beside the claims of other transfers.
    fn check_space(&mut self) -> Result<(), Failure> {
        self.space = None;
        self.space = Some(self.disk.claim_space(&self.file, self.lacking())?);
        Ok(())
    }

    /// Reserves quota for the missing bytes; a part from an earlier attempt has its entry already.
    fn share_of(&self, quota: &Arc<Quota>) -> Result<Reserved, Failure> {
        if self.have.is_empty() { quota.entry(self.lacking()) } else { quota.set_apart(self.lacking()) }
    }

    /// Bytes that were not there at the start.
    pub(crate) fn lacking(&self) -> u64 {
        let there: u64 = self.have.iter().map(|&index| self.tree.extent(index).1 as u64).sum();
        self.intent.size.saturating_sub(there)
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> Failure {
        Failure::io(error, format!("{doing} {}", self.kept_as()))
    }

    pub(crate) fn tree(&self) -> &HashTree {
        &self.tree
    }

    /// Another file has the name until the commit replaces it.
    pub(crate) const fn replaces(&self) -> bool {
        self.replaces
    }

    /// The groups that were there at the start.
    pub(crate) fn have(&self) -> &[u64] {
        &self.have
    }

    /// Name of the file that holds the bytes received so far.
    pub(crate) fn kept_as(&self) -> String {
        part_name(&self.name)
    }
}
