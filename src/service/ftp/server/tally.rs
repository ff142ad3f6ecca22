//! The state of a client's tree transfers.

use crate::service::ftp::storage::small::Keeper;

/// The state of a client's tree transfers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) keeper: Option<Keeper>,
    /// FETCH messages that were answered.
    pub(super) fetched: u64,
}
