//! A small file that is sent.

use std::io::Read as _;

use crate::report::Failure;
use crate::service::contract::errors::changed_while_reading;
use crate::service::files::root::{Folder, Source};
use crate::service::ftp::protocol::{Flags, Label, SMALL_LIMIT};

/// Reads a small file; returns its metadata, under the name `name`, and its bytes.
pub(crate) fn read(
    folder: &Folder,
    path: &str,
    name: String,
    flags: Flags,
) -> Result<(Label, bytes::Bytes), Failure> {
    read_source(folder.source(path)?, name, flags)
}

pub(crate) fn read_source(
    mut source: Source,
    name: String,
    flags: Flags,
) -> Result<(Label, bytes::Bytes), Failure> {
    let mut bytes = Vec::with_capacity(source.size.min(SMALL_LIMIT) as usize + 1);
    (&mut source.file)
        .take(SMALL_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(&error, format!("reading {name}")))?;
    if bytes.len() as u64 != source.size || source.size > SMALL_LIMIT {
        return Err(changed_while_reading(source.size.min(bytes.len() as u64)));
    }
    let hash = blake3::hash(&bytes).into();
    let label = Label { flags, mode: source.mode, modified: source.modified, hash, name };
    Ok((label, bytes.into()))
}
