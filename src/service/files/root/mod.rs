//! Files below a root folder. Every path from a peer is opened by the kernel relative to the root's handle (`cap-std`,
//! openat2 on Linux): no name and no link can leave the root, and there is no separate check that could race with the
//! open. All functions block: call them on a blocking thread.
//!
//! | file | holds |
//! |---|---|
//! | `entry` | what is in a folder |
//! | `source` | an open file that is sent |
//! | `filling` | folders and links that peers make |
//! | `options` | `root` and `hidden`, of services that share a folder |

mod entry;
mod filling;
mod options;
mod source;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};

pub(crate) use self::entry::look_of;
pub(super) use self::entry::{RootEntry, all_names, describe};
pub(crate) use self::options::{ROOT, RootOptions};
pub(crate) use self::source::{Source, local_source, stamp};
use super::disk::{PATH_LIMIT, RealDisk, Root, Space, Way, is_same, reopen};
use super::errors::{self, unreadable};
use super::name::{Rules, components, is_hidden, is_scaffold, written};
use super::protocol::Entry;
use super::turns::Readings;
use crate::base::open::NO_WAIT;
use crate::report::Failure;
use crate::service::ftp::protocol::Mode;
use crate::service::ftp::storage::part::{self, Begun, Intent};
use crate::wire::Code;

/// A root folder in which names from a peer are resolved.
#[derive(Debug)]
pub(crate) struct Folder {
    root: Arc<Root>,
    pub(crate) path: PathBuf,
    /// Hidden files can be listed and requested.
    hidden: bool,
    pub(super) readings: Readings,
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
        options.read(true).custom_flags(NO_WAIT);
        let opened = if name.len() < PATH_LIMIT {
            self.root.dir.open_with(parts.iter().collect::<PathBuf>(), &options)
        } else {
            let (last, folders) = parts.split_last().expect("a name has a component: checked above");
            self.root.descend(folders).and_then(|dir| dir.open_with(last, &options))
        };
        let file = opened.map_err(|error| unreadable(&error, name))?;
        source::source(file.into_std())?.ok_or_else(|| errors::no_such_file(name))
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
        let found = |name: &OsStr| {
            let stat = entry::stat(&dir, name).ok()?;
            entry::entry(written(name), &stat)
        };
        Ok(names.filter_map(found).collect())
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

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    u64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(rest)).unwrap_or(0)
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
