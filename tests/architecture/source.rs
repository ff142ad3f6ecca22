//! The files of `src` as these tests see them: product code, comments aside.

use std::path::{Path, PathBuf};

pub(super) struct Source {
    /// From the top of the repository: `src/wire/frame.rs`.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
}

impl Source {
    /// The code without its unit tests.
    pub(super) fn product(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&self.text)
    }

    /// The same, line by line with numbers from 1; a line of comment is empty.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.product().lines().enumerate();
        lines.map(|(at, line)| (at + 1, if line.trim_start().starts_with("//") { "" } else { line }))
    }

    /// The names from the top of the crate: `["wire", "frame"]`; a `mod.rs` is its folder.
    pub(super) fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
    }

    /// `wire` for all in `src/wire/`; `None` for the files above all layers.
    pub(super) fn layer(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(layer, _)| layer)
    }
}

fn collect(folder: &Path, kinds: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, kinds, found);
        } else if path.extension().is_some_and(|extension| kinds.iter().any(|kind| extension == *kind)) {
            found.push(path);
        }
    }
}

/// Every file of `folder` with one of these endings, tests too, in order.
pub(super) fn all(folder: &str, kinds: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join(folder), kinds, &mut found);
    found.sort();
    let read = |path: &PathBuf| Source {
        path: path.strip_prefix(root).unwrap().display().to_string(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    found.iter().map(read).collect()
}

/// What is part of the program: folders called `tests` are not.
pub(super) fn product() -> Vec<Source> {
    let mut sources = all("src", &["rs"]);
    sources.retain(|source| !source.path.contains("/tests/"));
    sources
}
