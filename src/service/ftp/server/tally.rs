//! The state of a client's tree transfers.

use crate::service::ftp::storage::small::BatchWriter;

/// The state of a client's tree transfers.
#[derive(Debug, Default)]
pub(crate) struct UploadState {
    pub(super) keeper: Option<BatchWriter>,
    /// FETCH messages that were answered.
    pub(super) fetched: u64,
}
