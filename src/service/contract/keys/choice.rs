//! The keys that a command names, and the reading of them.

use std::path::{Path, PathBuf};

use super::{DEFAULT, KeyFolder, errors, file, memory};
use crate::base::secrets::key::is_name;
use crate::base::{Code, Key, Secrets};
use crate::language::{Arguments, FromArguments, GivenKey, Keyword, Kind};
use crate::net::connection::keys::KEYS_LIMIT;
use crate::report::Failure;

/// The variable that holds a key, in recordings.
const VARIABLE: &str = "NLS_KEY";

/// For a verb that connects.
pub const KEY: Keyword = Keyword::new("key", Kind::Key, "the key that both sides have");
/// For a verb that listens.
pub const KEYS: Keyword =
    Keyword::new("key", Kind::Key, "a key of those who may connect; one `key` for each of several").many();

/// For a verb that connects.
pub const CODE: Keyword =
    Keyword::new("code", Kind::Code, "the words that the server shows, in place of a key");
/// For a verb that listens.
pub const OFFERS_CODE: Keyword = Keyword::flag("code", "one more client is let in that has the words shown");

/// What a client may be given to connect with.
pub const CREDENTIALS: [&str; 2] = [KEY.word, CODE.word];

/// A key as a command names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChoice {
    /// What it is called in lists and logs; empty: by its fingerprint.
    pub name: String,
    /// Where it is.
    pub source: KeySource,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the folder that keeps keys.
    Folder,
    /// In this file.
    File(PathBuf),
    /// It was in a variable.
    Given(Key),
}

/// A key and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// As in [`KeyChoice`], and never empty.
    pub name: String,
    /// The key.
    pub key: Key,
}

/// The keys of a command, in the order written: what follows [`KEY`] or [`KEYS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChoices(pub Vec<KeyChoice>);

/// What a command connects with: what follows [`KEY`] or [`CODE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientChoice {
    /// One key, or none.
    pub key: KeyChoices,
    /// Instead of a key.
    pub code: Option<Code>,
}

impl From<GivenKey<'_>> for KeyChoice {
    fn from(given: GivenKey<'_>) -> Self {
        match given {
            GivenKey::Name(name) => Self { name: name.to_owned(), source: KeySource::Folder },
            GivenKey::File(path) => {
                let path = PathBuf::from(path);
                let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_name(stem));
                Self { name: stem.unwrap_or_default().to_owned(), source: KeySource::File(path) }
            }
            GivenKey::Key(key) => Self { name: String::new(), source: KeySource::Given(key.clone()) },
        }
    }
}

impl FromArguments for KeyChoices {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self(arguments.keys(KEY.word).map(KeyChoice::from).collect())
    }
}

impl FromArguments for ClientChoice {
    fn from_arguments(arguments: &Arguments) -> Self {
        let code = arguments.text(CODE.word).and_then(|text| Code::read(text).ok());
        Self { key: KeyChoices::from_arguments(arguments), code }
    }
}

impl KeyChoice {
    /// The key that is meant where none is named.
    pub fn default_key() -> Self {
        Self { name: DEFAULT.to_owned(), source: KeySource::Folder }
    }

    /// Reads the key, which is masked in all output from then on. Relative paths begin at `directory`.
    pub fn resolve(&self, directory: &Path, secrets: &Secrets) -> Result<NamedKey, Failure> {
        memory::protect();
        let key = match &self.source {
            KeySource::Folder => KeyFolder::find()?.read(&self.name)?,
            KeySource::File(path) => file::read(&directory.join(path))?,
            KeySource::Given(key) => key.clone(),
        };
        secrets.add_key(VARIABLE, &key);
        let name = if self.name.is_empty() { key.fingerprint() } else { self.name.clone() };
        Ok(NamedKey { name, key })
    }
}

impl KeyChoices {
    /// Reads all keys: each has a name of its own, and none is there twice.
    pub fn resolve(&self, directory: &Path, secrets: &Secrets) -> Result<Vec<NamedKey>, Failure> {
        if self.0.len() > KEYS_LIMIT {
            return Err(errors::too_many_keys(self.0.len(), KEYS_LIMIT));
        }
        let mut keys: Vec<NamedKey> = Vec::with_capacity(self.0.len());
        for choice in &self.0 {
            let next = choice.resolve(directory, secrets)?;
            if let Some(same) = keys.iter().find(|known| known.key == next.key) {
                return Err(errors::same_key(&same.name, &next.name));
            }
            if keys.iter().any(|known| known.name == next.name) {
                return Err(errors::named_twice(&next.name));
            }
            keys.push(next);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::random;

    fn choices(given: &[GivenKey<'_>]) -> KeyChoices {
        KeyChoices(given.iter().map(|given| KeyChoice::from(*given)).collect())
    }

    #[test]
    fn files_and_variables_are_read_and_masked_and_named() {
        let temp = tempfile::tempdir().unwrap();
        let keys: [Key; 3] = std::array::from_fn(|_| Key::made_by(random::fill));
        for (path, key) in ["ann.key", "b b.txt"].iter().zip(&keys) {
            file::create(&temp.path().join(path), key).unwrap();
        }
        let given = [GivenKey::File("ann.key"), GivenKey::File("b b.txt"), GivenKey::Key(&keys[2])];
        let secrets = Secrets::default();
        let read = choices(&given).resolve(temp.path(), &secrets).unwrap();
        let names = ["ann".to_owned(), keys[1].fingerprint(), keys[2].fingerprint()];
        assert_eq!(read.iter().map(|named| named.name.clone()).collect::<Vec<_>>(), names);
        assert!(read.iter().zip(&keys).all(|(named, key)| named.key == *key));
        assert!(keys.iter().all(|key| secrets.occur_in(&key.text()) && secrets.occur_in(&key.words())));
        assert!(!format!("{read:?}").contains(&keys[0].text()[4..20]));
    }

    #[test]
    fn a_key_or_a_name_that_is_given_twice_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (one, two) = (Key::made_by(random::fill), Key::made_by(random::fill));
        std::fs::create_dir(temp.path().join("b")).unwrap();
        for (path, key) in [("a.key", &one), ("b/a.key", &two), ("c.key", &one)] {
            file::create(&temp.path().join(path), key).unwrap();
        }
        let why = |paths: &[&str]| {
            let given: Vec<_> = paths.iter().map(|path| GivenKey::File(path)).collect();
            let read = choices(&given).resolve(temp.path(), &Secrets::default());
            read.map_or_else(|failure| failure.to_string(), |keys| keys.len().to_string())
        };
        assert!(why(&["a.key", "c.key"]).contains("`a` and `c` are the same key"));
        assert!(why(&["a.key", "b/a.key"]).contains("called `a`"));
        assert_eq!(why(&["b/a.key", "c.key"]), "2");
        assert!(why(&["a.key"; KEYS_LIMIT + 1]).contains("16 are the most"));
    }
}
