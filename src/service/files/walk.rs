//! Lists everything below a folder, in order. Links are not followed. Special files are left out and counted, as are
//! hidden files and links unless they are wanted. Unreadable entries are reported, and the rest goes on. Everything
//! blocks.

use std::ffi::OsStr;

use cap_std::fs::{Dir, MetadataExt as _};

use super::errors;
use super::name::{components, raw, stays_inside};
use super::names::{LEAST, NAMES, Name, Names, Reading};
use super::protocol::{Entry, EntryKind, LIST_LIMIT, PAGE_LIMIT, Walked};
use super::root::{Folder, RootEntry, all_names, describe};
use crate::base::Budget;
use crate::report::Failure;
use crate::wire::NAME_LIMIT;

/// Most levels of folders in folders.
const DEPTH_LIMIT: usize = 60;
/// Least bytes of names of a folder in a folder, and fewest entries of it, that are held at a time: a walk holds those
/// of all folders on its way, of each half as much as of the one above it.
const LEAST_BELOW: usize = 4 << 10;
const FEWEST_BELOW: usize = 16;

/// Bytes of names in one page: it must fit a frame.
const PAGE_BYTES: usize = 256 << 10;

/// What belongs to a tree besides regular files and folders.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) hidden: bool,
    /// Links that stay inside the tree, as links.
    pub(crate) links: bool,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) folders: u64,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    pub(crate) left_out: Walked,
}

impl Count {
    pub(crate) fn add(&mut self, entry: &Entry) {
        match entry.kind {
            EntryKind::Folder => self.folders += 1,
            EntryKind::Link(_) => self.links += 1,
            _ => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(entry.size);
            }
        }
    }
}

/// One result of a walk.
pub(crate) enum Step {
    Page(Vec<Entry>),
    /// An entry that cannot be listed: its path, and why.
    Lost(String, Failure),
}

struct Walk<'a, F: FnMut(Step) -> bool, W: Fn() -> bool> {
    folder: &'a Folder,
    /// Where it begins.
    base: &'a str,
    /// For the names of its folders.
    budget: &'static Budget,
    wanted: Wanted,
    page: Vec<Entry>,
    page_bytes: usize,
    out: F,
    is_wanted: W,
    count: Count,
    /// Nobody wants more.
    gone: bool,
}

/// Passes the entries below `path` to `out` in pages, a folder before its content, each folder sorted by name. Stops
/// when `out` returns false, or `is_wanted`, which is asked more often: a folder may have many entries, and pages of none.
/// The names are relative to `path`.
pub(crate) fn walk(
    folder: &Folder,
    path: &str,
    wanted: Wanted,
    out: impl FnMut(Step) -> bool,
    is_wanted: impl Fn() -> bool,
) -> Result<Count, Failure> {
    walk_within(&NAMES, folder, path, wanted, (out, is_wanted))
}

fn walk_within(
    budget: &'static Budget,
    folder: &Folder,
    path: &str,
    wanted: Wanted,
    (out, is_wanted): (impl FnMut(Step) -> bool, impl Fn() -> bool),
) -> Result<Count, Failure> {
    let count = Count::default();
    let (page, page_bytes, gone) = (Vec::new(), 0, false);
    let base = path.trim_end_matches('/');
    let base = if base == "." { "" } else { base };
    let mut walk = Walk { folder, base, budget, wanted, page, page_bytes, out, is_wanted, count, gone };
    walk.enter("", 0)?;
    walk.turn();
    Ok(walk.count)
}

impl<F: FnMut(Step) -> bool, W: Fn() -> bool> Walk<'_, F, W> {
    /// Passes the page to `out`, unless it is empty.
    fn turn(&mut self) {
        self.page_bytes = 0;
        if !self.page.is_empty() && !self.gone {
            self.gone |= !(self.out)(Step::Page(std::mem::take(&mut self.page)));
        }
    }

    fn lost(&mut self, path: String, failure: Failure) {
        if !self.gone {
            self.gone |= !(self.out)(Step::Lost(path, failure));
        }
    }

    fn enter(&mut self, below: &str, depth: usize) -> Result<(), Failure> {
        if depth > DEPTH_LIMIT {
            return Err(errors::folders_too_deep(DEPTH_LIMIT));
        }
        let most = (PAGE_LIMIT >> depth.min(8)).max(FEWEST_BELOW);
        let mut after = None;
        loop {
            let whole = join(self.base, below);
            let dir = self.folder.open_to_list(&whole)?;
            let names = self.read(&dir, (below, depth), after)?;
            // It is not held open while what is below it is walked.
            let mut dir = Some(dir);
            for from in (0..names.len()).step_by(most) {
                let dir = dir.take().map_or_else(|| self.folder.open_to_list(&whole), Ok)?;
                for entry in self.select(&dir, names.page(from, most), (below, &whole)) {
                    self.take(entry, depth);
                    if self.gone {
                        return Ok(());
                    }
                }
            }
            after = names.end();
            if after.is_none() || self.gone {
                return Ok(());
            }
        }
    }

    /// Adds an entry to the page, and what is below it.
    fn take(&mut self, entry: Entry, depth: usize) {
        let inside = entry.is_folder().then(|| entry.name.clone());
        self.count.add(&entry);
        self.page_bytes += entry.name.len();
        self.page.push(entry);
        if self.page.len() == PAGE_LIMIT || self.page_bytes >= PAGE_BYTES {
            self.turn();
        }
        if let (Some(inside), false) = (inside, self.gone)
            && let Err(failure) = self.enter(&inside, depth + 1)
        {
            self.lost(inside, failure);
        }
    }

    /// The names in a folder, of those behind `after`, as many as there is room for.
    fn read(
        &mut self,
        dir: &Dir,
        (below, depth): (&str, usize),
        after: Option<Name>,
    ) -> Result<Names, Failure> {
        let least = (LEAST >> depth.min(8)).max(LEAST_BELOW);
        let (mut reading, mut count) = (Reading::new(self.budget, least, after), 0);
        let read = all_names(dir, below, |name| {
            reading.offer(name);
            count += 1;
            self.gone |= !(self.is_wanted)();
            count <= LIST_LIMIT && !self.gone
        });
        if self.gone {
            // Nothing of it is looked at.
            return Ok(Reading::new(self.budget, least, None).end());
        }
        match read {
            Ok(()) => {}
            Err(failure) if count == 0 => return Err(failure),
            // The rest of it goes on.
            Err(failure) => self.lost(below.to_owned(), failure),
        }
        if count > LIST_LIMIT { Err(errors::too_many_entries(LIST_LIMIT)) } else { Ok(reading.end()) }
    }

    /// The wanted ones of the entries with these names; those that vanished meanwhile are left out.
    fn select<'n>(
        &mut self,
        dir: &Dir,
        names: impl Iterator<Item = &'n OsStr>,
        (below, whole): (&str, &str),
    ) -> Vec<Entry> {
        names
            .filter_map(|name| describe(dir, name).and_then(|found| self.select_one(found, below, whole)))
            .collect()
    }

    /// The entry under its path, if it is wanted; otherwise it is counted as left out, or reported as lost. `whole`: the
    /// path of its folder.
    fn select_one(&mut self, found: RootEntry, below: &str, whole: &str) -> Option<Entry> {
        let mut entry = match found {
            RootEntry::Entry(entry) => entry,
            RootEntry::Hidden(entry) if self.wanted.hidden && self.folder.shows_hidden() => entry,
            RootEntry::Hidden(_) => {
                self.count.left_out.hidden += 1;
                return None;
            }
            RootEntry::Special => {
                self.count.left_out.special += 1;
                return None;
            }
            RootEntry::Unreadable(name, failure) => {
                self.lost(join(below, &name), failure);
                return None;
            }
        };
        let path = join(below, &entry.name);
        if let EntryKind::Link(target) = &entry.kind
            && !(self.wanted.links && is_inside(&path, target, self.wanted.hidden))
        {
            self.count.left_out.links += 1;
            return None;
        }
        if path.len() + whole.len() > NAME_LIMIT {
            self.lost(path, errors::path_too_long(NAME_LIMIT));
            return None;
        }
        entry.name = path;
        Some(entry)
    }
}

/// Bytes that the files below a folder take on the disk, including incomplete files.
pub(crate) fn size_below(dir: &Dir, depth: usize) -> u64 {
    let Ok(entries) = dir.entries() else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_file() => metadata.len().min(metadata.blocks().saturating_mul(512)),
        Ok(metadata) if metadata.is_dir() && depth < DEPTH_LIMIT => {
            dir.open_dir(entry.file_name()).map_or(0, |inner| size_below(&inner, depth + 1))
        }
        _ => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() || name.is_empty() { [folder, name].concat() } else { format!("{folder}/{name}") }
}

fn is_inside(path: &str, target: &str, hidden: bool) -> bool {
    let target = raw(target);
    target.is_some_and(|target| components(path).is_ok_and(|path| stays_inside(&path, &target, hidden)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Folder, path: &str, wanted: Wanted) -> (Vec<String>, Count) {
        names_within(&NAMES, folder, path, wanted)
    }

    fn names_within(
        budget: &'static Budget,
        folder: &Folder,
        path: &str,
        wanted: Wanted,
    ) -> (Vec<String>, Count) {
        let mut names = Vec::new();
        let out = |step| {
            match step {
                Step::Page(page) => names.extend(page.into_iter().map(|entry| entry.name)),
                Step::Lost(path, failure) => panic!("{path}: {failure}"),
            }
            true
        };
        let count = walk_within(budget, folder, path, wanted, (out, || true)).unwrap();
        (names, count)
    }

    const PLAIN: Wanted = Wanted { hidden: false, links: false };
    const ALL: Wanted = Wanted { hidden: true, links: true };

    #[test]
    fn row_22_a_walk_is_sorted_and_follows_no_link_and_counts_what_it_leaves_out() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(at("b/deep/empty")).unwrap();
        std::fs::write(at("b/deep/x"), "12345").unwrap();
        std::fs::write(at("a"), "1").unwrap();
        std::fs::write(at(".hidden"), "").unwrap();
        std::fs::write(at(".x.nls-part"), "").unwrap();
        std::os::unix::fs::symlink("/etc", at("out")).unwrap();
        std::os::unix::fs::symlink("..", at("b/loop")).unwrap();
        std::os::unix::fs::symlink("../a", at("b/up")).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        let (all, count) = names(&folder, "", PLAIN);
        assert_eq!(all, ["a", "b", "b/deep", "b/deep/empty", "b/deep/x"]);
        let left_out = Walked { links: 3, hidden: 1, special: 2 };
        assert_eq!(count, Count { files: 2, folders: 3, links: 0, bytes: 6, left_out });
        let (all, count) = names(&folder, "", ALL);
        assert_eq!(all, ["a", "b", "b/deep", "b/deep/empty", "b/deep/x", "b/up"]);
        assert_eq!(count.left_out, Walked { links: 2, hidden: 1, special: 2 }, "it is not shown here");
        let open = Folder::open(temp.path(), true).unwrap();
        let (all, count) = names(&open, "", ALL);
        assert_eq!(all, [".hidden", "a", "b", "b/deep", "b/deep/empty", "b/deep/x", "b/up"]);
        assert_eq!(count.left_out, Walked { links: 2, hidden: 0, special: 2 });
        assert_eq!(names(&folder, "b", PLAIN).0, ["deep", "deep/empty", "deep/x"]);
        assert!(walk(&folder, "out", PLAIN, |_| true, || true).is_err());
        assert!(walk(&folder, "../x", PLAIN, |_| true, || true).is_err());
    }

    #[test]
    fn every_name_of_the_file_system_is_walked_and_paths_longer_than_the_system_takes() {
        use std::os::unix::ffi::OsStrExt as _;
        let temp = tempfile::tempdir().unwrap();
        let names_there: [&[u8]; 6] =
            [b"12:30 notes", b"a\tb", b"back\\slash", b"caf\xe9", &[b'x'; 255], b"C:x"];
        for name in names_there {
            std::fs::write(temp.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        }
        let mut dir = cap_std::fs::Dir::open_ambient_dir(temp.path(), cap_std::ambient_authority()).unwrap();
        for _ in 0..22 {
            let name = "d".repeat(200);
            dir.create_dir(&name).unwrap();
            dir = dir.open_dir(&name).unwrap();
        }
        dir.write("deep", "deep").unwrap();
        let folder = Folder::open(temp.path(), false).unwrap();
        let (all, count) = names(&folder, "", PLAIN);
        assert_eq!((count.files, count.folders, count.left_out), (7, 22, Walked::default()));
        for name in all.iter().filter(|name| !name.ends_with('d')) {
            assert!(folder.source(name).is_ok(), "{name}");
        }
        // The tree is deeper than one path can name: an error of its removal must not be lost.
        temp.close().unwrap();
    }

    #[test]
    fn pages_of_every_length_are_whole_and_none_is_empty() {
        for files in [0, 1, 255, 256, 257, 511, 512, 513] {
            let temp = tempfile::tempdir().unwrap();
            (0..files).for_each(|n| std::fs::write(temp.path().join(format!("f{n:03}")), "").unwrap());
            let folder = Folder::open(temp.path(), false).unwrap();
            let mut pages = Vec::new();
            let out = |step| {
                if let Step::Page(page) = step {
                    pages.push(page.len());
                }
                true
            };
            walk(&folder, "", PLAIN, out, || true).unwrap();
            assert!(pages.iter().sum::<usize>() == files && !pages.contains(&0), "{files}: {pages:?}");
        }
    }

    #[test]
    fn row_101_a_walk_for_which_there_is_no_room_reads_its_folders_in_parts_and_finds_the_same() {
        static ROOM: Budget = Budget::new(48 << 20);
        static NO_ROOM: Budget = Budget::new(48 << 20);
        let temp = tempfile::tempdir().unwrap();
        let long = "n".repeat(200);
        for n in 0..1500 {
            std::fs::write(temp.path().join(format!("{n:04}{long}")), "").unwrap();
        }
        for (n, name) in ["0007", "0700", "a", "a/b", "a/b/c"].into_iter().enumerate() {
            std::fs::create_dir(temp.path().join(name)).unwrap();
            for file in 0..40 << n {
                std::fs::write(temp.path().join(name).join(format!("{file:04}{long}")), "").unwrap();
            }
            std::fs::write(temp.path().join(name).join(".hidden"), "").unwrap();
            std::fs::write(temp.path().join(name).join(".x.nls-part"), "").unwrap();
        }
        let folder = Folder::open(temp.path(), true).unwrap();
        let held = NO_ROOM.take(NO_ROOM.limit()).unwrap();
        let (all, count) = names_within(&ROOM, &folder, "", PLAIN);
        assert_eq!((all.len(), count.left_out.hidden, count.left_out.special), (1505 + 40 * 31, 5, 5));
        let (in_parts, counted) = names_within(&NO_ROOM, &folder, "", PLAIN);
        assert!(in_parts == all && counted == count, "{counted:?} instead of {count:?}");
        drop(held);
        assert!(ROOM.take(ROOM.limit()).is_some() && NO_ROOM.take(NO_ROOM.limit()).is_some());
    }

    #[test]
    fn who_wants_no_more_pages_gets_none() {
        let temp = tempfile::tempdir().unwrap();
        for n in 0..600 {
            std::fs::write(temp.path().join(format!("f{n:03}")), "").unwrap();
        }
        let folder = Folder::open(temp.path(), false).unwrap();
        let mut pages = 0;
        let out = |_| {
            pages += 1;
            false
        };
        walk(&folder, "", PLAIN, out, || true).unwrap();
        assert_eq!(pages, 1);
        // Who leaves before the first page does not have the whole folder read.
        let asked = std::cell::Cell::new(0);
        let leaves = || asked.replace(asked.get() + 1) < 5;
        let none = walk(&folder, "", PLAIN, |_| panic!("nobody is there"), leaves).unwrap();
        assert_eq!((none, asked.get()), (Count::default(), 6));
        assert_eq!(names(&folder, "", PLAIN).0.len(), 600);
    }
}
