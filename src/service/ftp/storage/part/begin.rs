//! How a transfer begins: what has the name, and what an earlier attempt left.

use std::sync::Arc;

use super::there::There;
use super::{Begun, Intent, Part};
use crate::report::Failure;
use crate::service::contract::errors::{file_exists, never_replaced};
use crate::service::files::disk::{Disk, Found};
use crate::service::files::errors::being_received;
use crate::service::files::name::{journal_name, part_name};
use crate::service::ftp::errors;
use crate::service::ftp::storage::quota::Quota;
use crate::wire::Code;

/// Begins to receive a file, or resumes an incomplete one. Any refusal happens here, before any data.
pub(crate) fn begin<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Begun<D>, Failure> {
    if let Some(there) = there(&disk, name, intent)? {
        let disk = match resumable(disk, name, intent) {
            Ok(part) => return Ok(Begun::Part(part)),
            Err(disk) => disk,
        };
        // Left by a crash between the commit and the removal of the journal; it may be nothing of ours, and then stays.
        let journal = journal_name(name);
        if disk.find(&part_name(name)).is_none()
            && disk.find(&journal).is_some()
            && disk.claim(&journal).is_ok()
        {
            drop(disk.remove(&journal));
        }
        return Ok(Begun::There(There::new(disk, there, name, intent)));
    }
    Part::begin(disk, name, intent).map(Begun::Part)
}

/// What an attempt to replace the file has left, which is nearer to the new content than the file is; the disk, if there is
/// nothing that can be resumed.
fn resumable<D: Disk>(disk: D, name: &str, intent: Intent) -> Result<Part<D>, D> {
    let is_left =
        intent.replace && disk.find(&part_name(name)).is_some() && disk.find(&journal_name(name)).is_some();
    let Some(Ok(claimed)) = is_left.then(|| claim_part(&disk, name)) else { return Err(disk) };
    // A part of another version stays as long as the file may turn out to be the same.
    let mut part = Part::new(disk, claimed, name, Intent { replace: false, ..intent });
    match part.recover() {
        Ok(()) if !part.have.is_empty() => {
            part.intent = intent;
            Ok(part)
        }
        _ => Err(part.disk),
    }
}

/// Claims the part of the file `name`, which another transfer may have.
pub(in crate::service::ftp::storage) fn claim_part<D: Disk>(
    disk: &D,
    name: &str,
) -> Result<D::File, Failure> {
    disk.claim(&part_name(name)).map_err(|failure| match failure.code {
        Code::Receiving => being_received(Some(name)),
        _ => failure,
    })
}

/// Rows 6 and 23: the entry that has the name decides whether the transfer may begin.
fn there<D: Disk>(disk: &D, name: &str, intent: Intent) -> Result<Option<D::File>, Failure> {
    match disk.find(name) {
        None => Ok(None),
        Some(Found::Folder) => Err(errors::is_a_folder(name)),
        Some(Found::Special) => Err(never_replaced(name)),
        Some(Found::File { size }) if size == intent.size => match disk.open(name) {
            Ok(file) => Ok(Some(file)),
            Err(_) if intent.replace => Ok(None),
            Err(_) => Err(file_exists(name)),
        },
        Some(_) if intent.replace => Ok(None),
        Some(_) => Err(file_exists(name)),
    }
}

impl<D: Disk> Begun<D> {
    /// Reserves quota for the missing bytes; for a file that may be identical, only when it turns out to differ.
    pub(crate) fn reserve(&mut self, quota: &Arc<Quota>) -> Result<(), Failure> {
        match self {
            Self::Part(part) => part.reserved = Some(part.share_of(quota)?),
            Self::There(there) => there.quota = Some(quota.clone()),
        }
        Ok(())
    }

    /// Abandons the transfer before any data came; what was there before stays.
    pub(crate) fn give_up(self) {
        if let Self::Part(mut part) = self {
            part.forget_if_empty();
        }
    }
}
