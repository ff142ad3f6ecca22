//! Files below a root. Every path of a peer is opened by the kernel relative to the root's handle (`cap-std`,
//! openat2 on Linux), so that no name and no link leads out, and there is no check before the open to race with.
//!
//! A file that is being received stands beside its name as `.NAME.nls-part`, locked; it gets its name when it is
//! whole and verified (FAULTS N1, N2). All of this blocks: call it on a blocking thread.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::name::{PART_PREFIX, PART_SUFFIX, components};
use crate::base::quantity::show_size;
use crate::language::Arguments;
use crate::report::{Failure, reason};
use crate::service::Context;
use crate::wire::Code;
use crate::wire::listing::{Entries, Entry, PAGE_LIMIT};

/// Larger files are refused: no file system holds them, and sums of offsets cannot wrap.
const FILE_LIMIT: u64 = 1 << 60;
/// How often a part may be taken away between its opening and its locking.
const PART_ATTEMPTS: usize = 10;
/// Times beyond now and this are clamped (FAULTS row 32).
const CLOCK_SKEW: Duration = Duration::from_hours(24);

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
    /// Seconds since 1970.
    pub(crate) modified: u64,
}

/// A file that is being received.
#[derive(Debug)]
pub(super) struct Part {
    dir: Dir,
    pub(super) file: File,
    part_name: String,
    final_name: String,
    replace: bool,
    fast: bool,
    modified: u64,
}

/// Row 5: what cannot fit where `file` lies is refused before it travels.
pub(crate) fn check_space(file: &File, size: u64) -> Result<(), Failure> {
    let free =
        rustix::fs::fstatvfs(file).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if size > FILE_LIMIT || size > free {
        let why = format!("not enough space: {} are needed, {} are free", show_size(size), show_size(free));
        return Err(Failure::new(Code::Full, why).fix("free some space"));
    }
    Ok(())
}

/// How a new file is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intent {
    pub(super) size: u64,
    pub(super) modified: u64,
    pub(super) replace: bool,
    pub(super) fast: bool,
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

    /// A page of a folder, sorted by name, behind the name `after`.
    pub(crate) fn entries(&self, path: &str, after: &str) -> Result<Entries, Failure> {
        let absent = || {
            Failure::new(
                Code::Missing,
                format!("there is no folder `{}`", crate::base::escape::escape_line(path)),
            )
        };
        let folder = if path.is_empty() || path == "." {
            self.dir.try_clone()
        } else {
            self.dir.open_dir(
                components(path.trim_end_matches('/')).map_err(|_| absent())?.iter().collect::<PathBuf>(),
            )
        };
        let folder = folder.map_err(|_| absent())?;
        let mut page: std::collections::BTreeMap<String, Entry> = std::collections::BTreeMap::new();
        let mut more = false;
        for entry in folder.entries().map_err(|_| absent())? {
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

    /// Begins a new file. Everything that can be refused is refused here, before any data.
    pub(super) fn begin(&self, name: &str, intent: Intent) -> Result<Part, Failure> {
        let parts = components(name)?;
        let (last, folders) = parts.split_last().expect("a name has a component: checked above");
        let dir = if folders.is_empty() {
            self.dir.try_clone()
        } else {
            self.dir.open_dir(folders.iter().collect::<PathBuf>())
        };
        let dir = dir.map_err(|error| {
            Failure::new(Code::Missing, format!("the folder of `{name}` cannot be used: {}", reason(&error)))
        })?;
        Part::begin(dir, last, intent)
    }
}

/// A regular file, by what was really opened.
fn source(file: File) -> Option<Source> {
    let metadata = file.metadata().ok()?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |d| d.as_secs());
    metadata.is_file().then(|| Source { size: metadata.len(), modified, file })
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

fn describe(entry: &cap_std::fs::DirEntry) -> Option<Entry> {
    let name = entry.file_name().into_string().ok()?;
    components(&name).ok()?;
    let metadata = entry.metadata().ok()?;
    if !metadata.is_file() && !metadata.is_dir() {
        return None;
    }
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok())
        .map_or(0, |d| d.as_secs());
    let folder = metadata.is_dir();
    Some(Entry { name, folder, size: if folder { 0 } else { metadata.len() }, modified })
}

impl Part {
    fn begin(dir: Dir, name: &str, intent: Intent) -> Result<Self, Failure> {
        if !intent.replace && dir.symlink_metadata(name).is_ok() {
            return Err(Failure::new(Code::Exists, format!("`{name}` exists"))
                .fix("add `replace`, or choose another name"));
        }
        if intent.replace && dir.symlink_metadata(name).is_ok_and(|known| known.is_dir()) {
            return Err(
                Failure::new(Code::Exists, format!("`{name}` is a folder")).fix("choose another name")
            );
        }
        let part_name = format!("{PART_PREFIX}{name}{PART_SUFFIX}");
        let file = lock_part(&dir, &part_name, name)?;
        file.set_len(0).map_err(|error| Failure::io(&error, part_name.as_str()))?;
        let part = Self {
            dir,
            file,
            part_name,
            final_name: name.into(),
            replace: intent.replace,
            fast: intent.fast,
            modified: intent.modified,
        };
        if let Err(failure) = check_space(&part.file, intent.size) {
            part.discard();
            return Err(failure);
        }
        Ok(part)
    }

    /// Removes a part that holds nothing.
    pub(super) fn discard(self) {
        drop(self.dir.remove_file(&self.part_name));
    }

    /// Where the bytes are that did come.
    pub(super) fn kept_as(&self) -> &str {
        &self.part_name
    }

    /// The hash is wrong: kept aside for whoever wants to look (row 28).
    pub(super) fn reject(self) -> String {
        let bad = format!("{}.bad", self.part_name);
        match self.dir.rename(&self.part_name, &self.dir, &bad) {
            Ok(()) => bad,
            Err(_) => self.part_name,
        }
    }

    /// Gives the file its name: file sync, rename, directory sync; only then it is done (row 13).
    pub(super) fn commit(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io(&error, format!("commit {}", self.final_name));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        self.file.set_permissions(mode).map_err(failed)?;
        self.file.set_modified(clamp(self.modified)).map_err(failed)?;
        if !self.fast {
            self.file.sync_all().map_err(failed)?;
        }
        self.rename().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::new(
                Code::Exists,
                format!("`{}` appeared meanwhile; the part is kept as `{}`", self.final_name, self.part_name),
            ),
            _ => failed(error),
        })?;
        if !self.fast {
            self.sync_folder().map_err(failed)?;
        }
        Ok(())
    }

    /// The handle itself is only a place to open from (`O_PATH`): syncing needs a real one.
    fn sync_folder(&self) -> std::io::Result<()> {
        use rustix::fs::{Mode, OFlags, fsync, openat};
        let folder =
            openat(&self.dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        fsync(folder).map_err(Into::into)
    }

    fn rename(&self) -> std::io::Result<()> {
        if self.replace {
            return self.dir.rename(&self.part_name, &self.dir, &self.final_name);
        }
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(
            &self.dir,
            &self.part_name,
            &self.dir,
            &self.final_name,
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            other => return other.map_err(Into::into),
        }
        // A link never replaces; then the part's own name goes.
        self.dir.hard_link(&self.part_name, &self.dir, &self.final_name)?;
        self.dir.remove_file(&self.part_name)
    }
}

/// Opens and locks a part. Between the two its last owner may have given it its name: then the lock is on the
/// published file, and another part must be made.
fn lock_part(dir: &Dir, part_name: &str, name: &str) -> Result<File, Failure> {
    let receiving = || {
        let failure = Failure::new(Code::Receiving, format!("`{name}` is being received already"));
        failure.fix("wait for it, or choose another name")
    };
    for _ in 0..PART_ATTEMPTS {
        let file = open_part(dir, part_name)?;
        if file.try_lock().is_err() {
            return Err(receiving());
        }
        let (mine, there) = (
            rustix::fs::fstat(&file),
            rustix::fs::statat(dir, part_name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW),
        );
        if let (Ok(mine), Ok(there)) = (mine, there)
            && (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
        {
            return Ok(file);
        }
    }
    Err(receiving())
}

/// A part left by an earlier transfer is taken over; anything but a plain file is not (row 23).
fn open_part(dir: &Dir, name: &str) -> Result<File, Failure> {
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Failure::new(Code::Policy, format!("the folder cannot be written to: {}", reason(error)))
        }
        _ => Failure::io(error, name),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    match dir.open_with(name, &options) {
        Ok(file) => Ok(file.into_std()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(true)
                .custom_flags((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits() as i32);
            let file = dir.open_with(name, &options).map_err(|error| failed(&error))?.into_std();
            match file.metadata() {
                Ok(metadata) if metadata.is_file() => Ok(file),
                _ => Err(Failure::new(Code::Policy, format!("`{name}` is in the way and is no plain file"))
                    .fix("remove it")),
            }
        }
        Err(error) => Err(failed(&error)),
    }
}

fn clamp(modified: u64) -> SystemTime {
    let limit = SystemTime::now() + CLOCK_SKEW;
    UNIX_EPOCH.checked_add(Duration::from_secs(modified)).map_or(limit, |time| time.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const INTENT: Intent = Intent { size: 3, modified: 1, replace: false, fast: true };

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
        assert!(folder.begin("dir/new", INTENT).is_err());
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
        std::fs::write(temp.path().join("a"), "old").unwrap();
        assert_eq!(folder.begin("a", INTENT).unwrap_err().code, Code::Exists);
        // It appears only after the start: the commit still refuses.
        let mut part = folder.begin("b", INTENT).unwrap();
        part.file.write_all(b"new").unwrap();
        std::fs::write(temp.path().join("b"), "old").unwrap();
        assert_eq!(part.commit().unwrap_err().code, Code::Exists);
        assert_eq!(std::fs::read_to_string(temp.path().join("b")).unwrap(), "old");
    }

    #[test]
    fn row_19_one_name_is_received_once_at_a_time() {
        let (_temp, folder) = root();
        let _first = folder.begin("a", INTENT).unwrap();
        assert_eq!(folder.begin("a", INTENT).unwrap_err().code, Code::Receiving);
    }

    #[test]
    fn row_5_more_than_fits_is_refused_and_leaves_nothing() {
        let (temp, folder) = root();
        assert_eq!(folder.begin("a", Intent { size: u64::MAX, ..INTENT }).unwrap_err().code, Code::Full);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_name_appears_at_the_commit_and_a_link_in_the_way_is_replaced_itself() {
        let (temp, folder) = root();
        let target = temp.path().join("target");
        std::fs::write(&target, "keep").unwrap();
        std::os::unix::fs::symlink(&target, temp.path().join("a")).unwrap();
        let mut part = folder.begin("a", Intent { replace: true, ..INTENT }).unwrap();
        part.file.write_all(b"new").unwrap();
        part.commit().unwrap();
        assert_eq!(std::fs::read_to_string(temp.path().join("a")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
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
