//! `root` and `hidden`, of services that share a folder.

use std::path::{Path, PathBuf};

use super::Folder;
use crate::language::{Arguments, FromArguments, Keyword, Kind};
use crate::report::Failure;

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
