//! Files below a root folder. Every path from a peer is opened by the kernel relative to the root's handle (`cap-std`,
//! openat2 on Linux): no name and no link can leave the root, and there is no separate check that could race with the
//! open. All functions block: call them on a blocking thread.

use crate::language::Keyword;
use crate::language::Kind;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt};
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::disk::{PATH_LIMIT, RealDisk, Root, Space, Way, granted, is_same, os, reopen};
use super::errors;
use super::name::{Rules, components, is_hidden, is_scaffold, raw, stays_inside, written};
use super::protocol::{Entry, EntryKind};
use super::turns::Readings;
use crate::base::escape::escape_line;
use crate::language::{Arguments, FromArguments};
use crate::report::Failure;
use crate::service::contract::errors::file_exists;
use crate::service::ftp::protocol::Mode;
use crate::service::ftp::storage::part::{self, Begun, Intent};
use crate::wire::Code;

/// Mode of a folder while a transfer fills it: for its owner only, with the sticky bit as a mark (without effect on a
/// folder that only its owner enters). A later attempt recognises the folder by it, and no peer can widen the
/// permissions of a folder that existed before.
const FILLING: u32 = 0o1700;

/// A root folder in which names from a peer are resolved.
#[derive(Debug)]
pub(crate) struct Folder {
    root: Arc<Root>,
    pub(crate) path: PathBuf,
    /// Hidden files can be listed and requested.
    hidden: bool,
    pub(super) readings: Readings,
}

/// An open file to send.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) mode: Mode,
    /// Its state when it was opened, before any of it was read.
    pub(crate) state: std::fs::Metadata,
}

/// An entry of a folder.
pub(crate) enum RootEntry {
    Entry(Entry),
    Hidden(Entry),
    /// A device, a FIFO or a socket.
    Special,
    /// It exists but cannot be examined: its name, and why.
    Unreadable(String, Failure),
}

/// Tells a peer that a file cannot be read at present (a list shows it anyway). Any other error is answered as a
/// missing file.
fn unreadable(error: &io::Error, name: &str) -> Failure {
    let told = [Errno::ACCESS, Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO];
    if told.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
        return errors::file_unreadable(name, error);
    }
    errors::no_such_file(name)
}

impl Folder {
    /// Opens a root folder that the user named. `hidden`: hidden files in it can be requested too.
    pub(crate) fn open(path: &Path, hidden: bool) -> Result<Self, Failure> {
        Self::open_root(path, hidden, true)
    }

    /// Opens a local folder that receives data from a peer: no link in it is followed.
    pub(crate) fn open_to_receive(path: &Path) -> Result<Self, Failure> {
        Self::open_root(path, true, false)
    }

    fn open_root(path: &Path, hidden: bool, follows: bool) -> Result<Self, Failure> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
            let failure = Failure::io(&error, format!("folder {}", path.display()));
            match error.kind() {
                ErrorKind::NotFound => failure.fix("name a folder that exists with `root DIR`"),
                _ => failure,
            }
        })?;
        Ok(Self {
            root: Arc::new(Root::new(dir, follows)),
            path: path.into(),
            hidden,
            readings: Readings::default(),
        })
    }

    pub(crate) const fn shows_hidden(&self) -> bool {
        self.hidden
    }

    /// The components of a requested name; `None` if the name is invalid or must not be reached (part, journal,
    /// hidden).
    pub(super) fn asked(&self, name: &str) -> Option<Vec<OsString>> {
        let parts = components(name).ok()?;
        let secret = |part: &OsString| is_scaffold(part) || is_hidden(part) && !self.hidden;
        (!parts.iter().any(secret)).then_some(parts)
    }

    /// Opens a file that a peer requests.
    pub(crate) fn source(&self, name: &str) -> Result<Source, Failure> {
        let parts = self.asked(name).ok_or_else(|| errors::no_such_file(name))?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nonblocking());
        let opened = if name.len() < PATH_LIMIT {
            self.root.dir.open_with(parts.iter().collect::<PathBuf>(), &options)
        } else {
            let (last, folders) = parts.split_last().expect("a name has a component: checked above");
            self.root.descend(folders).and_then(|dir| dir.open_with(last, &options))
        };
        let file = opened.map_err(|error| unreadable(&error, name))?;
        source(file.into_std())?.ok_or_else(|| errors::no_such_file(name))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn handle(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.root.dir)
    }

    /// A handle that can be synced.
    pub(crate) fn reopen(&self) -> io::Result<std::os::fd::OwnedFd> {
        reopen(&self.root.dir)
    }

    /// Time of the last change to the folder's entries (nanoseconds since 1970), and its permissions.
    pub(crate) fn look(&self) -> (u64, Mode) {
        look_of(&self.root.dir)
    }

    /// Fails if nothing can be stored on the folder's file system: it is mounted read-only.
    pub(crate) fn check_writable(&self) -> Result<(), Failure> {
        let what = || format!("folder {}", self.path.display());
        let handle = self.reopen().map_err(|error| Failure::io(&error, what()))?;
        match rustix::fs::fstatvfs(&handle) {
            Ok(system) if system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => {
                Err(Failure::io(&rustix::io::Errno::ROFS.into(), what()))
            }
            _ => Ok(()),
        }
    }

    /// Claims space for `bytes` on the folder's file system, or fails if they do not fit.
    pub(crate) fn claim_space(&self, bytes: u64) -> Result<Space, Failure> {
        let handle =
            self.reopen().map_err(|error| Failure::io(&error, format!("folder {}", self.path.display())))?;
        Space::claim(&File::from(handle), bytes)
    }

    /// Opens a folder in order to list it.
    pub(super) fn open_to_list(&self, path: &str) -> Result<Dir, Failure> {
        if self.root.is_removed() {
            return Err(errors::root_gone());
        }
        let absent = || errors::no_such_folder(path);
        self.folder(path).ok_or_else(absent)?.map_err(|error| match unreadable(&error, path) {
            failure if failure.code == Code::Missing => absent(),
            failure => failure,
        })
    }

    /// Opens a folder below the root; `None` if the name is invalid or must not be reached.
    pub(crate) fn folder(&self, name: &str) -> Option<io::Result<Dir>> {
        if name.is_empty() || name == "." {
            return Some(self.root.dir.try_clone());
        }
        Some(self.root.descend(&self.asked(name.trim_end_matches('/'))?))
    }

    /// True if the name is that of this other root, or leads to it.
    pub(crate) fn leads_to(&self, name: &str, other: &Self) -> bool {
        self.folder(name).and_then(Result::ok).is_some_and(|there| is_same(&there, &other.root.dir))
    }

    /// Creates a folder that is about to be filled; if it exists, checks that no link leads to it. True if it existed.
    pub(crate) fn make(&self, path: &str, rules: Rules) -> Result<bool, Failure> {
        let what = || format!("folder {}", escape_line(path));
        let failed = |error: &io::Error| Failure::io(error, what()).fix("choose another name");
        let (parts, (RealDisk { dir, .. }, last)) = (components(path)?, self.place(path, rules)?);
        self.root.check_no_links(&parts[..parts.len() - 1]).map_err(|error| failed(&error))?;
        match dir.create_dir_with(os(last), DirBuilder::new().mode(FILLING)) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.real_folder(path).map(|_| true).map_err(|_| failed(&error))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Opens a folder; fails if the folder or one of its parents is a symbolic link.
    fn real_folder(&self, path: &str) -> io::Result<Dir> {
        let parts = components(path).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        self.root.check_no_links(&parts)?;
        self.root.descend(&parts)
    }

    /// Sets the time of a filled folder, and its permissions if a transfer created it. Those of other folders stay.
    pub(crate) fn finish(&self, path: &str, modified: u64, mode: Mode, rules: Rules) -> Result<(), Failure> {
        rules.check(path, &components(path)?)?;
        let failed = |error: io::Error| Failure::io(&error, format!("folder {}", escape_line(path)));
        let made = self.real_folder(path).map_err(failed)?;
        super::disk::set_look(&made, modified, is_filling(&made).then(|| granted(mode))).map_err(failed)
    }

    /// Creates a symbolic link with the sender's target, which must stay inside. True if the same link existed already.
    pub(crate) fn link(
        &self,
        path: &str,
        target: &str,
        replace: bool,
        rules: Rules,
    ) -> Result<bool, Failure> {
        let parts = components(path)?;
        let target = raw(target)
            .filter(|inside| stays_inside(&parts, inside, rules.hidden))
            .ok_or_else(|| errors::link_leads_out(path, target))?;
        self.root
            .check_no_links(&parts[..parts.len() - 1])
            .map_err(|error| Failure::io(&error, "the folder of a link"))?;
        let (RealDisk { dir, .. }, last) = self.place(path, rules)?;
        let name = os(last);
        let failed = |error: io::Error| Failure::io(&error, format!("link {}", escape_line(path)));
        match dir.read_link_contents(&name) {
            Ok(there) if there.as_os_str() == target => return Ok(true),
            Ok(_) if replace => dir.remove_file(&name).map_err(failed)?,
            _ => {}
        }
        rustix::fs::symlinkat(&target, &dir, &name).map_err(|errno| match errno {
            Errno::EXIST => file_exists(escape_line(path)),
            errno => failed(errno.into()),
        })?;
        Ok(false)
    }

    /// Gives `take` the names in a folder that a list shows, in any order, as many as it wants; false if there are more.
    pub(crate) fn names(
        &self,
        path: &str,
        most: usize,
        mut take: impl FnMut(&OsStr),
    ) -> Result<bool, Failure> {
        let mut count = 0;
        all_names(&self.open_to_list(path)?, path, |name| {
            if !is_scaffold(name) && (self.hidden || !is_hidden(name)) {
                count += 1;
                take(name);
            }
            count <= most
        })?;
        Ok(count <= most)
    }

    /// The entries with these names. Those that vanished meanwhile, links and special files are left out.
    pub(crate) fn entries<'n>(
        &self,
        path: &str,
        names: impl Iterator<Item = &'n OsStr>,
    ) -> Result<Vec<Entry>, Failure> {
        let dir = self.folder(path).and_then(Result::ok).ok_or_else(|| errors::no_such_file(path))?;
        let entry = |name: &OsStr| {
            let stat = stat(&dir, name).ok()?;
            entry(written(name), &stat)
        };
        Ok(names.filter_map(entry).collect())
    }

    /// Begins to receive a file, or resumes an incomplete one.
    pub(crate) fn begin(&self, name: &str, intent: Intent, rules: Rules) -> Result<Begun<RealDisk>, Failure> {
        let (disk, last) = self.place(name, rules)?;
        part::begin(disk, last, intent)
    }

    /// Opens the folder that a new file goes to; returns it with the file's own name.
    pub(crate) fn place<'a>(&self, name: &'a str, rules: Rules) -> Result<(RealDisk, &'a str), Failure> {
        let parts = components(name)?;
        rules.check(name, &parts)?;
        let above = &parts[..parts.len() - 1];
        let unusable = |error| {
            if self.root.is_removed() { errors::root_gone() } else { errors::parent_unusable(name, &error) }
        };
        let dir = self.root.descend(above).map_err(unusable)?;
        let last = name.rsplit('/').next().unwrap_or(name);
        rules.check_clash(&dir, last)?;
        Ok((RealDisk::new(dir, Way::new(&self.root, above)), last))
    }
}

/// Gives `take` all names in a folder, in any order, until it returns false.
pub(super) fn all_names(dir: &Dir, path: &str, mut take: impl FnMut(&OsStr) -> bool) -> Result<(), Failure> {
    for entry in dir.entries().map_err(|error| unreadable(&error, path))? {
        if !take(&entry.map_err(|error| unreadable(&error, path))?.file_name()) {
            break;
        }
    }
    Ok(())
}

/// The open file as a source; `None` if it is not a regular file. A file in `/proc` or `/sys` reports a size of 0 or of a
/// page, and has other content: it must not be sent as an empty file, nor wait for what never comes.
fn source(file: File) -> Result<Option<Source>, Failure> {
    let Ok(mut metadata) = file.metadata() else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() == 0
        && std::os::unix::fs::FileExt::read_at(&file, &mut [0], 0).is_ok_and(|read| read > 0)
    {
        // An ordinary file may have grown since.
        metadata = file.metadata().map_err(|error| Failure::io(&error, "the file"))?;
        if metadata.len() == 0 {
            return Err(errors::size_unknown());
        }
    }
    let is_elsewhere = metadata.len() > 0 && metadata.blocks() == 0;
    if is_elsewhere
        && std::os::unix::fs::FileExt::read_at(&file, &mut [0], metadata.len() - 1)
            .is_ok_and(|read| read == 0)
    {
        return Err(errors::size_unknown());
    }
    Ok(Some(Source::of(file, metadata)))
}

impl Source {
    fn of(file: File, state: std::fs::Metadata) -> Self {
        let mode = (state.mode() & 0o777) as Mode;
        Self { size: state.len(), modified: stamp(&state), mode, state, file }
    }

    /// A regular file that has bytes, as the system knows it: one whose size it gives as 0 has to be read to be sure.
    #[cfg(target_os = "linux")]
    pub(super) fn in_memory(file: File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        (metadata.is_file() && metadata.len() > 0).then(|| Self::of(file, metadata))
    }
}

/// Time of the last modification in nanoseconds since 1970; 0 for earlier times.
pub(crate) fn stamp(metadata: &std::fs::Metadata) -> u64 {
    nanoseconds(metadata.mtime(), metadata.mtime_nsec())
}

/// Time of the last change to the folder's entries (nanoseconds since 1970), and its permissions.
pub(crate) fn look_of(dir: &Dir) -> (u64, Mode) {
    use cap_std::fs::MetadataExt as _;
    dir.dir_metadata().map_or((0, 0o700), |metadata| {
        (nanoseconds(metadata.mtime(), metadata.mtime_nsec()), (metadata.mode() & 0o777) as Mode)
    })
}

fn is_filling(dir: &Dir) -> bool {
    use cap_std::fs::MetadataExt as _;
    dir.dir_metadata().is_ok_and(|metadata| metadata.mode() & 0o7777 == FILLING)
}

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    u64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(rest)).unwrap_or(0)
}

/// A local file that the user wants to send (rows 1 and 3).
pub(crate) fn local_source(path: &Path) -> Result<Source, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failure::io(&error, format!("send {shown}"));
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(errors::not_a_file_but_a_folder().of(format!("send {shown}")));
    }
    if !metadata.is_file() {
        return Err(errors::not_a_regular_file().of(format!("send {shown}")));
    }
    let file = File::options().read(true).custom_flags(nonblocking()).open(path).map_err(failed)?;
    let source = source(file).map_err(|failure| failure.of(format!("send {shown}")))?;
    source.ok_or_else(|| errors::no_longer_a_regular_file().of(format!("send {shown}")))
}

/// `O_NONBLOCK`: opening a FIFO must not hang.
fn nonblocking() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits() as i32
}

/// Describes an entry of a folder; `None` if it vanished meanwhile. A part or a journal of nls is something special.
pub(super) fn describe(dir: &Dir, own: &OsStr) -> Option<RootEntry> {
    if is_scaffold(own) {
        return Some(RootEntry::Special);
    }
    let name = written(own);
    let stat = match stat(dir, own) {
        Ok(stat) => stat,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(RootEntry::Unreadable(name.clone(), unreadable(&error, &name))),
    };
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => link_entry(dir, own, &stat)?,
        _ => match entry(name, &stat) {
            Some(entry) => entry,
            None => return Some(RootEntry::Special),
        },
    };
    Some(if is_hidden(own) { RootEntry::Hidden(found) } else { RootEntry::Entry(found) })
}

/// What the system says of something in a folder; a link is not followed.
fn stat(dir: &Dir, name: &OsStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// `None` if it is neither a file nor a folder.
fn entry(name: String, stat: &Stat) -> Option<Entry> {
    let (kind, size) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => (EntryKind::File, u64::try_from(stat.st_size).unwrap_or(0)),
        FileType::Directory => (EntryKind::Folder, 0),
        _ => return None,
    };
    let (mode, modified) = ((stat.st_mode & 0o777) as Mode, modified(stat));
    Some(Entry { name, kind, mode, size, modified })
}

/// Nanoseconds since 1970.
fn modified(stat: &Stat) -> u64 {
    nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

fn link_entry(dir: &Dir, name: &OsStr, stat: &Stat) -> Option<Entry> {
    let target = written(dir.read_link_contents(name).ok()?.as_os_str());
    let modified = modified(stat);
    Some(Entry { name: written(name), kind: EntryKind::Link(target), mode: 0o777, size: 0, modified })
}

/// `root`, of services that share a folder.
pub(crate) const ROOT: Keyword =
    Keyword::new("root", Kind::Path, "the folder to serve").default("the current folder");

/// The folder that a server shares: of `listen … ftp` and `listen … stream`.
pub(crate) struct RootOptions {
    /// As it was given; `None`: the current folder.
    pub(crate) root: Option<String>,
    pub(crate) hidden: bool,
}

impl RootOptions {
    /// Opens the shared folder; relative paths are relative to `directory`.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub(crate) fn open(&self, directory: &Path) -> Result<Folder, Failure> {
        let root = self.root.as_ref().map_or_else(|| directory.to_owned(), |root| directory.join(root));
        // Without `.` in it, as it is shown.
        let root: PathBuf = root.components().collect();
        Folder::open(&root, self.hidden)
    }
}

impl FromArguments for RootOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { root: arguments.text("root").map(str::to_owned), hidden: arguments.flag("hidden") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
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
        assert!(folder.begin("dir/new", Intent::new(3, 1), Rules::default()).is_err());
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
    fn row_22_a_link_is_made_only_where_it_stays_inside() {
        let (temp, folder) = root();
        let rules = Rules::default();
        std::fs::create_dir(temp.path().join("d")).unwrap();
        std::os::unix::fs::symlink(".", temp.path().join("loop")).unwrap();
        assert!(!folder.link("d/l", "../a", false, rules).unwrap());
        assert!(folder.link("d/l", "../a", false, rules).unwrap(), "it is there");
        for (path, target) in
            [("out", "../x"), ("d/out", "../../x"), ("abs", "/etc"), ("loop/up", "../x"), (".h", "a")]
        {
            assert!(folder.link(path, target, false, rules).is_err(), "{path} -> {target}");
        }
        assert!(folder.make("loop/new", rules).is_err() && !temp.path().join("new").exists());
        assert_eq!(folder.link("d/l", "../b", false, rules).unwrap_err().code, Code::Exists);
        folder.link("d/l", "../b", true, rules).unwrap();
        assert_eq!(std::fs::read_link(temp.path().join("d/l")).unwrap(), Path::new("../b"));
    }

    #[test]
    fn row_58_a_long_folder_is_read_once_and_comes_in_a_stable_order() {
        let (temp, folder) = root();
        for n in 0..600 {
            std::fs::write(temp.path().join(format!("f{n:04}")), "").unwrap();
        }
        std::fs::write(temp.path().join(".hidden"), "").unwrap();
        std::fs::write(temp.path().join(".f.nls-part"), "").unwrap();
        let mut names = Vec::new();
        assert!(folder.names("", 600, |name| names.push(name.to_owned())).unwrap());
        assert!(!folder.names("", 599, |_| {}).unwrap());
        names.sort();
        let page = |page: &[OsString]| folder.entries("", page.iter().map(OsString::as_os_str)).unwrap();
        let entries: Vec<Entry> = names.chunks(256).flat_map(page).collect();
        assert!(entries.iter().map(|entry| entry.name.clone()).eq((0..600).map(|n| format!("f{n:04}"))));
    }
}
