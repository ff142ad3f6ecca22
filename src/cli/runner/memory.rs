//! Remembers which tests failed in the last run, for `--failed`: a file of lines `FILE<TAB>NAME` for each working
//! directory, in the system's cache directory (`NLS_CACHE` names another; empty: nothing is kept).

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

type Key = (String, String);

/// The failures of the last runs.
pub(super) struct Memory {
    file: Option<PathBuf>,
    failed: BTreeSet<Key>,
}

impl Memory {
    pub(super) fn open() -> Self {
        let folder = match std::env::var_os("NLS_CACHE") {
            Some(folder) if folder.is_empty() => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => dirs::cache_dir().map(|folder| folder.join("nls")),
        };
        let here = std::env::current_dir().unwrap_or_default();
        let here = blake3::hash(here.as_os_str().as_encoded_bytes()).to_hex();
        let file = folder.map(|folder| folder.join(format!("failed-{}", &here[..16])));
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let failed = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(file, name)| (file.to_owned(), name.to_owned()))
            .collect();
        Self { file, failed }
    }

    /// True if the case failed when it last ran; with no recorded failures, true for all cases.
    pub(super) fn failed(&self, key: &Key) -> bool {
        self.failed.is_empty() || self.failed.contains(key)
    }

    /// Updates the cases that ran and keeps the others. Write errors are ignored: only `--failed` depends on this file.
    pub(super) fn remember(mut self, ran: &[Key], failed: &[Key]) {
        let Some(file) = self.file.take() else { return };
        self.failed.retain(|key| !ran.contains(key));
        self.failed.extend(failed.iter().cloned());
        let text: String = self
            .failed
            .iter()
            .filter(|(_, name)| !name.contains(['\n', '\t']))
            .map(|(file, name)| format!("{file}\t{name}\n"))
            .collect();
        let Some(folder) = file.parent() else { return };
        drop(std::fs::create_dir_all(folder));
        if let Ok(mut new) = tempfile::NamedTempFile::new_in(folder)
            && new.write_all(text.as_bytes()).is_ok()
        {
            drop(new.persist(&file));
        }
    }
}
