//! The state of a client's tree transfers.

use crate::base::Counted;
use crate::service::files::disk::Space;
use crate::service::ftp::storage::small::BatchWriter;
use crate::service::ftp::transfer::told_rate::ToldRate;

/// The state of a client's tree transfers.
#[derive(Debug, Default)]
pub(crate) struct UploadState {
    pub(super) keeper: Option<BatchWriter>,
    /// Space that is claimed for the rest of the tree.
    pub(super) space: Space,
    /// The rate that the client was told to keep while it sends a tree.
    pub(super) told: Option<ToldRate>,
    /// It moves many small files now.
    pub(super) busy: Option<Counted>,
    /// FETCH messages that were answered.
    pub(super) fetched: u64,
}
