//! The folder that keeps keys by name: `nls/keys` where the system keeps configuration.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{errors, file};
use crate::base::Key;
use crate::base::secrets::key::is_name;
use crate::report::Failure;

/// The key that is meant where none is named.
pub const DEFAULT: &str = "default";
/// What the name of a file with a key ends in.
const ENDING: &str = ".key";
/// Most files of the folder that are looked at.
const ENTRY_LIMIT: usize = 10_000;
/// Permission bits with which others can put a file there.
const WRITABLE: u32 = 0o022;

/// A folder of keys, which need not be there yet.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// `NLS_KEYS`, or the folder of the system.
    pub fn find() -> Result<Self, Failure> {
        let path = match std::env::var_os("NLS_KEYS") {
            Some(path) => Some(PathBuf::from(path)).filter(|path| !path.as_os_str().is_empty()),
            None => dirs::config_dir().map(|folder| folder.join("nls").join("keys")),
        };
        path.map(Self).ok_or_else(errors::folder_unknown)
    }

    /// The keys in this folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file of a key.
    ///
    /// # Errors
    /// A key cannot have this name.
    pub fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        if is_name(name) {
            Ok(self.0.join(format!("{name}{ENDING}")))
        } else {
            Err(errors::not_a_key_name(name))
        }
    }

    /// The names of all keys, sorted; none if the folder is not there.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let files = entries.take(ENTRY_LIMIT).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = files
            .filter_map(|file| file.strip_suffix(ENDING).filter(|name| is_name(name)).map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// True if there is a key that is meant where none is named.
    pub fn has_default(&self) -> bool {
        self.file(DEFAULT).is_ok_and(|path| path.symlink_metadata().is_ok())
    }

    /// Reads a key.
    pub fn read(&self, name: &str) -> Result<Key, Failure> {
        let path = self.file(name)?;
        // A link to nowhere is no missing key: its own error says so.
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Err(errors::key_missing(name));
        }
        file::read(&path)
    }

    /// Keeps a key, and tells where. No other is replaced.
    pub fn keep(&self, name: &str, key: &Key) -> Result<PathBuf, Failure> {
        let path = self.file(name)?;
        self.make()?;
        file::create(&path, key)?;
        Ok(path)
    }

    /// Overwrites and removes a key, and tells where it was.
    pub fn forget(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.file(name)?;
        if !self.names().iter().any(|known| known == name) {
            return Err(errors::key_missing(name));
        }
        file::erase(&path)?;
        Ok(path)
    }

    /// Makes the folder, for its owner only, or looks whether others can put keys into it.
    fn make(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io(&error, self.0.display().to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let metadata = self.0.metadata().map_err(failed)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(errors::folder_of_another(&self.0));
        }
        if metadata.mode() & WRITABLE != 0 { Err(errors::folder_is_open(&self.0)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::net::random;

    #[test]
    fn keys_are_kept_listed_and_forgotten_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeyFolder::at(temp.path().join("nls").join("keys"));
        assert!(folder.names().is_empty());
        let key = Key::made_by(random::fill);
        for name in ["bob", "ann"] {
            assert_eq!(folder.keep(name, &key).unwrap(), folder.path().join(format!("{name}.key")));
        }
        assert_eq!(folder.path().metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::write(folder.path().join("no name.key"), "").unwrap();
        assert_eq!(folder.names(), ["ann", "bob"]);
        assert_eq!(folder.read("ann").unwrap(), key);
        folder.forget("ann").unwrap();
        assert_eq!(folder.names(), ["bob"]);
        for result in [folder.read("ann").map(drop), folder.forget("ann").map(drop)] {
            let failure = result.unwrap_err().to_string();
            assert!(failure.contains("`ann`") && failure.contains("password"), "{failure}");
        }
        for name in ["../bob", "", "a b"] {
            assert!(folder.keep(name, &key).is_err() && folder.read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeyFolder::at(temp.path());
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
        let failure = folder.keep("a", &Key::made_by(random::fill)).unwrap_err().to_string();
        assert!(failure.contains("chmod 700"), "{failure}");
        assert!(folder.names().is_empty());
    }
}
