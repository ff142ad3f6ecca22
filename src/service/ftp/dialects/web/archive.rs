//! The format of tar archives (POSIX.1-2001, pax): headers of 512 bytes, contents padded to that.
//!
//! ```text
//! name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, "ustar\0" "00", …, prefix 155, pad
//! ```
//! A name, a time or a size that has no room there stands in a record before the header: `LENGTH KEYWORD=VALUE\n`.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// Longest name in a header, in bytes.
const NAME: usize = 100;
/// Sizes from here on have no room: eleven octal digits.
const SIZE_LIMIT: u64 = 1 << 33;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// Records for the entry that follows.
    Records,
}

/// The headers of an entry. `name` is bytes; that of a folder gets its `/`. `modified`: seconds since 1970.
pub(super) fn headers(name: &[u8], kind: Kind, mode: u16, size: u64, modified: u64) -> Vec<u8> {
    let mut name = name.to_vec();
    if kind == Kind::Folder {
        name.push(b'/');
    }
    let mut records = Vec::new();
    if name.len() > NAME {
        record(&mut records, "path", &name);
    }
    if size >= SIZE_LIMIT {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    let mut out = Vec::new();
    if !records.is_empty() {
        out.extend_from_slice(&header(b"nls-pax", Kind::Records, 0o644, records.len() as u64, modified));
        out.extend_from_slice(&records);
        out.resize(out.len() + padding(records.len() as u64), 0);
    }
    out.extend_from_slice(&header(&name, kind, mode, size, modified));
    out
}

/// Bytes of zeros behind a content of `size` bytes.
pub(super) const fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// The end of an archive: two blocks of zeros.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Appends a record; its length counts itself.
fn record(out: &mut Vec<u8>, keyword: &str, value: &[u8]) {
    let rest = keyword.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {keyword}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn header(name: &[u8], kind: Kind, mode: u16, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name[..name.len().min(NAME)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{:011o}", if size < SIZE_LIMIT { size } else { 0 }).as_bytes());
    put(136, format!("{:011o}", modified.min(SIZE_LIMIT - 1)).as_bytes());
    put(148, b"        ");
    put(
        156,
        match kind {
            Kind::File => b"0",
            Kind::Folder => b"5",
            Kind::Records => b"x",
        },
    );
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_its_checksum_and_its_fields_in_place() {
        let block = headers(b"a.txt", Kind::File, 0o640, 5, 1_000_000_000);
        assert_eq!(block.len(), BLOCK);
        assert_eq!(
            (&block[..6], &block[100..108], &block[124..136]),
            (&b"a.txt\0"[..], &b"0000640\0"[..], &b"00000000005\0"[..])
        );
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(n, byte)| if (148..156).contains(&n) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(&block[148..155], format!("{sum:06o}\0").as_bytes());
    }

    #[test]
    fn what_has_no_room_stands_in_a_record() {
        let name = vec![b'n'; 150];
        let blocks = headers(&name, Kind::Folder, 0o755, 0, 0);
        assert_eq!((blocks.len(), blocks[156]), (3 * BLOCK, b'x'));
        let expected = [b"161 path=", &name[..], b"/\n"].concat();
        assert_eq!(&blocks[BLOCK..BLOCK + expected.len()], expected);
        assert_eq!(expected.len(), 161);
        let large = headers(b"big", Kind::File, 0o644, 1 << 34, 0);
        assert!(large[BLOCK..].starts_with(b"20 size=17179869184\n"));
        assert_eq!((padding(0), padding(1), padding(512), padding(1025)), (0, 511, 0, 511));
    }
}
