//! Everything below a folder, in order. Links are not followed and not carried; hidden and special files are left out.
//! All of this blocks.

use std::path::PathBuf;

use super::folder::{Folder, describe};
use super::name::components;
use crate::report::Failure;
use crate::wire::listing::{Entry, PAGE_LIMIT};
use crate::wire::{Code, NAME_LIMIT};

/// Most entries of one folder: they are sorted in memory.
const FOLDER_LIMIT: usize = 200_000;
/// Folders in folders.
const DEPTH_LIMIT: usize = 60;

/// Bytes of names in one page: it must fit a frame.
const PAGE_BYTES: usize = 256 << 10;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
    /// Links, hidden and special files.
    pub(super) skipped: u64,
}

impl Count {
    pub(super) fn add(&mut self, entry: &Entry) {
        if entry.is_folder() {
            self.folders += 1;
        } else {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(entry.size);
        }
    }
}

struct Walk<'a, F: FnMut(Vec<Entry>) -> bool> {
    folder: &'a Folder,
    page: Vec<Entry>,
    page_bytes: usize,
    out: F,
    count: Count,
    gone: bool,
}

/// Gives pages of what is below `path` to `out`, a folder before what is in it, each sorted by name; stops when `out`
/// wants no more. The names are paths below `path`.
pub(super) fn walk(
    folder: &Folder,
    path: &str,
    out: impl FnMut(Vec<Entry>) -> bool,
) -> Result<Count, Failure> {
    let mut walk =
        Walk { folder, page: Vec::new(), page_bytes: 0, out, count: Count::default(), gone: false };
    walk.enter(path, "", 0)?;
    let Walk { page, mut out, count, .. } = walk;
    out(page);
    Ok(count)
}

impl<F: FnMut(Vec<Entry>) -> bool> Walk<'_, F> {
    fn enter(&mut self, base: &str, below: &str, depth: usize) -> Result<(), Failure> {
        let limit = |what: String, most: usize| {
            Err(Failure::new(Code::Limit, format!("{what}: {most} are the most"))
                .fix("send or get a part of it"))
        };
        if depth > DEPTH_LIMIT {
            return limit("folders in folders".into(), DEPTH_LIMIT);
        }
        let base_path = base.trim_end_matches('/');
        let whole: PathBuf = [if base_path == "." { "" } else { base_path }, below]
            .iter()
            .filter(|part| !part.is_empty())
            .collect();
        let (mut entries, mut skipped) = (Vec::new(), 0);
        for entry in self.folder.read(&whole)? {
            match entry.ok().and_then(|entry| describe(&entry)) {
                Some(entry) => entries.push(entry),
                None => skipped += 1,
            }
            if entries.len() > FOLDER_LIMIT {
                return limit(format!("files in the folder `{}`", whole.display()), FOLDER_LIMIT);
            }
        }
        self.count.skipped += skipped;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for mut entry in entries {
            let name = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
            entry.name = name;
            if entry.name.len() + base.len() + 1 > NAME_LIMIT || components(&entry.name).is_err() {
                self.count.skipped += 1;
                continue;
            }
            self.count.add(&entry);
            let inside = entry.is_folder().then(|| entry.name.clone());
            self.page_bytes += entry.name.len();
            self.page.push(entry);
            if self.page.len() == PAGE_LIMIT || self.page_bytes >= PAGE_BYTES {
                self.page_bytes = 0;
                self.gone |= !(self.out)(std::mem::take(&mut self.page));
            }
            if self.gone {
                return Ok(());
            }
            if let Some(inside) = inside {
                self.enter(base, &inside, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Folder, path: &str) -> (Vec<String>, Count) {
        let mut names = Vec::new();
        let count = walk(folder, path, |page| {
            names.extend(page.into_iter().map(|entry| entry.name));
            true
        })
        .unwrap();
        (names, count)
    }

    #[test]
    fn row_22_a_walk_is_sorted_and_follows_no_link() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(at("b/deep/empty")).unwrap();
        std::fs::write(at("b/deep/x"), "12345").unwrap();
        std::fs::write(at("a"), "1").unwrap();
        std::fs::write(at(".hidden"), "").unwrap();
        std::os::unix::fs::symlink("/etc", at("out")).unwrap();
        std::os::unix::fs::symlink("..", at("b/loop")).unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let (all, count) = names(&folder, "");
        assert_eq!(all, ["a", "b", "b/deep", "b/deep/empty", "b/deep/x"]);
        assert_eq!(count, Count { files: 2, folders: 3, bytes: 6, skipped: 3 });
        assert_eq!(names(&folder, "b").0, ["deep", "deep/empty", "deep/x"]);
        assert!(walk(&folder, "out", |_| true).is_err());
        assert!(walk(&folder, "../x", |_| true).is_err());
    }

    #[test]
    fn who_wants_no_more_pages_gets_none() {
        let temp = tempfile::tempdir().unwrap();
        for n in 0..600 {
            std::fs::write(temp.path().join(format!("f{n:03}")), "").unwrap();
        }
        let folder = Folder::open(temp.path()).unwrap();
        let mut pages = 0;
        walk(&folder, "", |page| {
            pages += usize::from(!page.is_empty());
            false
        })
        .unwrap();
        assert_eq!(pages, 1);
        assert_eq!(names(&folder, "").0.len(), 600);
    }
}
