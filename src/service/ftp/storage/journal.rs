//! The journal of an incomplete file: the hashes of groups that are on the disk. Pure: bytes ↔ values.
//!
//! ```text
//! header | "nlsj" | u8 version | 3 bytes 0 | u32 group | u64 size | u64 modified | u32 crc |
//! record | u64 first | u32 n | 16 bytes boot | n × 32 bytes | u32 crc |   groups first … first + n - 1 are on the disk
//! ```
//! `boot` is 0 if the data was synced before the record was written; otherwise it names the boot of the machine outside
//! of which the record is not valid. Each crc (CRC-32C) covers the bytes between the previous crc and itself. The
//! source of a file is identified by its size and its time. Records are appended; a torn record, and all after it, is
//! ignored (faults.md row 10). A later record of a group overrides an earlier one; a hash of zeros says that the group is
//! about to be overwritten.

use crc_fast::{CrcAlgorithm, checksum};

use crate::service::ftp::protocol::GroupHash;
use crate::wire::{DecodeError, Reader, Writer};

const MAGIC: [u8; 4] = *b"nlsj";
const VERSION: u8 = 1;
/// Bytes of a header.
pub(crate) const HEADER: usize = 32;
/// Bytes of a record besides its hashes.
const RECORD: usize = 32;
/// Most hashes in a record.
const RECORD_LIMIT: usize = 4096;

/// A boot of this machine: data that was not synced is not trusted after the next boot.
pub(crate) type Boot = [u8; 16];
/// In a record: the data was synced.
pub(crate) const SYNCED: Boot = [0; 16];

/// The file that a journal describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of a group.
    pub(crate) group: u32,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
}

/// In place of a hash: what earlier records say of the group is no longer valid.
pub(crate) const UNKNOWN: GroupHash = [0; 32];

/// A journal that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    pub(crate) header: Header,
    /// Groups that are on the disk and their hashes, in the order of the records.
    pub(crate) groups: Vec<(u64, GroupHash)>,
    /// Offset of the next record: after the last complete one.
    pub(crate) end: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let out = Writer::new().bytes(&MAGIC).u8(VERSION).bytes(&[0; 3]).u32(self.group);
        seal(out.u64(self.size).u64(self.modified).finish())
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut r = Reader::new(sealed(r.take(HEADER)?)?);
        if r.array()? != MAGIC || r.u8()? != VERSION {
            return Err(DecodeError::Unknown { what: "journal", value: 0 });
        }
        r.take(3)?;
        let header = Self { group: r.u32()?, size: r.u64()?, modified: r.u64()? };
        r.finish(header)
    }
}

/// Encodes records for these groups, sorted by index. `boot`: [`SYNCED`], or the boot for which they are valid.
pub(crate) fn records(groups: &[(u64, GroupHash)], boot: &Boot) -> Vec<u8> {
    let mut out = Vec::new();
    for run in groups.chunk_by(|a, b| a.0 + 1 == b.0) {
        for part in run.chunks(RECORD_LIMIT) {
            let head = Writer::new().u64(part[0].0).u32(part.len() as u32).bytes(boot);
            out.extend(seal(part.iter().fold(head, |out, (_, hash)| out.bytes(hash)).finish()));
        }
    }
    out
}

/// Decodes a journal during the boot `boot`: all records up to the first that is torn or invalid. Fails if the header
/// is invalid.
pub(crate) fn read(bytes: &[u8], boot: &Boot) -> Result<Journal, DecodeError> {
    let mut r = Reader::new(bytes);
    let header = Header::decode(&mut r)?;
    if !header.group.is_power_of_two() || header.group < 1024 {
        return Err(DecodeError::Unknown { what: "size of groups", value: u64::from(header.group) });
    }
    let count = header.size.div_ceil(u64::from(header.group));
    let mut journal = Journal { header, groups: Vec::new(), end: HEADER as u64 };
    while let Ok((first, of, hashes)) = record(&mut r) {
        if first.checked_add(hashes.len() as u64).is_none_or(|end| end > count) {
            break;
        }
        if of == SYNCED || of == *boot {
            journal.groups.extend((first..).zip(hashes.iter().copied()));
        }
        journal.end += (RECORD + hashes.len() * 32) as u64;
    }
    Ok(journal)
}

fn record<'a>(r: &mut Reader<'a>) -> Result<(u64, Boot, &'a [GroupHash]), DecodeError> {
    let mut head = r.clone();
    let (_, count) = (head.u64()?, head.u32()? as usize);
    if count > RECORD_LIMIT {
        return Err(DecodeError::Oversize { what: "a record", limit: RECORD_LIMIT as u64 });
    }
    let mut body = Reader::new(sealed(r.take(RECORD + count * 32)?)?);
    let (first, _, boot) = (body.u64()?, body.u32()?, body.array()?);
    Ok((first, boot, body.rest().as_chunks().0))
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, &bytes) as u32;
    bytes.extend(crc.to_be_bytes());
    bytes
}

fn sealed(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Truncated)?;
    let right = checksum(CrcAlgorithm::Crc32Iscsi, body) as u32 == u32::from_be_bytes(*crc);
    if right { Ok(body) } else { Err(DecodeError::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header { group: 1024, size: 10_000, modified: 5 };
    const BOOT: Boot = [3; 16];

    fn sample() -> (Vec<u8>, Vec<(u64, GroupHash)>) {
        let groups: Vec<_> = [0, 1, 2, 5, 6, 9].map(|n| (n, [n as u8; 32])).into();
        (
            groups.clone().chunks(4).fold(HEAD.encode(), |out, part| [out, records(part, &SYNCED)].concat()),
            groups,
        )
    }

    #[test]
    fn a_journal_reads_back() {
        let (bytes, groups) = sample();
        assert_eq!(HEAD.encode().len(), HEADER);
        assert_eq!(read(&bytes, &BOOT), Ok(Journal { header: HEAD, groups, end: bytes.len() as u64 }));
    }

    #[test]
    fn row_10_a_torn_or_wrong_record_ends_what_is_believed() {
        let (bytes, groups) = sample();
        for cut in 0..bytes.len() {
            match read(&bytes[..cut], &BOOT) {
                Ok(journal) => {
                    assert!(cut >= HEADER && groups.starts_with(&journal.groups) && journal.groups != groups);
                    assert!(journal.end <= cut as u64);
                }
                Err(_) => assert!(cut < HEADER),
            }
            let mut wrong = bytes.clone();
            wrong[cut] ^= 0x40;
            match read(&wrong, &BOOT) {
                Ok(journal) => assert!(cut >= HEADER && groups.starts_with(&journal.groups)),
                Err(_) => assert!(cut < HEADER),
            }
        }
    }

    #[test]
    fn a_record_beyond_the_end_of_the_file_is_not_believed() {
        let bytes = [HEAD.encode(), records(&[(10, [0; 32])], &SYNCED)].concat();
        assert_eq!(read(&bytes, &BOOT).unwrap().groups, []);
        let bytes = [HEAD.encode(), records(&[(u64::MAX, [0; 32])], &SYNCED)].concat();
        assert_eq!(read(&bytes, &BOOT).unwrap().groups, []);
    }

    #[test]
    fn what_was_not_synced_holds_until_the_machine_starts_anew() {
        let bytes =
            [HEAD.encode(), records(&[(1, [1; 32])], &BOOT), records(&[(2, [2; 32])], &SYNCED)].concat();
        assert_eq!(read(&bytes, &BOOT).unwrap().groups.len(), 2);
        let later = read(&bytes, &[9; 16]).unwrap();
        assert_eq!((later.groups, later.end), (vec![(2, [2; 32])], bytes.len() as u64));
    }
}
