//! Files below a root. Every path of a peer is opened by the kernel relative to the root's handle (`cap-std`,
//! openat2 on Linux), so that no name and no link leads out, and there is no check before the open to race with.
//! All of this blocks: call it on a blocking thread.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::disk::RealDisk;
use super::name::{Rules, components};
use super::part::{self, Begun, Intent};
use crate::language::Arguments;
use crate::report::{Failure, reason};
use crate::service::Context;
use crate::wire::Code;
use crate::wire::listing::{Entries, Entry, EntryKind, PAGE_LIMIT};

/// A root for a peer's names.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: Dir,
    pub(crate) path: PathBuf,
}

/// A file to send, opened.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) executable: bool,
}

fn missing(name: &str) -> Failure {
    // The same for what is absent, hidden, outside or no plain file: a peer learns nothing (row 57).
    Failure::new(Code::Missing, format!("there is no file `{}`", crate::base::escape::escape_line(name)))
        .fix("`ls` shows what there is")
}

impl Folder {
    /// Opens a root that the user named.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
            Failure::io(&error, format!("folder {}", path.display()))
                .fix("name a folder that exists with `root DIR`")
        })?;
        Ok(Self { dir, path: path.into() })
    }

    /// The root of a server: `root DIR`, else the current folder.
    pub(crate) fn of_server(arguments: &Arguments, context: &Context) -> Result<Self, Failure> {
        match arguments.text("root") {
            Some(root) => Self::open(&context.directory.join(root)),
            None => Self::open(&context.directory),
        }
    }

    /// A file that a peer asks for.
    pub(crate) fn source(&self, name: &str) -> Result<Source, Failure> {
        let path: PathBuf = components(name).map_err(|_| missing(name))?.iter().collect();
        let file = self
            .dir
            .open_with(path, OpenOptions::new().read(true).custom_flags(nonblocking()))
            .map_err(|_| missing(name))?;
        source(file.into_std()).ok_or_else(|| missing(name))
    }

    /// A handle that can be synced.
    pub(super) fn reopen(&self) -> std::io::Result<std::os::fd::OwnedFd> {
        super::disk::reopen(&self.dir)
    }

    /// When something was put into it last, or taken out.
    pub(super) fn time(&self) -> u64 {
        time_of(&self.dir)
    }

    /// Refuses what cannot fit.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), Failure> {
        let handle =
            self.reopen().map_err(|error| Failure::io(&error, format!("folder {}", self.path.display())))?;
        super::disk::check_space(&File::from(handle), bytes)
    }

    /// What is in a folder, in no order.
    pub(super) fn read(&self, path: &Path) -> Result<cap_std::fs::ReadDir, Failure> {
        let name = path.to_string_lossy();
        let absent = || {
            let name = crate::base::escape::escape_line(&name);
            Failure::new(Code::Missing, format!("there is no folder `{name}`"))
        };
        self.folder(&name).and_then(|dir| dir.entries().ok()).ok_or_else(absent)
    }

    /// A folder below the root; `None`: there is none, or it is nobody's business.
    pub(super) fn folder(&self, name: &str) -> Option<Dir> {
        if name.is_empty() || name == "." {
            return self.dir.try_clone().ok();
        }
        let path: PathBuf = components(name.trim_end_matches('/')).ok()?.iter().collect();
        self.dir.open_dir(path).ok()
    }

    /// Makes a folder, or sets the time of one that is there.
    pub(super) fn make(&self, path: &str, modified: u64, rules: Rules) -> Result<(), Failure> {
        let (dir, last) = self.place(path, rules)?;
        let failed = |error: &std::io::Error| {
            let what = format!("folder {}", crate::base::escape::escape_line(path));
            Failure::io(error, what).fix("choose another name")
        };
        match dir.create_dir(last) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let made = dir.open_dir(last).map_err(|_| failed(&error))?;
                super::small::set_time(&made, modified).map_err(|error| failed(&error))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// A page of a folder, sorted by name, behind the name `after`.
    pub(crate) fn entries(&self, path: &str, after: &str) -> Result<Entries, Failure> {
        let mut page: std::collections::BTreeMap<String, Entry> = std::collections::BTreeMap::new();
        let mut more = false;
        for entry in self.read(Path::new(path))? {
            // One that vanished meanwhile is not there.
            let Some(entry) = entry.ok().and_then(|entry| describe(&entry)) else { continue };
            if entry.name.as_str() <= after {
                continue;
            }
            page.insert(entry.name.clone(), entry);
            if page.len() > PAGE_LIMIT {
                page.pop_last();
                more = true;
            }
        }
        Ok(Entries { entries: page.into_values().collect(), more })
    }

    /// Begins a file, or goes on with one.
    pub(super) fn begin(&self, name: &str, intent: Intent, rules: Rules) -> Result<Begun<RealDisk>, Failure> {
        let (dir, last) = self.place(name, rules)?;
        part::begin(RealDisk(dir), last, intent)
    }

    /// The folder that a new file goes to, opened, and the file's own name.
    pub(super) fn place<'a>(&self, name: &'a str, rules: Rules) -> Result<(Dir, &'a str), Failure> {
        let parts = components(name)?;
        rules.check(&parts)?;
        let (last, folders) = parts.split_last().expect("a name has a component: checked above");
        let dir = if folders.is_empty() {
            self.dir.try_clone()
        } else {
            self.dir.open_dir(folders.iter().collect::<PathBuf>())
        };
        let dir = dir.map_err(|error| {
            let name = crate::base::escape::escape_line(name);
            Failure::new(Code::Missing, format!("the folder of `{name}` cannot be used: {}", reason(&error)))
        })?;
        rules.check_clash(&dir, last)?;
        Ok((dir, last))
    }
}

/// A regular file, by what was really opened.
fn source(file: File) -> Option<Source> {
    let metadata = file.metadata().ok()?;
    metadata.is_file().then(|| Source {
        size: metadata.len(),
        modified: stamp(&metadata),
        executable: metadata.mode() & 0o100 != 0,
        file,
    })
}

/// When a file was changed last, in nanoseconds since 1970; 0 for the time before.
pub(super) fn stamp(metadata: &std::fs::Metadata) -> u64 {
    nanoseconds(metadata.mtime(), metadata.mtime_nsec())
}

/// When something was put into a folder last, or taken out.
pub(super) fn time_of(dir: &Dir) -> u64 {
    use cap_std::fs::MetadataExt as _;
    dir.dir_metadata().map_or(0, |metadata| nanoseconds(metadata.mtime(), metadata.mtime_nsec()))
}

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    u64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(rest)).unwrap_or(0)
}

/// A local file that the user wants to send (rows 1 and 3).
pub(super) fn local_source(path: &Path) -> Result<Source, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::io(&error, format!("send {shown}"));
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::new(Code::Policy, "it is a folder")
            .fix("name a file")
            .of(format!("send {shown}")));
    }
    if !metadata.is_file() {
        return Err(Failure::new(Code::Policy, "it is a pipe, a device or a socket, not a file")
            .fix("name a regular file")
            .of(format!("send {shown}")));
    }
    let file = File::options().read(true).custom_flags(nonblocking()).open(path).map_err(failed)?;
    source(file).ok_or_else(|| {
        Failure::new(Code::Policy, "it is no longer a regular file").of(format!("send {shown}"))
    })
}

/// Opening a FIFO that somebody put there must not hang.
fn nonblocking() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits() as i32
}

pub(super) fn describe(entry: &cap_std::fs::DirEntry) -> Option<Entry> {
    use cap_std::fs::MetadataExt as _;
    let name = entry.file_name().into_string().ok()?;
    components(&name).ok()?;
    let metadata = entry.metadata().ok()?;
    if !metadata.is_file() && !metadata.is_dir() {
        return None;
    }
    let kind = match metadata.mode() & 0o100 {
        _ if metadata.is_dir() => EntryKind::Folder,
        0 => EntryKind::File,
        _ => EntryKind::Executable,
    };
    Some(Entry {
        name,
        size: if kind == EntryKind::Folder { 0 } else { metadata.len() },
        kind,
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::part::{Arrived, Part};
    use super::*;

    const INTENT: Intent = Intent { fast: true, ..Intent::new(3, 1) };

    impl Folder {
        fn begin_plain(&self, name: &str, intent: Intent) -> Result<Begun<RealDisk>, Failure> {
            self.begin(name, intent, Rules::default())
        }

        fn part(&self, name: &str, intent: Intent) -> Part<RealDisk> {
            match self.begin_plain(name, intent).unwrap() {
                Begun::Part(part) => part,
                Begun::There(_) => panic!("{name} is there"),
            }
        }
    }

    /// `new`, received.
    fn fill(mut part: Part<RealDisk>) -> Result<blake3::Hash, Failure> {
        let hash = blake3::hash(b"new");
        let group = super::super::assembly::Group { index: 0, buffer: b"new".into(), length: 3 };
        assert!(part.save(&[Arrived { group, hash: hash.into() }]).unwrap().is_empty());
        part.commit(hash.into())
    }

    fn root() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        (temp, folder)
    }

    #[test]
    fn row_22_a_link_out_of_the_root_is_not_followed() {
        let (temp, folder) = root();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(outside.path(), temp.path().join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().parent().unwrap(), temp.path().join("dir")).unwrap();
        assert_eq!(folder.source("out").unwrap_err().code, Code::Missing);
        assert_eq!(
            folder
                .source(&format!("dir/{}", outside.path().file_name().unwrap().to_str().unwrap()))
                .unwrap_err()
                .code,
            Code::Missing
        );
        assert!(folder.begin_plain("dir/new", INTENT).is_err());
    }

    #[test]
    fn row_57_hidden_special_and_outside_files_answer_as_missing() {
        let (temp, folder) = root();
        std::fs::write(temp.path().join(".secret"), "x").unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            temp.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let texts: Vec<String> = [".secret", "fifo", "../x", "absent"]
            .iter()
            .map(|name| folder.source(name).unwrap_err().to_string().replace(name, "N"))
            .collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        assert!(!texts[0].contains(temp.path().to_str().unwrap()));
    }

    #[test]
    fn row_6_an_existing_file_is_not_touched() {
        let (temp, folder) = root();
        std::fs::write(temp.path().join("a"), "older").unwrap();
        assert_eq!(folder.begin_plain("a", INTENT).unwrap_err().code, Code::Exists);
        // It appears only after the start: the commit still refuses.
        let part = folder.part("b", INTENT);
        std::fs::write(temp.path().join("b"), "old").unwrap();
        assert_eq!(fill(part).unwrap_err().code, Code::Exists);
        assert_eq!(std::fs::read_to_string(temp.path().join("b")).unwrap(), "old");
    }

    #[test]
    fn row_6_a_file_of_the_same_size_may_be_the_same() {
        let (temp, folder) = root();
        std::fs::write(temp.path().join("a"), "new").unwrap();
        let Begun::There(mut there) = folder.begin_plain("a", INTENT).unwrap() else { panic!("it is there") };
        assert_eq!(there.hashes(0, 9).unwrap(), [*blake3::hash(b"new").as_bytes()]);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn row_19_one_name_is_received_once_at_a_time() {
        let (_temp, folder) = root();
        let _first = folder.part("a", INTENT);
        let second = folder.begin_plain("a", INTENT).unwrap_err();
        assert_eq!((second.code, second.why.as_str()), (Code::Receiving, "`a` is being received already"));
    }

    #[test]
    fn row_5_and_14_more_than_fits_is_refused_and_leaves_nothing() {
        let (temp, folder) = root();
        for size in [u64::MAX, 1 << 61, 1 << 55] {
            let failure = folder.begin_plain("a", Intent { size, ..INTENT }).unwrap_err();
            assert_eq!(failure.code, Code::Full, "{failure}");
        }
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn row_23_the_name_appears_at_the_commit_and_a_link_in_the_way_is_replaced_itself() {
        let (temp, folder) = root();
        let target = temp.path().join("target");
        std::fs::write(&target, "keep").unwrap();
        std::os::unix::fs::symlink(&target, temp.path().join("a")).unwrap();
        std::fs::hard_link(&target, temp.path().join("b")).unwrap();
        for name in ["a", "b"] {
            fill(folder.part(name, Intent { replace: true, ..INTENT })).unwrap();
            assert_eq!(std::fs::read_to_string(temp.path().join(name)).unwrap(), "new");
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
        }
    }

    #[test]
    fn row_23_a_part_that_is_no_plain_file_of_its_own_is_not_written_to() {
        let (temp, folder) = root();
        let target = temp.path().join("target");
        std::fs::write(&target, "keep").unwrap();
        std::os::unix::fs::symlink(&target, temp.path().join(".a.nls-part")).unwrap();
        std::fs::hard_link(&target, temp.path().join(".b.nls-part")).unwrap();
        std::os::unix::fs::symlink(&target, temp.path().join(".c.nls-journal")).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = temp.path().join(".d.nls-part");
        rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::fs::create_dir(temp.path().join("e")).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            let large = Intent { size: 1 << 20, replace: true, ..INTENT };
            assert!(folder.begin_plain(name, large).is_err(), "{name}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
    }

    #[test]
    fn row_32_modes_are_masked_and_absurd_times_clamped() {
        use std::os::unix::fs::MetadataExt;
        let (temp, folder) = root();
        let now = std::time::SystemTime::now();
        for (name, executable, modified) in [("a", true, 1_500_000_000), ("b", false, u64::MAX)] {
            fill(folder.part(name, Intent { modified, executable, ..INTENT })).unwrap();
            let metadata = std::fs::metadata(temp.path().join(name)).unwrap();
            assert_eq!(metadata.mode() & 0o7777, if executable { 0o755 } else { 0o644 });
            assert!(metadata.modified().unwrap() < now + std::time::Duration::from_hours(25));
        }
        assert_eq!(std::fs::metadata(temp.path().join("a")).unwrap().mtime_nsec(), 500_000_000);
    }

    #[test]
    fn row_58_a_long_folder_comes_in_pages_in_a_stable_order() {
        let (temp, folder) = root();
        for n in 0..600 {
            std::fs::write(temp.path().join(format!("f{n:04}")), "").unwrap();
        }
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = folder.entries("", &after).unwrap();
            names.extend(page.entries.into_iter().map(|entry| entry.name));
            if !page.more {
                break;
            }
            after = names.last().unwrap().clone();
        }
        assert!(names.iter().cloned().eq((0..600).map(|n| format!("f{n:04}"))));
    }
}
