//! Small files that the system has in memory: they are opened and read at once, without a visit to the disk. A request for
//! such a file need not wait for a thread that may block, which is what makes the slowest of many requests slow.

use bytes::Bytes;

use super::root::{Folder, Source};

#[cfg(target_os = "linux")]
impl Folder {
    /// A file of at most `limit` bytes, with its bytes; `None` if it is larger, or if reading it would or could wait for
    /// a disk. Nothing is told by that: ask [`Folder::source`] then. Never blocks.
    pub(crate) fn in_memory(&self, name: &str, limit: u64) -> Option<(Source, Bytes)> {
        use rustix::fs::{Mode, OFlags, ResolveFlags};

        let path: std::path::PathBuf = self.asked(name)?.iter().collect();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // As `cap-std` resolves names, and only if every step is in the cache (openat2, Linux 5.12).
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
        let file = rustix::fs::openat2(self.handle(), path, flags, Mode::empty(), resolve).ok()?;
        let source = Source::in_memory(file.into())?;
        if source.size > limit {
            return None;
        }
        let bytes = read(&source)?;
        Some((source, bytes))
    }
}

/// The whole file, if all of it is in the page cache.
#[cfg(target_os = "linux")]
fn read(source: &Source) -> Option<Bytes> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut bytes = vec![0; source.size as usize];
    let (mut read, mut flags) = (0, ReadWriteFlags::NOWAIT);
    while (read as u64) < source.size {
        let mut rest = [std::io::IoSliceMut::new(&mut bytes[read..])];
        match preadv2(&source.file, &mut rest, read as u64, flags) {
            Ok(0) => break,
            Ok(count) => read += count,
            // A file system that is memory itself does not know the question.
            Err(Errno::OPNOTSUPP) if !flags.is_empty() && is_on_tmpfs(&source.file) => {
                flags = ReadWriteFlags::empty();
            }
            Err(_) => return None,
        }
    }
    if read as u64 != source.size {
        return None;
    }
    Some(bytes.into())
}

/// `TMPFS_MAGIC` of `linux/magic.h`.
#[cfg(target_os = "linux")]
const TMPFS: u32 = 0x0102_1994;

/// True if the file is on tmpfs, which has its files in memory and writes them nowhere.
#[cfg(target_os = "linux")]
fn is_on_tmpfs(file: &std::fs::File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type as u32 == TMPFS)
}

#[cfg(not(target_os = "linux"))]
impl Folder {
    /// `None`: this system does not tell what it has in memory.
    pub(crate) fn in_memory(&self, _: &str, _: u64) -> Option<(Source, Bytes)> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_is_in_memory_and_nothing_outside_the_root_is() {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        std::fs::create_dir_all(root.join("folder")).unwrap();
        std::fs::write(root.join("folder/a"), "twelve bytes").unwrap();
        std::fs::write(root.join(".hidden"), "x").unwrap();
        std::fs::write(around.path().join("outside"), "x").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("out")).unwrap();
        std::os::unix::fs::symlink("folder/a", root.join("in")).unwrap();
        let folder = Folder::open(&root, false).unwrap();
        // The look-up of a name that was never looked up waits for the disk, as the file system decides.
        for name in ["folder/a", "in", "out", ".hidden"] {
            drop(folder.source(name));
        }
        let bytes = |name, limit| folder.in_memory(name, limit).map(|(_, bytes)| bytes);
        assert_eq!(bytes("folder/a", 12).as_deref(), Some(&b"twelve bytes"[..]));
        assert_eq!(bytes("in", 12).as_deref(), Some(&b"twelve bytes"[..]));
        assert_eq!(bytes("folder/a", 11), None);
        for name in ["out", "../outside", ".hidden", "folder", "none", ""] {
            assert_eq!(bytes(name, 100), None, "{name}");
        }
        let (source, _) = folder.in_memory("folder/a", 12).unwrap();
        let same = folder.source("folder/a").unwrap();
        assert_eq!((source.size, source.modified, source.mode), (same.size, same.modified, same.mode));
    }

    #[test]
    fn a_file_on_a_file_system_of_memory_is_in_memory() {
        let Ok(root) = tempfile::tempdir_in("/dev/shm") else { return };
        std::fs::write(root.path().join("a"), "twelve bytes").unwrap();
        let folder = Folder::open(root.path(), false).unwrap();
        drop(folder.source("a"));
        let found = folder.in_memory("a", 12).map(|(source, bytes)| (is_on_tmpfs(&source.file), bytes));
        assert_eq!(found, Some((true, Bytes::from("twelve bytes"))));
    }

    #[test]
    fn a_file_whose_size_the_system_gives_as_nothing_is_left_to_who_may_block() {
        let system = Folder::open(std::path::Path::new("/proc"), false).unwrap();
        drop(system.source("cpuinfo"));
        assert!(system.in_memory("cpuinfo", 10).is_none());
    }
}
