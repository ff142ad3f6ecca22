//! Blocking reading and writing, each on a thread of its own, hashed on the way.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::assembly::Group;
use super::folder::{Part, Source};
use super::tree::{GROUP, Tree};
use crate::report::Failure;
use crate::wire::Code;

/// Bytes that are read at once: whole chunks, about a group.
pub(super) fn read_size(chunk: u32) -> usize {
    let chunk = chunk as usize;
    (GROUP as usize / chunk).max(1) * chunk
}

/// Reads a file from front to end into `out`; the hash of the whole, if it stayed as it was.
pub(super) fn read(
    mut source: Source,
    step: usize,
    out: &mpsc::Sender<Bytes>,
) -> Result<blake3::Hash, Failure> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < source.size {
        let length = (step as u64).min(source.size - offset) as usize;
        let mut buffer = Vec::with_capacity(length);
        (&mut source.file)
            .take(length as u64)
            .read_to_end(&mut buffer)
            .map_err(|error| Failure::io(&error, format!("reading at offset {offset}")))?;
        if buffer.len() < length {
            return Err(changed(offset + buffer.len() as u64));
        }
        hasher.update(&buffer);
        offset += length as u64;
        if out.blocking_send(buffer.into()).is_err() {
            // Nobody wants the rest: the transfer failed, and says why itself.
            return Err(Failure::new(Code::Cancelled, "the transfer ended"));
        }
    }
    let now = source.file.metadata().map_err(|error| Failure::io(&error, "reading"))?;
    let modified = now
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |d| d.as_secs());
    if now.len() != source.size || modified != source.modified {
        return Err(changed(now.len().min(source.size)));
    }
    Ok(hasher.finalize())
}

/// Row 2.
fn changed(offset: u64) -> Failure {
    Failure::new(Code::Changed, format!("the file changed while reading, at offset {offset}"))
        .fix("send it again when nobody writes to it")
}

/// Writes groups as they come; the part and the hashes at the end. Buffers go back through `spare`.
pub(super) fn write(
    mut part: Part,
    size: u64,
    mut groups: mpsc::Receiver<Group>,
    spare: &mpsc::UnboundedSender<Vec<u8>>,
) -> (Part, Result<Tree, Failure>) {
    let mut tree = Tree::new(size);
    let mut at = 0;
    while let Some(group) = groups.blocking_recv() {
        tree.add(group.index, &group.bytes, size);
        let start = group.index * GROUP;
        if let Err(error) = put(&mut part, &mut at, start, &group.bytes) {
            let what = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    format!("writing at offset {start}; the part is kept")
                }
                _ => format!("writing at offset {start}"),
            };
            return (part, Err(Failure::io(&error, what)));
        }
        // A receiver that is gone needs no buffers.
        drop(spare.send(group.bytes));
    }
    (part, Ok(tree))
}

fn put(part: &mut Part, at: &mut u64, start: u64, bytes: &[u8]) -> std::io::Result<()> {
    if *at != start {
        part.file.seek(SeekFrom::Start(start))?;
    }
    part.file.write_all(bytes)?;
    *at = start + bytes.len() as u64;
    Ok(())
}
